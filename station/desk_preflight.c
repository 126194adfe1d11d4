/* SPDX-License-Identifier: Apache-2.0 */
/* What a running line says of its readiness: the station's own rows, and what it knows of the rest. Nobody is asked who could keep
 * the desk waiting. */
#include "station/desk.h"
#include "station/readiness.h"
#include "station/uplink.h"

#include <string.h>

static void add(void *ctx, const struct ready_row *row)
{
	json_array_append_new(ctx, ready_row_json(row));
}

static void add_err(json_t *rows, const char *name, const char *claim, bool ok, const struct err *e)
{
	const struct err_row *why = err_row(e->code);
	const struct ready_row row = {name, ok, ok ? claim : e->what[0] ? e->what : why->happened, ok ? "" : why->todo};
	add(rows, &row);
}

static void add_units(struct desk *d, json_t *rows)
{
	struct err e = {0};
	for (size_t i = 0; i < slots_count(d->slots); i++) {
		struct slot_view v;
		slots_look(d->slots, i, &v);
		if (v.present && (v.error.code == E_USB_OPEN || v.error.code == E_TTY))
			err_set(&e, v.error.code, "slot %s: %s", v.name, v.error.what);
	}
	add_err(rows, "units", "none was refused by the system", !e.code, &e);
}

static void add_service(struct desk *d, json_t *rows)
{
	struct uplink_view view;
	uplink_look(d->line->uplink, &view);
	bool unasked = atomic_load(&d->unasked);
	const struct err never = {.code = E_NET, .what = "the line started without the service, which has not answered yet"};
	add_err(rows, "service", "it answered when it was asked last", !view.offline && !unasked, view.offline ? &view.why : &never);
}

json_t *desk_preflight(struct desk *d, const json_t *request, struct err *e)
{
	struct err unfit = {0};
	json_t *rows = json_array();
	(void)request;
	readiness_station(d->line->config, add, rows);
	bool asks = d->line->mode != MODE_RECHECK;	/* neither CA nor service */
	if (asks)
		readiness_ca(d->line, add, rows);
	add_units(d, rows);
	if (asks)
		add_service(d, rows);
	bool fit = uplink_may_begin(d->line, &unfit);
	add_err(rows, "line", "it runs, and takes units", fit, &unfit);
	json_t *answer = json_pack("{s:o}", "rows", rows);
	return answer ? answer : ((void)err_set(e, E_NOMEM, "preflight"), NULL);
}
