/* SPDX-License-Identifier: Apache-2.0 */
/* Slots as others see them; and they and the outbox as JSON, for the control socket and for `station run --json`. */
#include "station/base/clock.h"
#include "station/pipeline.h"
#include "station/slots.h"
#include "station/uplink.h"

#include <stdio.h>
#include <string.h>

void slot_view_clear(struct slot_view *v, const struct config *config, const struct config_slot *slot)
{
	memset(v, 0, sizeof(*v));
	snprintf(v->name, sizeof(v->name), "%s", slot->name);
	snprintf(v->port, sizeof(v->port), "%s", slot->port);
	snprintf(v->profile, sizeof(v->profile), "%s", config->profile[slot->profile].name);
	v->row = slot->row;
	v->column = slot->column;
	v->safe_to_remove = true;
	v->since_ms = clock_wall_ms();
}

void slot_view_wait(struct slot_view *v, const struct config_profile *profile, const struct usb_facts *usb, const char *what,
		    const struct err *why)
{
	v->state = JOB_WAITING;
	v->error = *why;
	snprintf(v->profile, sizeof(v->profile), "%s", profile->name);
	snprintf(v->serial, sizeof(v->serial), "%s", usb->serial);
	snprintf(v->waits_for, sizeof(v->waits_for), "%s", what);
}

void slot_view_fill(struct slot_view *v, const struct job *j)
{
	bool done = j->state == JOB_DONE;
	v->working = !done;
	v->state = j->state;
	v->stage = j->stage;
	v->verdict = done ? j->verdict : VERDICT_NONE;
	v->safe_to_remove = done;
	v->recognised = j->recognised;
	v->error = j->state == JOB_WORKING ? (struct err){0} : j->error;
	v->waits_for[0] = '\0';
	v->try = j->try;
	v->tries = pipeline[j->stage].tries;
	v->next_try_ms = j->state == JOB_WAITING ? j->next_try_ms : 0;
	snprintf(v->profile, sizeof(v->profile), "%s", j->profile->name);
	snprintf(v->label, sizeof(v->label), "%s", j->ticket.label);
	snprintf(v->lot, sizeof(v->lot), "%s", j->ticket.lot);
	snprintf(v->serial, sizeof(v->serial), "%s", j->identity.serial[0] ? j->identity.serial : j->usb.serial);
	snprintf(v->registration_id, sizeof(v->registration_id), "%s", j->row.registration_id);
	snprintf(v->hub, sizeof(v->hub), "%s", j->row.hub);
	snprintf(v->device_id, sizeof(v->device_id), "%s", j->row.device_id);
	snprintf(v->checkpoint, sizeof(v->checkpoint), "%s", j->checkpoint);
	memcpy(v->took_ms, j->took_ms, sizeof(v->took_ms));
}

static const char *state_text(const struct slot_view *v)
{
	if (!v->present && !v->working && v->verdict == VERDICT_NONE && !v->waits_for[0])
		return "empty";
	if (v->state == JOB_DONE && v->verdict != VERDICT_NONE)
		return "done";
	return v->state == JOB_WAITING || !v->working ? "waiting" : "working";
}

/* What the operator reads now. */
static void sentence(const struct slot_view *v, char *out, size_t room)
{
	static const char *const by_verdict[] = {
		[VERDICT_PASS] = "Done. Take the unit out.",
		[VERDICT_BUILT] = "Complete; waits for the cloud. Take the unit out and plug it in again later.",
	};
	const struct err_row *row = err_row(v->error.code);
	if (v->state == JOB_DONE && (v->verdict == VERDICT_PASS || v->verdict == VERDICT_BUILT))
		snprintf(out, room, "%s", v->recognised && v->verdict == VERDICT_PASS ? "Known and done before. Take the unit out."
									       : by_verdict[v->verdict]);
	else if (v->state == JOB_DONE && v->error.code)
		snprintf(out, room, "%s", row->happened);
	else if (v->state == JOB_WAITING && v->waits_for[0])
		snprintf(out, room, "%s", row->happened);
	else if (v->state == JOB_WAITING)
		snprintf(out, room, "%s Trying again.", row->happened);
	else if (v->working)
		snprintf(out, room, "%s", pipeline[v->stage].now);
	else
		snprintf(out, room, "%s", v->present ? "Waiting" : "Plug a unit in.");
}

static json_t *times_json(const struct slot_view *v)
{
	json_t *times = json_object();
	for (int i = 0; i < pipeline_count; i++)
		if (v->took_ms[i] || i < v->stage)
			json_object_set_new(times, pipeline[i].name, json_integer(v->took_ms[i]));
	return times;
}

/* Why the unit is not done: the catalogue's words, or empty ones. */
static json_t *error_json(const struct slot_view *v)
{
	const struct err_row *row = err_row(v->error.code);
	bool failed = v->error.code != E_NONE;
	return json_pack("{s:s, s:s, s:s, s:s}", "code", failed ? row->code : "", "todo", failed ? row->todo : "", "whom",
			 failed ? row->whom : "", "what", v->error.what);
}

json_t *slot_view_json(const struct slot_view *v)
{
	char text[256];
	sentence(v, text, sizeof(text));
	json_t *slot = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:s, s:s, s:I}", "name", v->name, "port", v->port, "profile",
				 v->profile, "state", state_text(v), "stage", v->working ? pipeline[v->stage].name : "", "stage_index",
				 v->stage, "stage_count", pipeline_count, "sentence", text, "verdict", verdict_name(v->verdict),
				 "since_ms", (json_int_t)v->since_ms);
	json_object_update_new(slot, json_pack("{s:s, s:s, s:s, s:s, s:s}", "serial", v->serial, "registration_id", v->registration_id,
					       "hub", v->hub, "device_id", v->device_id, "checkpoint", v->checkpoint));
	json_object_update_new(slot, json_pack("{s:b, s:b, s:b, s:o}", "safe_to_remove", v->safe_to_remove, "present", v->present,
					       "recognised", v->recognised, "times", times_json(v)));
	json_object_update_new(slot, json_pack("{s:i, s:i, s:s, s:s, s:s, s:i, s:i, s:I}", "row", (int)v->row, "column", (int)v->column,
					       "label", v->label, "lot", v->lot, "waits_for", v->waits_for, "try", v->try, "tries",
					       v->tries, "next_try_ms", (json_int_t)v->next_try_ms));
	json_object_update_new(slot, error_json(v));
	return slot;
}

json_t *stray_view_json(const struct stray_view *v)
{
	char vendor[5], product[5];
	snprintf(vendor, sizeof(vendor), "%04x", v->usb.vendor_id);
	snprintf(product, sizeof(product), "%04x", v->usb.product_id);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "port", v->usb.port, "serial", v->usb.serial, "product", v->usb.product,
			 "vendor_id", vendor, "product_id", product, "slot", "", "present", v->present);
}

json_t *uplink_view_json(const struct uplink_view *v)
{
	const struct err_row *row = err_row(v->why.code);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:b, s:s, s:s, s:s, s:I}", "revocations",
			 (json_int_t)(v->revocations.to_tell + v->revocations.aside), "waiting", (json_int_t)v->counts.waiting, "sent",
			 (json_int_t)v->counts.sent, "aside", (json_int_t)v->counts.aside, "oldest_ms", (json_int_t)v->counts.oldest_ms,
			 "offline", v->offline, "code", v->offline ? row->code : "", "sentence", v->offline ? row->happened : "", "what",
			 v->why.what, "since_ms", (json_int_t)v->since_ms);
}
