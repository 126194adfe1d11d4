/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/failed.h"
#include "station/revocation.h"
#include "station/shift/signed_order.h"
#include "station/uplink.h"

#include <stdlib.h>
#include <string.h>

struct failed {
	struct line *l;
	const char *lot;
	char (*job)[JOB_ID];
	size_t count, room;
	struct err *e;
	bool ok;
};

static bool is_failed(struct failed *f, const struct job_row *row, bool *ret)
{
	AUTO(revocation) struct revocation known = {0};
	bool found = false;
	*ret = false;
	if (row->intent_index < 0 || strcmp(row->order, f->lot) != 0 || row->verdict == VERDICT_PASS || row->verdict == VERDICT_BUILT)
		return true;
	if (!revocations_find(f->l->ledger, row->cert_serial, &known, &found, f->e))
		return false;
	*ret = !found;
	return true;
}

static bool add(void *ctx, const struct job_row *row)
{
	struct failed *f = ctx;
	bool failed = false;
	f->ok = is_failed(f, row, &failed);
	if (!f->ok || !failed)
		return f->ok;
	if (f->count == f->room) {
		size_t room = f->room ? 2 * f->room : 16;
		void *grown = realloc(f->job, room * JOB_ID);
		f->ok = grown || err_set(f->e, E_NOMEM, "units that failed");
		if (!f->ok)
			return false;
		f->job = grown;
		f->room = room;
	}
	memcpy(f->job[f->count++], row->id, JOB_ID);
	return true;
}

/* A unit that was replaced has no place in this lot, and its identity is of it all the same. */
static bool add_replaced(void *ctx, const struct revocation *r)
{
	struct failed *f = ctx;
	AUTO(job_row) struct job_row row = {0};
	bool found = false, place = false;
	if (strcmp(r->next_order, f->lot) != 0)
		return true;
	f->ok = jobs_find(f->l->ledger, JOB_BY_ID, r->job, &row, &found, f->e) &&
		lots_has_place(f->l->ledger, f->lot, r->job, &place, f->e);
	return f->ok && (!found || place || add(f, &row));
}

static bool collect(struct failed *f, struct err *e)
{
	int64_t after = 0;
	f->e = e;
	f->ok = true;
	return lots_jobs(f->l->ledger, f->lot, add, f, e) && f->ok &&
	       revocations_scan(f->l->ledger, REVOCATIONS_FOLLOWED, &after, UINT32_MAX, add_replaced, f, e) && f->ok;
}

bool failed_count(struct line *l, const char *lot, struct failed_sums *ret, struct err *e)
{
	struct failed f = {.l = l, .lot = lot};
	bool ok = collect(&f, e);
	*ret = (struct failed_sums){.units = f.count};
	free(f.job);
	return ok;
}

static bool scrap(struct failed *f, const char *person, struct failed_sums *sums, struct err *e)
{
	for (size_t i = 0; i < f->count; i++) {
		AUTO(revocation) struct revocation row = {0};
		const struct revocation_wish wish = {f->job[i], REVOCATION_REVOKED, REASON_CESSATION, person, ""};
		if (!revocation_decide(f->l, &wish, &row, e))
			return false;
		sums->scrapped++;
	}
	uplink_wake(f->l->uplink);
	return true;
}

bool failed_decide(struct line *l, const char *lot, enum failed_decision decision, const char *person, struct failed_sums *ret,
		   struct err *e)
{
	struct failed f = {.l = l, .lot = lot};
	*ret = (struct failed_sums){0};
	bool ok = collect(&f, e);
	ret->units = f.count;
	if (ok && f.count && decision == FAILED_UNDECIDED && orders_are_signed(l->config))
		ok = err_set(e, E_LOT_UNDECIDED, "%zu units of lot %s", f.count, lot);
	ok = ok && (decision != FAILED_SCRAP || scrap(&f, person, ret, e));
	free(f.job);
	return ok;
}
