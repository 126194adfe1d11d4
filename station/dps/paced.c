/* SPDX-License-Identifier: Apache-2.0 */
#include "station/dps/paced.h"

#include "station/dps/answer.h"

static enum pacer_outcome outcome_of(const struct http_response *r)
{
	if (answer_code(r->status) != E_DPS_BUSY)
		return PACER_GOOD;
	return r->status == 429 || r->status == 503 || r->retry_after_ms >= 0 ? PACER_BUSY : PACER_LOST;
}

static bool is_of_the_way(enum err_code code)
{
	return code == E_NET || code == E_TLS || code == E_PROXY || code == E_DPS_ANSWER;
}

bool paced_send(struct pacer *p, enum paced_patience patience, uint32_t operations, struct http *h,
		const struct http_request *request, struct http_response *ret, struct err *e)
{
	struct err why = {0};
	if (!pacer_enter(p, operations, request->deadline_ms, e))
		return false;
	if (!http_send(h, request, ret, &why)) {
		pacer_done(p, is_of_the_way(why.code) ? PACER_LOST : PACER_GOOD, -1);
		return err_native(e, why.code, why.native, "%s", why.what);
	}
	pacer_done(p, outcome_of(ret), patience == PACED_ALL ? ret->retry_after_ms : -1);
	return true;
}
