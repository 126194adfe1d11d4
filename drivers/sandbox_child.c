/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/sandbox.h"
#include "drivers/capture.h"
#include "drivers/sandbox_wire.h"
#include "drivers/usb.h"
#include "certs/verifier.h"
#include "certs/warm.h"
#include "station/base/clock.h"
#include "station/base/lockdown.h"
#include "station/base/log.h"
#include "station/base/wire.h"

#include <string.h>
#include <sys/resource.h>

#define REPLY_MS 1000	/* the line reads its socket while it waits for us */

struct child {
	const struct driver *driver;
	struct driver_port port;
	void *state;
	int line, verifier;
	bool open;
	int64_t deadline_ms;	/* of the request that runs */
	struct challenge challenge;	/* the last one that came */
	bool challenged;
};

/* Evidence leaves before the line is answered, so the verifier has it when the line asks for a judgement. */
static bool evidence_send(void *ctx, enum evidence_kind kind, const void *data, size_t len, struct err *e)
{
	struct child *c = ctx;
	if (len > EVIDENCE_MAX)
		return err_set(e, E_BRIDGE, "evidence of %zu bytes", len);
	return wire_send(c->verifier, EVIDENCE_WIRE_BASE + (uint32_t)kind, data, len, c->deadline_ms, e);
}

static bool challenge_receive(struct child *c, int64_t deadline_ms, struct err *e)
{
	if (!wire_expect(c->verifier, EVIDENCE_CHALLENGE, &c->challenge, sizeof(c->challenge), deadline_ms, e))
		return false;
	c->challenged = true;
	return true;
}

static bool challenge_fits(const struct child *c, enum sandbox_op op)
{
	if (!c->challenged)
		return false;
	return op == SANDBOX_READ_CSR ? c->challenge.about == CHALLENGE_CSR
		: op == SANDBOX_PROVE_KEY ? c->challenge.about == CHALLENGE_KEY
		: op == SANDBOX_CERTIFY ? c->challenge.about == CHALLENGE_AK
		: c->challenge.about == CHALLENGE_AK || c->challenge.about == CHALLENGE_LEAF || c->challenge.about == CHALLENGE_EK;
}

/* The verifier sends a challenge before it tells the line so: what is meant lies in the socket already, behind older ones. */
static bool challenge_for(struct child *c, enum sandbox_op op, struct err *e)
{
	struct err none = {0};
	while (challenge_receive(c, 0, &none))
		;
	if (none.code != E_CHILD_SILENT)
		return err_native(e, none.code, none.native, "waiting for a challenge: %s", none.what);
	while (!challenge_fits(c, op))
		if (!challenge_receive(c, c->deadline_ms, e))
			return err_in(e, "waiting for a challenge");
	return true;
}

static bool child_open(struct child *c, const struct driver_call *call, struct err *e)
{
	if (c->open)
		return err_set(e, E_BRIDGE, "open already");
	c->open = true;	/* close is due whatever open says */
	return c->driver->open(c->state, &c->port, call, e);
}

static void child_close(struct child *c)
{
	if (c->open)
		c->driver->close(c->state);
	c->open = false;
	memset(c->state, 0, c->driver->state_size);
}

