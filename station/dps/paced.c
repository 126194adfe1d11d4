/* SPDX-License-Identifier: Apache-2.0 */
#include "station/dps/paced.h"

#include "station/dps/answer.h"

static bool is_busy(const struct http_response *r)
{
	return answer_code(r->status) == E_DPS_BUSY && (r->status == 429 || r->status == 503 || r->retry_after_ms >= 0);
}

/* No answer, or one as good as none. */
static bool is_lost(const struct http_response *r, const struct err *why)
{
	if (!why->code)
		return answer_code(r->status) == E_DPS_BUSY;
	return why->code == E_NET || why->code == E_TLS || why->code == E_PROXY || why->code == E_DPS_ANSWER;
}

bool paced_send(struct pacer *p, enum paced_patience patience, uint32_t operations, struct http *h,
		const struct http_request *request, struct http_response *ret, struct err *e)
{
	struct err why = {0};
	bool all = patience == PACED_ALL;
	if (!pacer_enter(p, operations, request->deadline_ms, e))
		return false;
	bool ok = http_send(h, request, ret, &why);
	if (ok && is_busy(ret))
		pacer_done(p, PACER_BUSY, all ? ret->retry_after_ms : -1);
	else
		pacer_done(p, all && is_lost(ret, &why) ? PACER_LOST : PACER_GOOD, -1);
	return ok || err_native(e, why.code, why.native, "%s", why.what);
}
