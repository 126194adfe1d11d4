/* SPDX-License-Identifier: Apache-2.0 */
/* The interlock, and what the MES hears of a unit (relay.h). */
#include "db/audit.h"
#include "station/base/clock.h"
#include "station/base/text.h"
#include "station/mes/answer.h"
#include "station/mes/event.h"
#include "station/pipeline.h"
#include "station/relay.h"
#include "station/shift/lot.h"
#include "station/way.h"

#include <string.h>

/* ---- may it begin? ---- */

static bool is_listed(struct job *j, const struct mes_setup *setup, const char *label)
{
	bool found = lot_lists(j->line, label);
	for (const struct mes_adapter *const *a = mes_table; *a && !found; a++) {
		struct mes *m = NULL;
		struct err ignored = {0};
		if (!(*a)->listed || !(*a)->configured(setup) || !(*a)->open(setup, &m, &ignored))
			continue;
		found = (*a)->listed(m, label, &ignored);
		(*a)->close(m);
	}
	return found;
}

/* Nobody answered: the policy decides, and the record says that it did. */
static bool silent(struct job *j, const struct mes_setup *setup, const char *label, const struct err *why, struct err *e)
{
	enum mes_silence policy = j->line->config->mes_silent;
	bool goes = policy == SILENCE_GOES || (policy == SILENCE_LISTED && is_listed(j, setup, label));
	if (!goes)
		return err_set(e, E_MES_SILENT, "%s", why->what);
	return TEXT_COPY(j->check_in, "silent: go", e);
}

static bool same_or_unsaid(const char *said, const char *ours)
{
	return !*said || !strcmp(said, ours);
}

/* What the answer carries must be what the unit began with. */
static bool answer_fits(const struct job *j, const struct mes_answer *a, const char *label, struct err *e)
{
	if (!same_or_unsaid(a->profile, j->profile->name))
		return err_set(e, E_MES_OTHER, "profile \"%s\", and not \"%s\"", a->profile, j->profile->name);
	if (!same_or_unsaid(a->lot, j->row.order[0] ? j->row.order : j->ticket.lot))
		return err_set(e, E_MES_OTHER, "lot \"%s\", and not \"%s\"", a->lot, j->ticket.lot);
	if (!same_or_unsaid(a->group, j->profile->group))
		return err_set(e, E_MES_OTHER, "group \"%s\", and not \"%s\"", a->group, j->profile->group);
	if (!same_or_unsaid(a->id, label) && !same_or_unsaid(a->id, j->identity.serial))
		return err_set(e, E_MES_OTHER, "unit \"%s\", and not \"%s\"", a->id, label);
	return true;
}

static bool take_answer(struct job *j, const struct mes_answer *a, const char *label, struct err *e)
{
	static const enum err_code codes[] = {[MES_HOLD] = E_MES_HOLD, [MES_SKIP] = E_MES_SKIP, [MES_ERROR] = E_MES_ERROR};
	if (!TEXT_COPY(j->check_in, mes_decision_name(a->decision), e) || !TEXT_COPY(j->variant, a->variant, e))
		return false;
	if (a->decision == MES_GO)
		return answer_fits(j, a, label, e);
	return err_set(e, codes[a->decision], "%s%s%s", a->code, *a->code ? ": " : "", a->reason);
}

static bool ask(struct job *j, const struct mes_adapter *adapter, const struct mes_setup *setup, const char *label, struct err *e)
{
	const struct mes_question q = {
		.id = j->question, .serial = j->identity.serial, .label = label, .model = j->identity.model, .revision = j->identity.revision,
		.slot = j->slot->name, .port = j->usb.port, .lot = j->ticket.lot, .person = j->ticket.person, .profile = j->profile->name,
	};
	int64_t until = clock_steady_ms() + setup->timeout_ms;
	struct mes_answer answer = {0};
	struct mes *m = NULL;
	struct err why = {0};
	bool answered = adapter->open(setup, &m, &why) &&
			adapter->check_in(m, &q, until < j->deadline_ms ? until : j->deadline_ms, &answer, &why);
	if (m)
		adapter->close(m);
	return answered ? take_answer(j, &answer, label, e) : silent(j, setup, label, &why, e);
}

