/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/lot_report.h"
#include "station/config.h"

#include <string.h>

#define FAILURES_MAX 64

/* Two walks over the visits: sums and the shift's ends, then the trend between these. */
struct sums {
	json_t *last;		/* serial number → verdict of its last visit */
	json_t *slots;		/* name → [units, first pass] */
	json_t *failures;	/* code → count */
	int64_t begin_ms, end_ms, first_pass_ms, last_pass_ms;
	int64_t passes, first_pass, visits;
	struct { int64_t pass, fail; } piece[LOT_TREND];
};

static void add_to(json_t *object, const char *name, json_int_t n)
{
	json_object_set_new(object, name, json_integer(json_int_or(object, name, 0) + n));
}

static void add_slot(struct sums *s, const struct visit_row *v)
{
	json_t *slot = json_object_get(s->slots, v->slot);
	if (!slot) {
		slot = json_pack("{s:i, s:i}", "units", 0, "first_pass", 0);
		json_object_set_new(s->slots, v->slot, slot);
	}
	add_to(slot, "units", v->first);
	add_to(slot, "first_pass", v->first && v->verdict == VERDICT_PASS);
}

static bool sum(void *ctx, const struct visit_row *v)
{
	struct sums *s = ctx;
	bool pass = v->verdict == VERDICT_PASS;
	s->begin_ms = s->visits++ ? s->begin_ms : v->begun_ms;
	s->end_ms = v->ended_ms;
	if (pass) {
		s->first_pass_ms = s->passes++ ? s->first_pass_ms : v->ended_ms;
		s->last_pass_ms = v->ended_ms;
	}
	s->first_pass += pass && v->first;
	if (*v->serial)
		json_object_set_new(s->last, v->serial, json_string(verdict_name(v->verdict)));
	add_slot(s, v);
	if (!pass && json_object_size(s->failures) < FAILURES_MAX)
		add_to(s->failures, v->code, 1);
	return true;
}

static int64_t piece_ms(const struct sums *s)
{
	return (s->end_ms - s->begin_ms) / LOT_TREND + 1;
}

static bool sum_piece(void *ctx, const struct visit_row *v)
{
	struct sums *s = ctx;
	int64_t i = (v->ended_ms - s->begin_ms) / piece_ms(s);
	i = i < 0 ? 0 : i >= LOT_TREND ? LOT_TREND - 1 : i;	/* a clock that was set */
	s->piece[i].pass += v->verdict == VERDICT_PASS;
	s->piece[i].fail += v->verdict != VERDICT_PASS;
	return true;
}

/* ---- as JSON ---- */

static json_t *slots_json(const struct sums *s)
{
	const char *name;
	json_t *slot, *list = json_array();
	json_object_foreach(s->slots, name, slot)
		json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "name", name, "units", json_int_or(slot, "units", 0),
						      "first_pass", json_int_or(slot, "first_pass", 0)));
	return list;
}

static json_t *failures_json(const struct sums *s)
{
	const char *code;
	json_t *count, *list = json_array();
	json_object_foreach(s->failures, code, count)
		json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "code", code, "sentence",
						      err_row(err_find(code))->happened, "count", json_integer_value(count)));
	return list;
}

static json_t *trend_json(const struct sums *s)
{
	json_t *list = json_array();
	for (int i = 0; s->visits && i < LOT_TREND; i++)
		json_array_append_new(list, json_pack("{s:I, s:I, s:I, s:I}", "from_ms",
						      (json_int_t)(s->begin_ms + i * piece_ms(s)), "to_ms",
						      (json_int_t)(s->begin_ms + (i + 1) * piece_ms(s)), "pass",
						      (json_int_t)s->piece[i].pass, "fail", (json_int_t)s->piece[i].fail));
	return list;
}

/* Each unit by its last verdict. */
static void add_units(json_t *report, const struct sums *s)
{
	static const char *const names[][2] = {{"PASS", "pass"}, {"BUILT", "built"}, {"HOLD", "hold"}, {"FAIL", "fail"}};
	const char *serial;
	json_t *verdict;
	for (size_t i = 0; i < COUNT_OF(names); i++)
		add_to(report, names[i][1], 0);
	json_object_foreach(s->last, serial, verdict)
		for (size_t i = 0; i < COUNT_OF(names); i++)
			if (!strcmp(names[i][0], json_string_value(verdict)))
				add_to(report, names[i][1], 1);
	add_to(report, "units", (json_int_t)json_object_size(s->last));
}

json_t *lot_json(struct ledger *ledger, const struct lot_row *row, struct err *e)
{
	uint64_t taken = 0;
	if (!lots_taken(ledger, row->id, &taken, e))
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:I, s:s, s:I, s:I, s:s, s:s, s:I}", "id", row->id, "product", row->product, "profile",
			 row->profile, "count", (json_int_t)row->count, "state", lot_state_name(row->state), "opened_ms",
			 (json_int_t)row->opened_ms, "closed_ms", (json_int_t)row->closed_ms, "opened_by", row->opened_by, "closed_by",
			 row->closed_by, "taken", (json_int_t)taken);
}

static json_t *report_json(struct ledger *ledger, const struct lot_row *row, const struct sums *s, struct err *e)
{
	json_t *report = lot_json(ledger, row, e);
	if (!report)
		return NULL;
	add_units(report, s);
	json_object_update_new(report, json_pack("{s:I, s:I, s:o, s:o, s:o}", "first_pass", (json_int_t)s->first_pass, "takt_ms",
						 (json_int_t)(s->passes > 1 ? (s->last_pass_ms - s->first_pass_ms) / (s->passes - 1) : 0),
						 "slots", slots_json(s), "failures", failures_json(s), "trend", trend_json(s)));
	return report;
}

json_t *lot_report(struct ledger *ledger, const char *id, struct err *e)
{
	AUTO(lot_row) struct lot_row row = {0};
	struct sums s = {.last = json_object(), .slots = json_object(), .failures = json_object()};
	bool found = false;
	json_t *report = NULL;
	if (lots_find(ledger, id, &row, &found, e) && !found)
		err_set(e, E_ORDER, "there is no lot \"%.64s\"", id);
	if (found && visits_scan(ledger, id, 0, UINT32_MAX, sum, &s, e) && visits_scan(ledger, id, 0, UINT32_MAX, sum_piece, &s, e))
		report = report_json(ledger, &row, &s, e);
	json_decref(s.last);
	json_decref(s.slots);
	json_decref(s.failures);
	return report;
}
