/* SPDX-License-Identifier: Apache-2.0 */
#include "station/reserve.h"
#include "db/lots.h"
#include "db/outbox.h"
#include "station/base/clock.h"
#include "station/base/text.h"
#include "station/pipeline.h"
#include "station/revocation.h"
#include "station/way.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static bool put_row(struct job *j, struct err *e)
{
	struct ledger *l = j->line->ledger;
	if (!ledger_begin(l, e))
		return false;
	j->row.updated_ms = clock_wall_ms();
	return ledger_end(l, jobs_put(l, &j->row, e), e);
}

static bool random_bytes(void *out, size_t len, struct err *e)
{
	return getrandom(out, len, 0) == (ssize_t)len || err_errno(e, E_FILE, "random numbers");
}

/* Puts the row with a new value in one of its fields. A value that the ledger refuses, because another unit has it,
 * does not stay in the job: what is recorded of it from then on must be accepted. */
static bool put_field(struct job *j, void *field, const void *value, size_t size, struct err *e)
{
	uint8_t before[sizeof(j->row.registration_id)];
	memcpy(before, field, size);
	memcpy(field, value, size);
	if (put_row(j, e))
		return true;
	memcpy(field, before, size);
	return false;
}

static bool has_tpm(const struct job *j)
{
	return j->driver->proof == PROOF_TPM;
}

struct intent_found {
	int64_t time_ms;
	char type[32];
	char replaces[2 * INTENT_SERIAL + 1];
};

static bool take_intent(void *ctx, uint64_t index, const char *type, const char *job, const void *entry, size_t len)
{
	struct intent_found *found = ctx;
	struct err ignored = {0};
	AUTO(json) json_t *text = NULL;
	(void)index, (void)job;
	if (json_parse(entry, len, &text, &ignored) && TEXT_COPY(found->type, type, &ignored) &&
	    TEXT_COPY(found->replaces, json_text_or(json_object_get(text, "body"), "replaces", ""), &ignored))
		found->time_ms = json_int_or(text, "time", -1);
	return false;
}

/* The intent as it stands in the log. */
static bool find_intent(const struct job *j, int64_t index, struct intent_found *ret, struct err *e)
{
	*ret = (struct intent_found){.time_ms = -1};
	if (!audit_scan(j->line->ledger, (uint64_t)index, (uint64_t)index + 1, take_intent, ret, e))
		return false;
	return ret->time_ms >= 0 || err_set(e, E_AUDIT, "entry %lld is no intent", (long long)index);
}

/* A unit that was begun for a certificate does not become one without, nor the reverse. */
static bool intent_is_of_this_way(const struct job *j, const struct job_row *row, struct err *e)
{
	struct intent_found found;
	if (!find_intent(j, row->intent_index, &found, e))
		return false;
	return !strcmp(found.type, intent_type(j->way->certificate ? INTENT_LEAF : INTENT_PERMIT)) ||
	       err_set(e, E_UNIT_PROFILE, "\"%s\" was begun with another attestation than profile %s has now", row->serial,
		       row->profile);
}

/* The row must be this unit's in every field that is known already, and its identity not be revoked; once an intent to sign is on
 * record, that stands for this profile. */
static bool row_is_this_unit(const struct job *j, const struct job_row *row, struct err *e)
{
	static const uint8_t none[SHA256_SIZE];
	if (has_tpm(j) != (memcmp(row->ek_spki_sha256, none, SHA256_SIZE) != 0))
		return err_set(e, E_CLONE, "serial number \"%s\" was seen on a unit of another kind", row->serial);
	if (strcmp(row->serial, j->identity.serial) != 0)
		return err_set(e, E_CLONE, "this endorsement key was seen on unit \"%s\", now it is in unit \"%s\"", row->serial,
			       j->identity.serial);
	if (!revocation_allows(j->line->ledger, row->id, row->serial, e))
		return false;
	if (row->intent_index >= 0 && strcmp(row->profile, j->profile->name) != 0)
		return err_set(e, E_UNIT_PROFILE, "\"%s\" was begun under profile %s; slot %s has %s", row->serial, row->profile,
			       j->slot->name, j->profile->name);
	return row->intent_index < 0 || intent_is_of_this_way(j, row, e);
}

static bool new_row(struct job *j, struct err *e)
{
	uint8_t id[16];
	if (j->identity.factory_closed)
		return err_set(e, E_UNIT_CLOSED, "unit \"%s\" was closed, but not by this station", j->identity.serial);
	if (!random_bytes(id, sizeof(id), e))
		return false;
	hex_encode(id, sizeof(id), j->row.id);
	j->row.intent_index = -1;
	j->row.started_ms = clock_wall_ms();
	return true;
}