bool relay_check_in(struct job *j, struct err *e)
{
	const char *label = j->ticket.label[0] ? j->ticket.label : j->identity.serial;
	const struct mes_adapter *const *a = mes_table;
	struct mes_setup setup;
	relay_setup(j->line->config, &setup);
	while (*a && (!(*a)->check_in || !(*a)->configured(&setup)))
		a++;
	if (!*a || !j->line->config->mes_check_in)
		return true;
	if (j->ticket.override)
		return TEXT_COPY(j->check_in, "override", e);
	/* The same question for all tries of this visit. */
	return (j->question[0] || event_id(clock_wall_ms(), j->question, e)) && ask(j, *a, &setup, label, e);
}

/* ---- what became of it ---- */

static void set_hash(json_t *body, const char *name, const void *data, size_t len)
{
	char hex[2 * SHA256_SIZE + 1] = "";
	if (len == SHA256_SIZE)
		hex_encode(data, len, hex);
	json_object_set_new(body, name, json_string(hex));
}

static json_t *stages_json(const struct job *j)
{
	json_t *stages = json_array();
	for (int i = 0; i < pipeline_count && i <= j->stage; i++)
		json_array_append_new(stages, json_pack("{s:s, s:I}", "name", pipeline[i].name, "ms", (json_int_t)j->took_ms[i]));
	return stages;
}

static void add_keys(const struct job *j, json_t *body)
{
	const struct job_row *row = &j->row;
	static const uint8_t none[SHA256_SIZE];
	uint8_t leaf[SHA256_SIZE];
	char serial[2 * CERT_SERIAL + 1] = "";
	sha256_of(row->leaf.data, row->leaf.len, leaf);
	if (row->leaf.len)
		hex_encode(row->cert_serial, CERT_SERIAL, serial);
	set_hash(body, "leaf_sha256", leaf, row->leaf.len ? SHA256_SIZE : 0);
	set_hash(body, "ek_sha256", row->ek_sha256, memcmp(row->ek_sha256, none, SHA256_SIZE) ? SHA256_SIZE : 0);
	json_object_set_new(body, "certificate_serial", json_string(serial));
}

/* A PASS has the checkpoint that its result file has; the others the newest that there is. */
static bool add_checkpoint(const struct job *j, json_t *body, struct err *e)
{
	AUTO(bytes) struct bytes note = {0};
	if (!j->checkpoint[0] && !audit_last_checkpoint(j->line->ledger, &note, e))
		return false;
	json_object_set_new(body, "checkpoint", json_string(j->checkpoint[0] ? j->checkpoint : bytes_text(&note)));
	return true;
}

static json_t *result_body(const struct job *j)
{
	const struct job_row *row = &j->row;
	const struct err_row *error = err_row(j->error.code);
	const char *serial = j->identity.serial[0] ? j->identity.serial : j->usb.serial;
	json_t *body = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "serial", serial, "label", j->ticket.label, "model",
				 j->identity.model, "revision", j->identity.revision, "slot", j->slot->name, "profile", j->profile->name,
				 "attestation", j->way ? j->way->name : "", "verdict", verdict_name(j->verdict), "code",
				 j->error.code ? error->code : "");
	json_object_update_new(body, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:s, s:o}", "sentence",
					       j->error.code ? error->happened : "", "registration_id", row->registration_id, "hub", row->hub,
					       "device_id", row->device_id, "job", row->id, "begun_ms", (json_int_t)j->begun_ms, "ended_ms",
					       (json_int_t)row->updated_ms, "check_in", j->question, "decision", j->check_in, "variant",
					       j->variant, "stages", stages_json(j)));
	return body;
}

bool relay_put_result(struct job *j, struct err *e)
{
	const char *serial = j->identity.serial[0] ? j->identity.serial : j->usb.serial;
	json_t *body = result_body(j);
	if (!body)
		return err_set(e, E_NOMEM, "result");
	add_keys(j, body);
	if (!add_checkpoint(j, body, e)) {
		json_decref(body);
		return false;
	}
	return relay_put(j->line, "unit.result", serial, j->ticket.lot, j->ticket.person, body, e);
}
