/* SPDX-License-Identifier: Apache-2.0 */
#include "station/journal.h"
#include "db/visits.h"
#include "station/base/clock.h"
#include "station/base/text.h"
#include "station/relay.h"
#include "station/way.h"

#include <stdio.h>
#include <string.h>

static void set_hash(json_t *body, const char *name, const uint8_t hash[static SHA256_SIZE])
{
	char hex[2 * SHA256_SIZE + 1];
	hex_encode(hash, SHA256_SIZE, hex);
	json_object_set_new(body, name, json_string(hex));
}

static void set_text(json_t *body, const char *name, const char *text)
{
	json_object_set_new(body, name, json_string(text));
}

/* ---- the evidence of each stage ---- */

static void evidence_identify(const struct job *j, json_t *body)
{
	set_text(body, "serial", j->identity.serial);
	set_text(body, "model", j->identity.model);
	set_text(body, "revision", j->identity.revision);
	json_object_set_new(body, "factory_closed", json_boolean(j->identity.factory_closed));
}

static void evidence_admit(const struct job *j, json_t *body)
{
	set_text(body, "label", j->ticket.label);
	set_text(body, "lot", j->ticket.lot);
	set_text(body, "check_in", j->question);
	set_text(body, "decision", j->check_in);
}

static void evidence_read_key(const struct job *j, json_t *body)
{
	set_text(body, "visit", j->visit);
	json_object_set_new(body, "recognised", json_boolean(j->recognised));
	if (j->driver->proof != PROOF_TPM)
		return;
	set_hash(body, "ek_sha256", j->ek.ek_sha256);
	set_hash(body, "ek_spki_sha256", j->ek.spki_sha256);
	set_hash(body, "ek_cert_sha256", j->ek.cert_sha256);
	set_text(body, "manufacturer", j->ek.manufacturer);
	set_text(body, "template", j->ek.template_name);
}

static void evidence_attest(const struct job *j, json_t *body)
{
	set_hash(body, "leaf_spki_sha256", j->attest.spki_sha256);
	set_hash(body, "evidence_sha256", j->attest.evidence_sha256);
	set_hash(body, "nonce_sha256", j->attest.nonce_sha256);
}

static void evidence_id(const struct job *j, json_t *body)
{
	set_text(body, "registration_id", j->row.registration_id);
}

static void evidence_sign(const struct job *j, json_t *body)
{
	char serial[2 * CERT_SERIAL + 1];
	uint8_t hash[SHA256_SIZE];
	hex_encode(j->row.cert_serial, CERT_SERIAL, serial);
	set_text(body, "serial_number", serial);
	json_object_set_new(body, "intent", json_integer(j->row.intent_index));
	if (!j->row.leaf.len)
		return;
	sha256_of(j->row.leaf.data, j->row.leaf.len, hash);
	set_hash(body, "leaf_sha256", hash);
}

static void evidence_install(const struct job *j, json_t *body)
{
	set_hash(body, "bundle_sha256", j->row.bundle_sha256);
}

static void evidence_enroll(const struct job *j, json_t *body)
{
	set_text(body, "attestation", j->way->name);
	json_object_set_new(body, "waits", json_boolean(j->unsent.code != E_NONE));
}

static void evidence_verify(const struct job *j, json_t *body)
{
	set_text(body, "hub", j->row.hub);
	set_text(body, "device_id", j->row.device_id);
}

static const struct {
	const char *stage;
	void (*fill)(const struct job *j, json_t *body);
} evidences[] = {
	{"identify", evidence_identify}, {"admit", evidence_admit},	  {"read-key", evidence_read_key}, {"attest", evidence_attest},
	{"derive-id", evidence_id},	 {"sign", evidence_sign},	  {"install", evidence_install},
	{"enroll", evidence_enroll},	 {"verify", evidence_verify},
};

/* ---- entries ---- */

/* What else belongs to the entry; inside its transaction. */
typedef bool entry_also(struct job *j, struct err *e);

