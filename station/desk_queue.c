/* SPDX-License-Identifier: Apache-2.0 */
/* What the desk says of what waits, for the service and for the MES. */
#include "station/desk.h"
#include "db/outbox.h"
#include "station/relay.h"
#include "station/uplink.h"

#include <string.h>

#define ROWS_MOST 200

json_t *desk_mes_json(struct desk *d)
{
	struct relay_view v;
	relay_look(d->line->relay, &v);
	return relay_view_json(&v);
}

static bool add_outbox(void *ctx, const struct outbox_row *r)
{
	return json_array_append_new(ctx, json_pack("{s:s, s:s, s:s, s:I, s:i, s:s, s:s}", "to", "cloud", "unit",
	       r->registration_id, "state",
						    outbox_state_name(r->state), "since_ms", (json_int_t)r->queued_ms, "tries",
						    (int)r->tries, "code", r->error, "what", r->error_what)) == 0;
}

static bool add_event(void *ctx, const struct spool_row *r)
{
	return json_array_append_new(ctx, json_pack("{s:s, s:s, s:s, s:I, s:i, s:s, s:s}", "to", r->adapter, "unit", r->unit, "state",
						    r->state, "since_ms", (json_int_t)r->queued_ms, "tries", (int)r->tries, "code",
						    r->code, "what", r->what)) == 0;
}

static bool read_rows(struct ledger *l, json_t *rows, struct err *e)
{
	int64_t aside = 0, waiting = 0;
	return outbox_scan(l, OUTBOX_ASIDE, &aside, ROWS_MOST, add_outbox, rows, e) &&
	       outbox_scan(l, OUTBOX_WAITING, &waiting, ROWS_MOST, add_outbox, rows, e) && spool_rows(l, ROWS_MOST, add_event, rows, e);
}

json_t *desk_queue(struct desk *d, const json_t *request, struct err *e)
{
	struct uplink_view v;
	json_t *rows = json_array();
	if (!read_rows(d->line->ledger, rows, e)) {
		json_decref(rows);
		return NULL;
	}
	uplink_look(d->line->uplink, &v);
	return json_pack("{s:o, s:o, s:o}", "outbox", uplink_view_json(&v), "mes", desk_mes_json(d), "rows", rows);
}

json_t *desk_retry(struct desk *d, const json_t *request, struct err *e)
{
	if (!relay_wake(d->line->relay, true, e))
		return NULL;
	uplink_wake(d->line->uplink);
	return desk_queue(d, request, e);
}
