/* SPDX-License-Identifier: Apache-2.0 */
/* What the desk does with identities that are to hold no more. */
#include "station/desk.h"
#include "station/base/text.h"
#include "station/revocation.h"
#include "station/shift/shift.h"
#include "station/uplink.h"

#include <string.h>

static bool read_shown(const json_t *request, struct two_shown *ret, struct err *e)
{
	static const char *const badges[] = {"badge_1", "badge_2"}, *const pins[] = {"pin_1", "pin_2"};
	for (size_t i = 0; i < 2; i++) {
		const char *badge, *pin;
		ret->badge[i].secret = ret->pin[i].secret = true;
		if (!json_get_text(request, badges[i], &badge, e) || !json_get_text(request, pins[i], &pin, e) ||
		    !bytes_add_text(&ret->badge[i], badge, e) || !bytes_add_text(&ret->pin[i], pin, e))
			return false;
	}
	return true;
}

/* What a unit in work would still write down of itself is not for us to cross. */
static bool is_at_rest(struct desk *d, const char *job, struct err *e)
{
	AUTO(job_row) struct job_row row = {0};
	bool found = false;
	if (!jobs_find(d->line->ledger, JOB_BY_ID, job, &row, &found, e))
		return false;
	for (size_t i = 0; found && i < slots_count(d->slots); i++) {
		struct slot_view v;
		slots_look(d->slots, i, &v);
		if (v.working && !strcmp(v.serial, row.serial))
			return err_set(e, E_LOT_BUSY, "unit \"%s\" in slot %s", row.serial, v.name);
	}
	return true;
}

static json_t *decide(struct desk *d, const struct revocation_wish *wish, struct err *e)
{
	AUTO(revocation) struct revocation row = {0};
	if (!is_at_rest(d, wish->job, e) || !revocation_decide(d->line, wish, &row, e))
		return NULL;
	uplink_wake(d->line->uplink);
	return json_pack("{s:o}", "revocation", revocation_json(&row));
}

json_t *desk_revoke(struct desk *d, const json_t *request, struct err *e)
{
	AUTO(two_shown) struct two_shown shown = {0};
	struct revocation_wish wish = {.kind = REVOCATION_REVOKED};
	struct person two[2];
	const char *reason;
	if (!d->line->shift)
		return (void)err_set(e, E_USAGE, "nobody works at this line"), NULL;
	if (!json_get_text(request, "job", &wish.job, e) || !json_get_text(request, "reason", &reason, e) ||
	    !read_shown(request, &shown, e))
		return NULL;
	if (!revocation_reason_named(reason, &wish.reason))
		return (void)err_set(e, E_USAGE, "reason: \"%s\"", reason), NULL;
	if (json_is_true(json_object_get(request, "replace")))
		wish.kind = REVOCATION_REPLACED;
	if (!session_two(d->line->shift->session, &shown, DO_REVOKE, two, e))
		return NULL;
	wish.first = two[0].id;
	wish.second = two[1].id;
	return decide(d, &wish, e);
}

static bool find(struct desk *d, const json_t *request, struct revocation *ret, struct err *e)
{
	uint8_t serial[CERT_SERIAL];
	const char *hex;
	bool found = false;
	if (!json_get_text(request, "certificate", &hex, e) || !hex_decode(hex, serial, CERT_SERIAL, e) ||
	    !revocations_find(d->line->ledger, serial, ret, &found, e))
		return false;
	return found || err_set(e, E_REVOKE_WHAT, "no certificate of this serial number was revoked");
}

/* Whoever has more rights than the line has asked for a step; one that is done already is as good. */
json_t *desk_revoke_step(struct desk *d, const json_t *request, struct err *e)
{
	AUTO(revocation) struct revocation row = {0};
	const char *step;
	if (!json_get_text(request, "step", &step, e) || !find(d, request, &row, e))
		return NULL;
	bool due = !strcmp(revocation_step_name(revocation_next(&row)), step);
	const char *hub = json_text_or(request, "hub", ""), *device_id = json_text_or(request, "device_id", "");
	if (due && *hub && (!TEXT_COPY(row.hub, hub, e) || !TEXT_COPY(row.device_id, device_id, e)))
		return NULL;
	if (due && !revocation_said(d->line, &row, e))
		return NULL;
	return json_pack("{s:o}", "revocation", revocation_json(&row));
}