/* One transaction: the job's row, if the unit is known, the entry, and what belongs to it. Takes the body. */
static bool write_entry_and(struct job *j, const char *type, json_t *body, entry_also *also, struct err *e)
{
	struct ledger *l = j->line->ledger;
	AUTO(json) json_t *owned = body;
	int64_t now = clock_wall_ms();
	uint64_t index = 0;
	if (!body)
		return err_set(e, E_NOMEM, "audit entry");
	if (!ledger_begin(l, e))
		return false;
	j->row.updated_ms = now;
	bool ok = (!j->row.id[0] || jobs_put(l, &j->row, e)) && audit_append(l, type, job_audit_name(j), body, now, &index, e);
	j->last_entry = (int64_t)index;
	ok = ok && (!also || also(j, e));
	if (!ok) {
		ledger_rollback(l);
		return err_in(e, "recording %s", type);
	}
	return ledger_commit(l, e);
}

static bool write_entry(struct job *j, const char *type, json_t *body, struct err *e)
{
	return write_entry_and(j, type, body, NULL, e);
}

static void add_evidence(const struct job *j, const struct stage *stage, json_t *body)
{
	for (size_t i = 0; body && i < COUNT_OF(evidences); i++)
		if (!strcmp(evidences[i].stage, stage->name))
			evidences[i].fill(j, body);
}

bool journal_visit(struct job *j, struct err *e)
{
	json_t *body = json_pack("{s:s, s:s, s:s, s:s, s:s}", "slot", j->slot->name, "port", j->usb.port, "usb_serial",
				 j->usb.serial, "profile", j->profile->name, "build", STATION_VERSION);
	if (body)
		set_hash(body, "config_sha256", j->line->config->sha256);
	if (!write_entry(j, "visit", body, e))
		return false;
	j->first_entry = j->last_entry;
	return true;
}

bool journal_begin(struct job *j, const struct stage *stage, struct err *e)
{
	return write_entry(j, "stage.begin", json_pack("{s:s}", "stage", stage->name), e);
}

bool journal_done(struct job *j, const struct stage *stage, uint32_t took_ms, struct err *e)
{
	json_t *body = json_pack("{s:s, s:i}", "stage", stage->name, "ms", (int)took_ms);
	add_evidence(j, stage, body);
	snprintf(j->row.stage, sizeof(j->row.stage), "%s", stage->name);
	return write_entry(j, "stage.done", body, e);
}

bool journal_failed(struct job *j, const struct stage *stage, const struct err *cause, int nth_try, struct err *e)
{
	const struct err_row *row = err_row(cause->code);
	json_t *body = json_pack("{s:s, s:s, s:s, s:I, s:s, s:i}", "stage", stage->name, "code", row->code, "class",
				 err_class_name(row->class), "native", (json_int_t)cause->native, "what", cause->what, "try", nth_try);
	if (cause->code == E_CLONE)
		add_evidence(j, stage, body);
	return write_entry(j, "stage.failed", body, e);
}

/* The visit, as the shift is counted by. */
static bool put_visit(struct job *j, struct err *e)
{
	struct visit_row row = {.begun_ms = j->begun_ms, .ended_ms = j->row.updated_ms, .verdict = j->verdict,
				.entry_from = j->first_entry, .entry_to = j->last_entry};
	const char *serial = j->identity.serial[0] ? j->identity.serial : j->usb.serial;
	return TEXT_COPY(row.lot, j->ticket.lot, e) && TEXT_COPY(row.job, j->row.id, e) && TEXT_COPY(row.slot, j->slot->name, e) &&
	       TEXT_COPY(row.serial, serial, e) && TEXT_COPY(row.label, j->ticket.label, e) &&
	       TEXT_COPY(row.registration_id, j->row.registration_id, e) && TEXT_COPY(row.person, j->ticket.person, e) &&
	       TEXT_COPY(row.visit, j->visit, e) && TEXT_COPY(row.code, j->error.code ? err_row(j->error.code)->code : "", e) &&
	       visits_put(j->line->ledger, &row, e);
}

/* What belongs to a verdict: the visit, and what the MES is to hear of it. */
static bool put_result(struct job *j, struct err *e)
{
	return put_visit(j, e) && relay_put_result(j, e);
}

bool journal_verdict(struct job *j, struct err *e)
{
	json_t *body = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "verdict", verdict_name(j->verdict), "code",
				 j->error.code ? err_row(j->error.code)->code : "", "registration_id", j->row.registration_id, "lot",
				 j->ticket.lot, "label", j->ticket.label, "person", j->ticket.person);
	return write_entry_and(j, "verdict", body, put_result, e);
}
