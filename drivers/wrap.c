/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/wrap.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct wrapper *const wrappers[] = {&fault_wrapper, &record_wrapper, &replay_wrapper};

static const char *const names[MOMENT_COUNT] = {
	"open", "identify", "read_ek", "persist_ek", "make_key", "read_ak", "activate", "certify", "prove_key", "sign", "read_csr",
	"import_identity", "sign_identity", "install", "read_back", "finish",
};

const char *moment_name(enum moment m)
{
	assert(m < MOMENT_COUNT);
	return names[m];
}

enum moment moment_find(const char *name, size_t len)
{
	int m = 0;
	while (m < MOMENT_COUNT && (strlen(names[m]) != len || memcmp(names[m], name, len) != 0))
		m++;
	return (enum moment)m;
}

/* ---- "WRAPPER(ARGS):INNER" ---- */

struct piece {
	const struct wrapper *kind;	/* NULL: a plain driver's name */
	char args[256];
	const char *inner;	/* what stands behind the ':' */
};

static bool arguments_take(const char *from, struct piece *ret, const char **after, struct err *e)
{
	*after = from;
	if (*from != '(')
		return true;
	const char *end = strchr(from, ')');
	if (!end || (size_t)(end - from) > sizeof(ret->args))
		return err_set(e, E_CONFIG, "\"%s\" has no end", from);
	memcpy(ret->args, from + 1, (size_t)(end - from) - 1);
	*after = end + 1;
	return true;
}

static bool piece_take(const char *spec, struct piece *ret, struct err *e)
{
	size_t len = strcspn(spec, "(:");
	const char *after;
	memset(ret, 0, sizeof(*ret));
	ret->inner = spec;
	if (!spec[len])
		return true;
	for (size_t i = 0; i < COUNT_OF(wrappers); i++)
		if (strlen(wrappers[i]->name) == len && !memcmp(wrappers[i]->name, spec, len))
			ret->kind = wrappers[i];
	if (!ret->kind)
		return err_set(e, E_CONFIG, "nothing that wraps a driver is called \"%.*s\"", (int)len, spec);
	if (!arguments_take(spec + len, ret, &after, e))
		return false;
	ret->inner = after + 1;
	return *after == ':' || err_set(e, E_CONFIG, "\"%s\" wants a ':' and a driver behind it", spec);
}

static bool strikes_once(const struct piece *p)
{
	return p->kind == &fault_wrapper && strstr(p->args, ".once");
}

/* What the launcher opens for a wrapper: there is one such file for a unit. */
static bool wants_the_file(const struct piece *p)
{
	return p->kind == &record_wrapper || p->kind == &replay_wrapper || strikes_once(p);
}

bool wrap_spec_is_good(const char *spec, struct err *e)
{
	struct piece p;
	int files = 0;
	for (const char *rest = spec;; rest = p.inner) {
		if (!piece_take(rest, &p, e) || (p.kind && !p.kind->args_are_good(p.args, e)))
			return false;
		files += wants_the_file(&p);
		if (files > 1)
			return err_set(e, E_CONFIG, "record, replay and a fault that strikes once cannot be had together: \"%s\"", spec);
		if (!p.kind)
			return driver_real(rest) || err_set(e, E_NO_DRIVER, "no driver \"%s\"", rest);
	}
}

const struct driver *driver_find(const char *spec)
{
	struct err ignored = {0};
	if (!wrap_spec_is_good(spec, &ignored))
		return NULL;
	return strchr(spec, ':') ? &wrap_driver : driver_real(spec);
}

static bool args_out(const struct piece *p, char *out, size_t room)
{
	size_t len = strlen(p->args);
	if (len >= room)
		return false;
	memcpy(out, p->args, len + 1);
	return true;
}

bool wrap_args(const char *spec, const char *wrapper, char *out, size_t room)
{
	struct piece p;
	struct err ignored = {0};
	for (const char *rest = spec; piece_take(rest, &p, &ignored) && p.kind; rest = p.inner)
		if (!strcmp(p.kind->name, wrapper))
			return args_out(&p, out, room);
	return false;
}

