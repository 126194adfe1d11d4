/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/signer.h"
#include "certs/signer_warm.h"
#include "certs/warm.h"
#include "station/base/clock.h"
#include "station/base/lockdown.h"
#include "station/base/wire.h"

#include <string.h>

/* A request and its reply have the same type. */
enum message { MSG_READY = 1, MSG_LEAF, MSG_CHECKPOINT, MSG_PERMIT, MSG_ORDER, MSG_CLOCK };

#define REPLY_MS 10000	/* the line takes a reply within this, or it is gone */

_Static_assert(sizeof(struct signer_info) <= WIRE_MAX && sizeof(struct leaf_request) <= WIRE_MAX &&
	       sizeof(struct checkpoint_request) <= WIRE_MAX && sizeof(struct order_request) <= WIRE_MAX &&
	       sizeof(struct clock_request) <= WIRE_MAX, "every message fits");

/* ---- the child ---- */

static bool reply(int line, uint32_t type, bool ok, const void *data, size_t len, const struct err *why, struct err *e)
{
	int64_t deadline = clock_steady_ms() + REPLY_MS;
	return ok ? wire_send(line, type, data, len, deadline, e) : wire_send_err(line, why, deadline, e);
}

static bool serve_leaf(int line, struct signer *s, const struct wire_msg *m, struct err *e)
{
	struct leaf_request req;
	struct leaf_reply leaf = {0};
	struct err why = {0};
	memcpy(&req, m->data, sizeof(req));
	bool ok = signer_leaf(s, &req, clock_wall_ms(), &leaf, &why);
	return reply(line, MSG_LEAF, ok, &leaf, sizeof(leaf), &why, e);
}

static bool serve_permit(int line, struct signer *s, const struct wire_msg *m, struct err *e)
{
	struct leaf_request req;
	struct permit_reply permit = {0};
	struct err why = {0};
	memcpy(&req, m->data, sizeof(req));
	bool ok = signer_permit(s, &req, clock_wall_ms(), &permit, &why);
	return reply(line, MSG_PERMIT, ok, &permit, sizeof(permit), &why, e);
}

static bool serve_checkpoint(int line, struct signer *s, const struct wire_msg *m, struct err *e)
{
	struct checkpoint_request req;
	struct checkpoint_reply note = {0};
	struct err why = {0};
	memcpy(&req, m->data, sizeof(req));
	bool ok = signer_checkpoint(s, &req, clock_wall_ms(), &note, &why);
	return reply(line, MSG_CHECKPOINT, ok, &note, sizeof(note), &why, e);
}

static bool serve_order(int line, struct signer *s, const struct wire_msg *m, struct err *e)
{
	struct order_request req;
	struct order_reply left = {0};
	struct err why = {0};
	memcpy(&req, m->data, sizeof(req));
	bool ok = signer_order(s, &req, clock_wall_ms(), &left, &why);
	return reply(line, MSG_ORDER, ok, &left, sizeof(left), &why, e);
}

static bool serve_clock(int line, struct signer *s, const struct wire_msg *m, struct err *e)
{
	struct clock_request req;
	struct err why = {0};
	memcpy(&req, m->data, sizeof(req));
	bool ok = signer_clock(s, &req, clock_wall_ms(), &why);
	return reply(line, MSG_CLOCK, ok, "", 1, &why, e);
}

/* A message of another type or size is told and ends the conversation. */
static bool refuse(int line, const struct wire_msg *m, struct err *e)
{
	struct err why = {0};
	err_set(&why, E_WIRE, "the signer does not know message %u of %u bytes", m->type, m->len);
	return reply(line, 0, false, NULL, 0, &why, e) && err_set(e, E_WIRE, "%s", why.what);
}