/* False with E_NONE in `e`: this driver has no such function. */
static bool child_do(struct child *c, enum sandbox_op op, const struct sandbox_request *r, struct sandbox_reply *reply,
		     struct err *e)
{
	const struct driver *d = c->driver;
	const struct driver_call call = {c->deadline_ms, evidence_send, c, &c->challenge};
	if (op == SANDBOX_OPEN)
		return child_open(c, &call, e);
	if (op == SANDBOX_CLOSE) {
		child_close(c);
		return true;
	}
	if (!c->open)
		return err_set(e, E_BRIDGE, "not open");
	if ((op == SANDBOX_ACTIVATE || op == SANDBOX_CERTIFY || op == SANDBOX_PROVE_KEY || op == SANDBOX_READ_CSR) &&
	    !challenge_for(c, op, e))
		return false;
	switch (op) {
	case SANDBOX_IDENTIFY: return d->identify && d->identify(c->state, &call, &reply->u.identity, e);
	case SANDBOX_READ_EK: return d->read_ek && d->read_ek(c->state, &call, &reply->u.ek, e);
	case SANDBOX_PERSIST_EK: return d->persist_ek && d->persist_ek(c->state, &call, &r->u.ek, e);
	case SANDBOX_MAKE_KEY: return d->make_key && d->make_key(c->state, &call, &r->u.key, &reply->u.key, e);
	case SANDBOX_READ_AK: return d->read_ak && d->read_ak(c->state, &call, e);
	case SANDBOX_ACTIVATE: return d->activate && d->activate(c->state, &call, e);
	case SANDBOX_CERTIFY: return d->certify && d->certify(c->state, &call, e);
	case SANDBOX_PROVE_KEY: return d->prove_key && d->prove_key(c->state, &call, e);
	case SANDBOX_SIGN: return d->sign && d->sign(c->state, &call, r->u.digest, &reply->u.signature, e);
	case SANDBOX_READ_CSR: return d->read_csr && d->read_csr(c->state, &call, e);
	case SANDBOX_IMPORT_IDENTITY: return d->import_identity && d->import_identity(c->state, &call, &r->u.blob, e);
	case SANDBOX_SIGN_IDENTITY: return d->sign_identity && d->sign_identity(c->state, &call, &r->u.text, reply->u.mac, e);
	case SANDBOX_INSTALL: return d->install && d->install(c->state, &call, &r->u.bundle, e);
	case SANDBOX_READ_BACK: return d->read_back && d->read_back(c->state, &call, e);
	case SANDBOX_FINISH: return d->finish && d->finish(c->state, &call, r->u.digest, e);
	default: return false;
	}
}

/* Lengths that the line wrote; the arrays behind them are of fixed size. */
static bool request_is_whole(const struct sandbox_request *r, enum sandbox_op op)
{
	return (op != SANDBOX_INSTALL || r->u.bundle.len <= sizeof(r->u.bundle.data)) &&
	       (op != SANDBOX_IMPORT_IDENTITY || r->u.blob.len <= sizeof(r->u.blob.data)) &&
	       (op != SANDBOX_SIGN_IDENTITY || r->u.text.len <= sizeof(r->u.text.data));
}

/* Answers one request; false when the line has gone. `broken` is why nothing can be done, or E_NONE. */
static bool serve(struct child *c, const struct err *broken)
{
	struct wire_msg m;
	struct sandbox_request r;
	struct sandbox_reply reply = {0};
	struct err gone = {0};
	if (!wire_recv(c->line, &m, WIRE_FOREVER, &gone) || m.len != sizeof(r))
		return false;
	memcpy(&r, m.data, sizeof(r));
	reply.turn = r.turn;
	reply.err = *broken;
	c->deadline_ms = r.deadline_ms;
	if (!request_is_whole(&r, m.type))
		return false;
	if (reply.err.code == E_NONE && !child_do(c, m.type, &r, &reply, &reply.err) && reply.err.code == E_NONE)
		err_set(&reply.err, E_NO_DRIVER, "%s has no function %u", c->driver->name, m.type);
	return wire_send(c->line, m.type, &reply, sizeof(reply), clock_steady_ms() + REPLY_MS, &gone);
}

/* A wrapper's file holds a capture at most: a process that a unit has taken over cannot fill the disk with it. */
static bool file_limit(const struct driver_port *port, struct err *e)
{
	const struct rlimit most = {CAPTURE_MAX, CAPTURE_MAX};
	return port->file < 0 || setrlimit(RLIMIT_FSIZE, &most) == 0 || err_errno(e, E_LOCKDOWN, "the size of a capture");
}

/* Everything that needs rights, then none are left. The device is first asked something by driver->open, locked in. */
static bool prepare(struct child *c, struct err *e)
{
	c->state = calloc(1, c->driver->state_size);
	if (!c->state)
		return err_set(e, E_NOMEM, "the driver's state");
	/* What wraps a driver has no facts of its own. */
	const struct driver *real = c->port.spec ? driver_real(c->port.spec) : c->driver;
	if (c->port.fd >= 0 && !real->tty && !usb_link_open(c->port.fd, real->matches, &c->port.link, e))
		return false;
	certs_warm();
	lockdown_warm();
	return file_limit(&c->port, e) && lockdown(e);
}

_Noreturn void sandbox_child(const struct driver *driver, const struct driver_port *port, int line, int verifier)
{
	struct child c = {.driver = driver, .port = *port, .line = line, .verifier = verifier};
	struct err broken = {0};
	if (!prepare(&c, &broken))
		log_err(LOG_LEVEL_ERROR, &broken, "a driver's process");
	while (serve(&c, &broken))
		;
	if (c.state)
		child_close(&c);
	usb_link_close(c.port.link);
	_exit(0);
}