bool wrap_once(const char *spec, char *out, size_t room)
{
	struct piece p;
	struct err ignored = {0};
	for (const char *rest = spec; piece_take(rest, &p, &ignored) && p.kind; rest = p.inner)
		if (strikes_once(&p))
			return args_out(&p, out, room);
	return false;
}

/* ---- the wrapped driver ---- */

static bool inner_open(struct wrap *w, const struct driver_call *call, struct err *e)
{
	w->open = true;	/* close is due whatever open says */
	return w->inner->open(w->state, &w->port, call, e);
}

/* False with E_NONE in `e`: it has no such function. */
static bool inner_do(struct wrap *w, const struct wrap_call *c, struct err *e)
{
	const struct driver *d = w->inner;
	void *s = w->state;
	const struct driver_call *call = c->call;
	switch (c->moment) {
	case MOMENT_OPEN: return inner_open(w, call, e);
	case MOMENT_IDENTIFY: return d->identify && d->identify(s, call, c->result, e);
	case MOMENT_READ_EK: return d->read_ek && d->read_ek(s, call, c->result, e);
	case MOMENT_PERSIST_EK: return d->persist_ek && d->persist_ek(s, call, c->request, e);
	case MOMENT_MAKE_KEY: return d->make_key && d->make_key(s, call, c->request, c->result, e);
	case MOMENT_READ_AK: return d->read_ak && d->read_ak(s, call, e);
	case MOMENT_ACTIVATE: return d->activate && d->activate(s, call, e);
	case MOMENT_CERTIFY: return d->certify && d->certify(s, call, e);
	case MOMENT_PROVE_KEY: return d->prove_key && d->prove_key(s, call, e);
	case MOMENT_SIGN: return d->sign && d->sign(s, call, c->request, c->result, e);
	case MOMENT_READ_CSR: return d->read_csr && d->read_csr(s, call, e);
	case MOMENT_IMPORT_IDENTITY: return d->import_identity && d->import_identity(s, call, c->request, e);
	case MOMENT_SIGN_IDENTITY: return d->sign_identity && d->sign_identity(s, call, c->request, c->result, e);
	case MOMENT_INSTALL: return d->install && d->install(s, call, c->request, e);
	case MOMENT_READ_BACK: return d->read_back && d->read_back(s, call, e);
	case MOMENT_FINISH: return d->finish && d->finish(s, call, c->request, e);
	case MOMENT_COUNT: break;
	}
	return false;
}

bool wrap_inner(struct wrap *w, const struct wrap_call *c, struct err *e)
{
	return inner_do(w, c, e) ||
	       (e->code == E_NONE && err_set(e, E_NO_DRIVER, "%s cannot %s", w->inner->name, moment_name(c->moment)));
}

/* ---- the vtable ---- */

static bool around(void *state, enum moment m, const struct driver_call *call, const void *request, size_t request_len,
		   void *result, size_t result_len, struct err *e)
{
	struct wrap *w = state;
	const struct wrap_call c = {m, call, request, request_len, result, result_len};
	if (result)
		memset(result, 0, result_len);
	return w->kind->around(w, &c, e);
}

static bool wrap_open(void *state, const struct driver_port *port, const struct driver_call *call, struct err *e)
{
	struct wrap *w = state;
	struct piece p;
	if (!piece_take(port->spec, &p, e))
		return false;
	w->kind = p.kind;
	w->port = *port;
	w->port.spec = p.inner;
	w->inner = driver_find(p.inner);
	if (!w->kind || !w->inner)
		return err_set(e, E_NO_DRIVER, "no driver \"%s\"", port->spec);
	w->own = calloc(1, w->kind->own_size + 1);
	w->state = calloc(1, w->inner->state_size + 1);
	if (!w->own || !w->state)
		return err_set(e, E_NOMEM, "what wraps a driver");
	return (!w->kind->begin || w->kind->begin(w, p.args, e)) && around(w, MOMENT_OPEN, call, NULL, 0, NULL, 0, e);
}

static void wrap_close(void *state)
{
	struct wrap *w = state;
	if (w->open)
		w->inner->close(w->state);
	if (w->own && w->kind->end)
		w->kind->end(w);
	free(w->own);
	free(w->state);
	memset(w, 0, sizeof(*w));
}