/* Between an order that was wrong and another one. */
static bool may_go_on(const struct job *j, const struct job_row *row, struct err *e)
{
	enum lot_state state = LOT_OPEN;
	bool found = false;
	if (row->intent_index < 0 && j->identity.factory_closed)
		return err_set(e, E_UNIT_CLOSED, "unit \"%s\" is closed, and no identity of it stands on record", row->serial);
	if (row->intent_index < 0 || !row->order[0])
		return true;
	if (!lots_state(j->line->ledger, row->order, &state, &found, e))
		return false;
	return !found || state != LOT_REVERTING || err_set(e, E_LOT_REVERTED, "lot %s", row->order);
}

static bool find_row(struct job *j, struct err *e)
{
	AUTO(job_row) struct job_row row = {0};
	bool found;
	const void *name = has_tpm(j) ? (const void *)j->ek.spki_sha256 : j->identity.serial;
	if (!jobs_find(j->line->ledger, has_tpm(j) ? JOB_BY_EK : JOB_BY_SERIAL, name, &row, &found, e))
		return false;
	if (!found)
		return new_row(j, e);
	if (!row_is_this_unit(j, &row, e))
		return false;
	if (!may_go_on(j, &row, e))
		return false;
	job_row_fini(&j->row);
	j->row = row;
	row.leaf = (struct bytes){0};	/* now the job's */
	j->recognised = j->row.verdict == VERDICT_PASS;
	return true;
}

/* Two slots must not have one unit at one moment: by its endorsement key, else by its serial number. */
static bool claim_unit(const struct job *j, struct err *e)
{
	char text[sizeof("serial:") + DRIVER_TEXT];
	uint8_t serial[SHA256_SIZE];
	int len = snprintf(text, sizeof(text), "serial:%s", j->identity.serial);
	sha256_of(text, (size_t)len, serial);
	return line_claim_unit(j->line, has_tpm(j) ? j->ek.spki_sha256 : serial, j->slot, j->deadline_ms, e);
}

bool reserve_unit(struct job *j, struct err *e)
{
	if (!claim_unit(j, e) || !find_row(j, e))
		return false;
	struct job_row *row = &j->row;
	/* A unit counts for the order under which its identity was intended. */
	const char *now = j->ticket.lot[0] ? j->ticket.lot : j->profile->order;
	const char *order = row->intent_index >= 0 ? row->order : now;
	char kept[sizeof(row->order)];
	snprintf(kept, sizeof(kept), "%s", order);
	if (!TEXT_COPY(row->slot, j->slot->name, e) || !TEXT_COPY(row->driver, j->driver->name, e) ||
	    !TEXT_COPY(row->profile, j->profile->name, e) || !TEXT_COPY(row->order, kept, e) ||
	    !TEXT_COPY(row->serial, j->identity.serial, e) || !TEXT_COPY(row->model, j->identity.model, e) ||
	    !TEXT_COPY(row->revision, j->identity.revision, e))
		return false;
	memcpy(row->ek_sha256, j->ek.ek_sha256, SHA256_SIZE);
	memcpy(row->ek_spki_sha256, j->ek.spki_sha256, SHA256_SIZE);
	row->visits += !j->counted;
	j->counted = put_row(j, e);
	if (j->counted)
		return true;
	if (e->code == E_CLONE)
		j->row.id[0] = '\0';	/* nothing of this unit is on record under its own name */
	return false;
}

bool reserve_leaf_key(struct job *j, struct err *e)
{
	struct job_row *row = &j->row;
	if (row->intent_index < 0 || memcmp(row->leaf_spki_sha256, j->attest.spki_sha256, SHA256_SIZE) == 0)
		return put_field(j, row->leaf_spki_sha256, j->attest.spki_sha256, SHA256_SIZE, e);
	err_set(e, E_CLONE, "unit \"%s\" holds another key than the one that its identity was intended for", row->serial);
	/* A serial number alone does not make it that unit: what it does is not recorded as that unit's. */
	if (!has_tpm(j))
		row->id[0] = '\0';
	return false;
}

bool reserve_id(struct job *j, const char id[static REGID_ROOM], struct err *e)
{
	struct job_row *row = &j->row;
	if (row->registration_id[0] && strcmp(row->registration_id, id) != 0)
		return err_set(e, E_CLONE, "this unit was \"%s\" before and would now be \"%s\"", row->registration_id, id);
	return put_field(j, row->registration_id, id, REGID_ROOM, e);
}

static bool fill_intent(const struct job *j, int64_t time_ms, enum intent_kind kind, const struct key_public *key,
			struct intent *ret, struct err *e)
{
	memset(ret, 0, sizeof(*ret));
	ret->kind = kind;
	ret->time_ms = time_ms;
	ret->key = *key;
	memcpy(ret->serial, j->row.cert_serial, INTENT_SERIAL);
	return TEXT_COPY(ret->job, j->row.id, e) && TEXT_COPY(ret->registration_id, j->row.registration_id, e) &&
	       TEXT_COPY(ret->profile, j->row.profile, e) && TEXT_COPY(ret->order, j->row.order, e);
}

/* The intent that stands in the log, with its own time: the leaf that comes of it is the same certificate, however
 * often it is signed. */
