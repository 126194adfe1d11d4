/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/sandbox.h"
#include "drivers/sandbox_wire.h"
#include "station/base/clock.h"
#include "station/base/text.h"
#include "station/base/wire.h"

#include <string.h>

/* The child keeps the deadline itself and says better what it waited for; this much later the line stops listening. */
#define GRACE_MS 200
#define CLOSE_MS 1500

/* The child may be the device's by now. Its error may fail this unit, but never the line, and its words go to a terminal. */
static bool child_err(const struct err *said, struct err *e)
{
	struct err clean = *said;
	clean.what[sizeof(clean.what) - 1] = '\0';
	for (char *c = clean.what; *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	if (clean.code >= E_COUNT || clean.code == E_NONE)
		return err_set(e, E_CHILD_LOST, "the driver's process gave an error without a cause");
	const struct err_row *row = err_row(clean.code);
	if (row->class == ERR_STATION || row->exhausted == ERR_STATION)
		return err_native(e, E_CHILD_LOST, clean.native, "the driver's process: %s %s", row->code, clean.what);
	return err_native(e, clean.code, clean.native, "%s", clean.what);
}

/* Only what has the reply's size and this turn counts; older turns are dropped. E_WIRE would stop the line, so it is
 * not believed either. */
static bool reply_take(int fd, enum sandbox_op op, uint64_t turn, int64_t until_ms, struct sandbox_reply *ret, struct err *e)
{
	struct wire_msg m;
	struct err why = {0};
	for (;;) {
		if (!wire_recv(fd, &m, until_ms, &why))
			return err_native(e, why.code == E_WIRE ? E_CHILD_LOST : why.code, why.native, "%s", why.what);
		if (m.len != sizeof(*ret))
			return err_set(e, E_CHILD_LOST, "the driver's process answered %u bytes", m.len);
		memcpy(ret, m.data, sizeof(*ret));
		if (ret->turn < turn)
			continue;
		if (m.type != op || ret->turn != turn)
			return err_set(e, E_CHILD_LOST, "the driver's process answered something else");
		return true;
	}
}

static bool ask_until(struct sandbox *s, enum sandbox_op op, struct sandbox_request *r, int64_t until_ms,
		      struct sandbox_reply *ret, struct err *e)
{
	r->turn = ++s->turn;
	if (!wire_send(s->fd, op, r, sizeof(*r), until_ms, e) || !reply_take(s->fd, op, r->turn, until_ms, ret, e))
		return false;
	return ret->err.code == E_NONE || child_err(&ret->err, e);
}

static bool ask(void *state, enum sandbox_op op, const struct driver_call *call, struct sandbox_request *r,
		struct sandbox_reply *ret, struct err *e)
{
	r->deadline_ms = call->deadline_ms;
	return ask_until(state, op, r, call->deadline_ms + GRACE_MS, ret, e);
}

/* Functions without a request or a result of their own. */
static bool ask_plain(void *state, enum sandbox_op op, const struct driver_call *call, struct err *e)
{
	struct sandbox_request r = {0};
	struct sandbox_reply reply;
	return ask(state, op, call, &r, &reply, e);
}

static bool sandbox_open(void *state, const struct driver_port *port, const struct driver_call *call, struct err *e)
{
	struct sandbox *s = state;
	s->fd = port->fd;
	s->opened = true;
	return ask_plain(state, SANDBOX_OPEN, call, e);
}

static void sandbox_close(void *state)
{
	struct sandbox *s = state;
	struct sandbox_request r = {.deadline_ms = clock_steady_ms() + CLOSE_MS};
	struct sandbox_reply reply;
	struct err gone = {0};
	/* A child that is lost has nothing to close, and the next open flushes what it left. */
	if (s->opened)
		(void)!ask_until(s, SANDBOX_CLOSE, &r, r.deadline_ms + GRACE_MS, &reply, &gone);
	memset(s, 0, sizeof(*s));
}

static bool text_is_sound(const char text[static DRIVER_TEXT])
{
	size_t len = strnlen(text, DRIVER_TEXT);
	return len > 0 && len < DRIVER_TEXT && text_is_printable(text, len);
}

static bool sandbox_identify(void *state, const struct driver_call *call, struct driver_identity *ret, struct err *e)
{
	struct sandbox_request r = {0};
	struct sandbox_reply reply;
	if (!ask(state, SANDBOX_IDENTIFY, call, &r, &reply, e))
		return false;
	*ret = reply.u.identity;
	if (!text_is_sound(ret->serial) || !text_is_sound(ret->model) || !text_is_sound(ret->revision)
	    || ret->factory_closed > 1 || ret->bundle_present > 1)
		return err_set(e, E_BRIDGE, "an identity that is no text");
	return true;
}

static bool sandbox_read_ek(void *state, const struct driver_call *call, struct driver_ek_read *ret, struct err *e)
{
	struct sandbox_request r = {0};
	struct sandbox_reply reply;
	if (!ask(state, SANDBOX_READ_EK, call, &r, &reply, e))
		return false;
	*ret = reply.u.ek;
	return (ret->present <= 1 && ret->has_certificate <= 1) || err_set(e, E_BRIDGE, "neither yes nor no");
}

static bool sandbox_persist_ek(void *state, const struct driver_call *call, const struct driver_ek_request *req, struct err *e)
{
	struct sandbox_request r = {.u.ek = *req};
	struct sandbox_reply reply;
	return ask(state, SANDBOX_PERSIST_EK, call, &r, &reply, e);
}

static bool sandbox_make_key(void *state, const struct driver_call *call, const struct driver_key_request *req,
			     struct driver_key_made *ret, struct err *e)
{
	struct sandbox_request r = {.u.key = *req};
	struct sandbox_reply reply;
	if (!ask(state, SANDBOX_MAKE_KEY, call, &r, &reply, e))
		return false;
	*ret = reply.u.key;
	return ret->made <= 1 || err_set(e, E_BRIDGE, "neither yes nor no");
}

static bool sandbox_read_ak(void *state, const struct driver_call *call, struct err *e)
{
	return ask_plain(state, SANDBOX_READ_AK, call, e);
}

static bool sandbox_activate(void *state, const struct driver_call *call, struct err *e)
{
	return ask_plain(state, SANDBOX_ACTIVATE, call, e);
}

static bool sandbox_certify(void *state, const struct driver_call *call, struct err *e)
{
	return ask_plain(state, SANDBOX_CERTIFY, call, e);
}

static bool sandbox_prove_key(void *state, const struct driver_call *call, struct err *e)
{
	return ask_plain(state, SANDBOX_PROVE_KEY, call, e);
}

static bool sandbox_sign(void *state, const struct driver_call *call, const uint8_t digest[static SHA256_SIZE],
			 struct key_signature *ret, struct err *e)
{
	struct sandbox_request r = {0};
	struct sandbox_reply reply;
	memcpy(r.u.digest, digest, SHA256_SIZE);
	if (!ask(state, SANDBOX_SIGN, call, &r, &reply, e))
		return false;
	*ret = reply.u.signature;
	return true;
}

static bool sandbox_read_csr(void *state, const struct driver_call *call, struct err *e)
{
	return ask_plain(state, SANDBOX_READ_CSR, call, e);
}

static bool sandbox_import_identity(void *state, const struct driver_call *call, const struct driver_blob *blob, struct err *e)
{
	struct sandbox_request r = {.u.blob = *blob};
	struct sandbox_reply reply;
	return ask(state, SANDBOX_IMPORT_IDENTITY, call, &r, &reply, e);
}

static bool sandbox_sign_identity(void *state, const struct driver_call *call, const struct driver_text *text,
				  uint8_t ret[static SHA256_SIZE], struct err *e)
{
	struct sandbox_request r = {.u.text = *text};
	struct sandbox_reply reply;
	if (!ask(state, SANDBOX_SIGN_IDENTITY, call, &r, &reply, e))
		return false;
	memcpy(ret, reply.u.mac, SHA256_SIZE);
	return true;
}

static bool sandbox_install(void *state, const struct driver_call *call, const struct driver_bundle *bundle, struct err *e)
{
	struct sandbox_request r = {.u.bundle = *bundle};
	struct sandbox_reply reply;
	return ask(state, SANDBOX_INSTALL, call, &r, &reply, e);
}

static bool sandbox_read_back(void *state, const struct driver_call *call, struct err *e)
{
	return ask_plain(state, SANDBOX_READ_BACK, call, e);
}

static bool sandbox_finish(void *state, const struct driver_call *call, const uint8_t bundle_sha256[static SHA256_SIZE],
			   struct err *e)
{
	struct sandbox_request r = {0};
	struct sandbox_reply reply;
	memcpy(r.u.digest, bundle_sha256, SHA256_SIZE);
	return ask(state, SANDBOX_FINISH, call, &r, &reply, e);
}

static const struct driver_match matches[] = {{0}};

const struct driver sandbox_driver = {
	.name = "sandbox",
	.title = "a driver in a process of its own",
	.matches = matches,
	.state_size = sizeof(struct sandbox),
	.open = sandbox_open,
	.close = sandbox_close,
	.identify = sandbox_identify,
	.read_ek = sandbox_read_ek,
	.persist_ek = sandbox_persist_ek,
	.make_key = sandbox_make_key,
	.read_ak = sandbox_read_ak,
	.activate = sandbox_activate,
	.certify = sandbox_certify,
	.prove_key = sandbox_prove_key,
	.sign = sandbox_sign,
	.read_csr = sandbox_read_csr,
	.import_identity = sandbox_import_identity,
	.sign_identity = sandbox_sign_identity,
	.install = sandbox_install,
	.read_back = sandbox_read_back,
	.finish = sandbox_finish,
};