static bool wrap_identify(void *state, const struct driver_call *call, struct driver_identity *ret, struct err *e)
{
	return around(state, MOMENT_IDENTIFY, call, NULL, 0, ret, sizeof(*ret), e);
}

static bool wrap_read_ek(void *state, const struct driver_call *call, struct driver_ek_read *ret, struct err *e)
{
	return around(state, MOMENT_READ_EK, call, NULL, 0, ret, sizeof(*ret), e);
}

static bool wrap_persist_ek(void *state, const struct driver_call *call, const struct driver_ek_request *req, struct err *e)
{
	return around(state, MOMENT_PERSIST_EK, call, req, sizeof(*req), NULL, 0, e);
}

static bool wrap_make_key(void *state, const struct driver_call *call, const struct driver_key_request *req,
			  struct driver_key_made *ret, struct err *e)
{
	return around(state, MOMENT_MAKE_KEY, call, req, sizeof(*req), ret, sizeof(*ret), e);
}

static bool wrap_read_ak(void *state, const struct driver_call *call, struct err *e)
{
	return around(state, MOMENT_READ_AK, call, NULL, 0, NULL, 0, e);
}

static bool wrap_activate(void *state, const struct driver_call *call, struct err *e)
{
	return around(state, MOMENT_ACTIVATE, call, NULL, 0, NULL, 0, e);
}

static bool wrap_certify(void *state, const struct driver_call *call, struct err *e)
{
	return around(state, MOMENT_CERTIFY, call, NULL, 0, NULL, 0, e);
}

static bool wrap_prove_key(void *state, const struct driver_call *call, struct err *e)
{
	return around(state, MOMENT_PROVE_KEY, call, NULL, 0, NULL, 0, e);
}

static bool wrap_sign(void *state, const struct driver_call *call, const uint8_t digest[static SHA256_SIZE],
		      struct key_signature *ret, struct err *e)
{
	return around(state, MOMENT_SIGN, call, digest, SHA256_SIZE, ret, sizeof(*ret), e);
}

static bool wrap_read_csr(void *state, const struct driver_call *call, struct err *e)
{
	return around(state, MOMENT_READ_CSR, call, NULL, 0, NULL, 0, e);
}

static bool wrap_import_identity(void *state, const struct driver_call *call, const struct driver_blob *blob, struct err *e)
{
	return around(state, MOMENT_IMPORT_IDENTITY, call, blob, sizeof(*blob), NULL, 0, e);
}

static bool wrap_sign_identity(void *state, const struct driver_call *call, const struct driver_text *text,
			       uint8_t ret[static SHA256_SIZE], struct err *e)
{
	return around(state, MOMENT_SIGN_IDENTITY, call, text, sizeof(*text), ret, SHA256_SIZE, e);
}

static bool wrap_install(void *state, const struct driver_call *call, const struct driver_bundle *bundle, struct err *e)
{
	return around(state, MOMENT_INSTALL, call, bundle, sizeof(*bundle), NULL, 0, e);
}

static bool wrap_read_back(void *state, const struct driver_call *call, struct err *e)
{
	return around(state, MOMENT_READ_BACK, call, NULL, 0, NULL, 0, e);
}

static bool wrap_finish(void *state, const struct driver_call *call, const uint8_t bundle_sha256[static SHA256_SIZE],
			struct err *e)
{
	return around(state, MOMENT_FINISH, call, bundle_sha256, SHA256_SIZE, NULL, 0, e);
}

static const struct driver_match matches[] = {{0}};

const struct driver wrap_driver = {
	.name = "wrap",
	.title = "a driver with something around it",
	.matches = matches,
	.state_size = sizeof(struct wrap),
	.open = wrap_open,
	.close = wrap_close,
	.identify = wrap_identify,
	.read_ek = wrap_read_ek,
	.persist_ek = wrap_persist_ek,
	.make_key = wrap_make_key,
	.read_ak = wrap_read_ak,
	.activate = wrap_activate,
	.certify = wrap_certify,
	.prove_key = wrap_prove_key,
	.sign = wrap_sign,
	.read_csr = wrap_read_csr,
	.import_identity = wrap_import_identity,
	.sign_identity = wrap_sign_identity,
	.install = wrap_install,
	.read_back = wrap_read_back,
	.finish = wrap_finish,
};