static bool old_intent(struct job *j, enum intent_kind kind, const struct key_public *key, struct intent *ret, struct err *e)
{
	struct intent_found found;
	if (!find_intent(j, j->row.intent_index, &found, e))
		return false;
	return fill_intent(j, found.time_ms, kind, key, ret, e) && TEXT_COPY(ret->replaces, found.replaces, e);
}

/* The place in the lot is taken with the intent, or neither. A unit that is replaced takes none: what it costs the order is counted
 * apart, and the identity that it had keeps its place. */
static bool write_intent(struct job *j, const struct intent *intent, const struct bytes *entry, struct revocation *old,
			 struct err *e)
{
	struct ledger *l = j->line->ledger;
	uint64_t index;
	if (!intent->replaces[0] && j->ticket.lot[0] && !lots_take_place(l, j->ticket.lot, j->row.id, e))
		return false;
	if (!audit_append_entry(l, intent_type(intent->kind), j->row.id, entry->data, entry->len, intent->time_ms, &index, e))
		return false;
	j->row.intent_index = old->next_intent = (int64_t)index;
	return jobs_put(l, &j->row, e) && (!intent->replaces[0] || (TEXT_COPY(old->next_order, j->row.order, e) &&
								   revocations_settle(l, old, e)));
}

bool reserve_intent(struct job *j, enum intent_kind kind, const struct key_public *key, struct intent *ret, struct err *e)
{
	struct ledger *l = j->line->ledger;
	AUTO(bytes) struct bytes entry = {.max = AUDIT_ENTRY_MAX};
	AUTO(revocation) struct revocation old = {0};
	bool replaces = false;
	if (j->row.intent_index >= 0)
		return old_intent(j, kind, key, ret, e);
	if (!revocation_is_replaced(l, j->row.id, &old, &replaces, e) || !random_bytes(j->row.cert_serial, CERT_SERIAL, e))
		return false;
	j->row.cert_serial[0] = (uint8_t)((j->row.cert_serial[0] & 0x7f) | 0x40);	/* positive, and always 16 bytes long */
	if (!fill_intent(j, clock_wall_ms(), kind, key, ret, e))
		return false;
	if (replaces)
		hex_encode(old.cert_serial, CERT_SERIAL, ret->replaces);
	if (!intent_entry(ret, &entry, e) || !ledger_begin(l, e))
		return false;
	bool ok = ledger_end(l, write_intent(j, ret, &entry, &old, e), e);
	if (!ok)
		j->row.intent_index = -1;
	return ok;
}

static bool put_enrollment(struct job *j, const struct outbox_row *row, struct err *e)
{
	struct ledger *l = j->line->ledger;
	uint8_t hash[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1];
	bool new = false;
	uint64_t index;
	/* Two people may have revoked it since this visit began. */
	if (!revocation_allows(l, row->job, j->row.serial, e) || !outbox_put(l, row, &new, e))
		return false;
	if (!new)
		return true;
	sha256_of(row->body.data, row->body.len, hash);
	hex_encode(hash, sizeof(hash), hex);
	AUTO(json) json_t *body = json_pack("{s:s, s:s}", "registration_id", row->registration_id, "body_sha256", hex);
	if (!body)
		return err_set(e, E_NOMEM, "audit entry");
	return audit_append(l, "enroll.queued", row->job, body, row->queued_ms, &index, e);
}

bool reserve_enrollment(struct job *j, const struct bytes *body, struct err *e)
{
	struct ledger *l = j->line->ledger;
	struct outbox_row row = {.queued_ms = clock_wall_ms(), .body = *body};	/* lent */
	if (!TEXT_COPY(row.job, j->row.id, e) || !TEXT_COPY(row.registration_id, j->row.registration_id, e) || !ledger_begin(l, e))
		return false;
	return ledger_end(l, put_enrollment(j, &row, e), e);
}

bool reserve_traces(struct job *j, const struct registration *state, struct err *e)
{
	struct ledger *l = j->line->ledger;
	const struct job_row *row = &j->row;
	int64_t now = clock_wall_ms();
	if (!ledger_begin(l, e))
		return false;
	bool ok = jobs_keep_trace(l, row->id, "registration", dps_endpoint(j->line->dps), row->registration_id, now, e) &&
		  jobs_keep_trace(l, row->id, "hub device", state->hub, state->device_id, now, e);
	return ledger_end(l, ok, e);
}

bool reserve_no_registration(struct job *j, struct err *e)
{
	struct ledger *l = j->line->ledger;
	const struct job_row *row = &j->row;
	const char *place = dps_endpoint(j->line->dps);
	AUTO(json) json_t *body = json_pack("{s:s, s:s, s:s}", "what", "registration", "where", place, "name",
					    row->registration_id);
	uint64_t index;
	if (!body)
		return err_set(e, E_NOMEM, "audit entry");
	if (!ledger_begin(l, e))
		return false;
	bool ok = jobs_drop_trace(l, row->id, "registration", place, row->registration_id, e) &&
		  audit_append(l, "trace.removed", row->id, body, clock_wall_ms(), &index, e);
	return ledger_end(l, ok, e);
}