static bool serve(int line, struct signer *s, const struct wire_msg *m, struct err *e)
{
	if (m->type == MSG_LEAF && m->len == sizeof(struct leaf_request))
		return serve_leaf(line, s, m, e);
	if (m->type == MSG_PERMIT && m->len == sizeof(struct leaf_request))
		return serve_permit(line, s, m, e);
	if (m->type == MSG_CHECKPOINT && m->len == sizeof(struct checkpoint_request))
		return serve_checkpoint(line, s, m, e);
	if (m->type == MSG_ORDER && m->len == sizeof(struct order_request))
		return serve_order(line, s, m, e);
	if (m->type == MSG_CLOCK && m->len == sizeof(struct clock_request))
		return serve_clock(line, s, m, e);
	return refuse(line, m, e);
}

static bool start(const struct signer_setup *setup, struct signer **ret, struct err *e)
{
	certs_warm();
	lockdown_warm();
	return lockdown_no_core(e) && signer_open(setup, ret, e) && signer_warm(*ret, clock_wall_ms(), e) &&
	       lockdown_with_clock(e);
}

_Noreturn void signer_child(int line, const struct signer_setup *setup)
{
	struct signer *s = NULL;
	struct signer_info info = {0};
	struct wire_msg m;
	struct err e = {0}, ignored = {0};
	bool ok = start(setup, &s, &e);
	if (ok)
		signer_who(s, &info);
	ok = reply(line, MSG_READY, ok, &info, sizeof(info), &e, &ignored) && ok;
	while (ok)
		ok = wire_recv(line, &m, WIRE_FOREVER, &ignored) && serve(line, s, &m, &ignored);
	signer_close(s);
	_exit(e.code == E_NONE && ignored.code == E_CHILD_LOST ? 0 : 1);
}

/* ---- the line's side ---- */

bool signer_client_ready(int fd, int64_t deadline_ms, struct signer_info *ret, struct err *e)
{
	return wire_expect(fd, MSG_READY, ret, sizeof(*ret), deadline_ms, e) || err_in(e, "signer");
}

static bool ask(int fd, uint32_t type, const void *req, size_t req_len, void *ret, size_t ret_len, int64_t deadline_ms,
		struct err *e)
{
	return (wire_send(fd, type, req, req_len, deadline_ms, e) && wire_expect(fd, type, ret, ret_len, deadline_ms, e)) ||
	       err_in(e, "signer");
}

bool signer_client_leaf(int fd, int64_t deadline_ms, const struct leaf_request *req, struct leaf_reply *ret, struct err *e)
{
	if (!ask(fd, MSG_LEAF, req, sizeof(*req), ret, sizeof(*ret), deadline_ms, e))
		return false;
	return ret->len <= sizeof(ret->der) || err_set(e, E_WIRE, "a leaf of %u bytes", ret->len);
}

bool signer_client_permit(int fd, int64_t deadline_ms, const struct leaf_request *req, struct permit_reply *ret, struct err *e)
{
	return ask(fd, MSG_PERMIT, req, sizeof(*req), ret, sizeof(*ret), deadline_ms, e);
}

bool signer_client_order(int fd, int64_t deadline_ms, const struct order_request *req, struct order_reply *ret, struct err *e)
{
	return ask(fd, MSG_ORDER, req, sizeof(*req), ret, sizeof(*ret), deadline_ms, e);
}

bool signer_client_clock(int fd, int64_t deadline_ms, const struct clock_request *req, struct err *e)
{
	char done;
	return ask(fd, MSG_CLOCK, req, sizeof(*req), &done, sizeof(done), deadline_ms, e);
}

bool signer_client_checkpoint(int fd, int64_t deadline_ms, const struct checkpoint_request *req, struct checkpoint_reply *ret,
			      struct err *e)
{
	if (!ask(fd, MSG_CHECKPOINT, req, sizeof(*req), ret, sizeof(*ret), deadline_ms, e))
		return false;
	return memchr(ret->note, 0, sizeof(ret->note)) || err_set(e, E_WIRE, "a checkpoint without end");
}
