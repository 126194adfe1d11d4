/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/note.h"
#include "db/audit.h"
#include "station/base/clock.h"
#include "station/line.h"
#include "station/relay.h"

bool shift_note_in(struct line *l, const char *type, const char *lot, const char *person, json_t *body, struct err *e)
{
	AUTO(json) json_t *owned = body;
	uint64_t index;
	if (!body)
		return err_set(e, E_NOMEM, "%s", type);
	json_object_set_new(body, "lot", json_string(lot));
	json_object_set_new(body, "person", json_string(person));
	return audit_append(l->ledger, type, "", body, clock_wall_ms(), &index, e) &&
	       relay_put(l, type, "", lot, person, json_incref(body), e);
}

bool shift_note(struct line *l, const char *type, const char *lot, const char *person, json_t *body, struct err *e)
{
	if (!ledger_begin(l->ledger, e)) {
		json_decref(body);
		return false;
	}
	if (shift_note_in(l, type, lot, person, body, e))
		return ledger_commit(l->ledger, e);
	ledger_rollback(l->ledger);
	return err_in(e, "recording %s", type);
}
