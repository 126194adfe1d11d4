/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/db/shop.h"
#include "certs/note.h"
#include "db/audit.h"
#include "db/lots.h"
#include "db/outbox.h"
#include "db/spool.h"
#include "db/visits.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/base/text.h"
#include "tests/torn/torn.h"

#include <stdio.h>
#include <string.h>

#define LOT "LOT-1"
#define THEN 1700000000000	/* whenever: nothing but the certificates looks at it */

uint64_t shop_promise(uint64_t entries, uint64_t counted)
{
	return counted << 32 | entries;
}

uint64_t shop_entries(uint64_t promise)
{
	return promise & UINT32_MAX;
}

uint64_t shop_counted(uint64_t promise)
{
	return promise >> 32;
}

void shop_move(struct shop *s, const char *dir)
{
	snprintf(s->dir, sizeof(s->dir), "%s", dir);
	snprintf(s->signer_state, sizeof(s->signer_state), "%s/signer.state", dir);
	s->setup.state_path = s->signer_state;
}

void shop_at(struct shop *s, const struct desk *desk, const char *dir)
{
	memset(s, 0, sizeof(*s));
	s->setup = desk->setup;
	shop_move(s, dir);
	for (unsigned n = 0; n < SHOP_UNITS; n++) {
		char id[16];
		snprintf(id, sizeof(id), "reg-%u", n);
		intent_make(&s->intent[n], id);
		s->intent[n].time_ms = clock_wall_ms();
		snprintf(s->intent[n].job, sizeof(s->intent[n].job), "%032x", n + 1);
		snprintf(s->intent[n].order, sizeof(s->intent[n].order), "%s", LOT);
	}
}

static uint64_t entries(struct shop *s)
{
	uint64_t size;
	struct merkle_hash root;
	OK(audit_head(s->l, &size, &root, &e));
	return size;
}

uint64_t shop_signed(struct shop *s)
{
	struct signer_info info;
	signer_who(s->signer, &info);
	return info.signed_count;
}

/* Begins or ends what must come together; the end is a promise. */
static void begin(struct shop *s)
{
	OK(ledger_begin(s->l, &e));
}

static void commit(struct shop *s)
{
	OK(ledger_commit(s->l, &e));
	torn_promise(shop_promise(entries(s), shop_signed(s)));
}

static uint64_t append(struct shop *s, const char *type, const char *job, const char *name, const char *value)
{
	uint64_t index;
	AUTO(json) json_t *body = json_pack("{s:s}", name, value);
	OK(audit_append(s->l, type, job, body, THEN, &index, &e));
	return index;
}

static bool lot_is_open(struct shop *s)
{
	bool found;
	enum lot_state state;
	OK(lots_state(s->l, LOT, &state, &found, &e));
	return found;
}

static void open_lot(struct shop *s)
{
	struct lot_row lot = {.id = LOT, .product = "p", .profile = "sensor", .count = SHOP_UNITS, .opened_ms = THEN};
	if (lot_is_open(s))
		return;
	OK(bytes_set(&lot.order, "{}", 2, &e));
	begin(s);
	OK(lots_put(s->l, &lot, &e));
	append(s, "lot.opened", "", "lot", LOT);
	commit(s);
	lot_row_fini(&lot);
}

void shop_open(struct shop *s)
{
	char path[112];
	snprintf(path, sizeof(path), "%s/ledger.db", s->dir);
	OK(ledger_open(path, DESK_ORIGIN, &s->l, &e));
	OK(signer_open(&s->setup, &s->signer, &e));
	open_lot(s);
}

void shop_close(struct shop *s)
{
	ledger_close(s->l);
	signer_close(s->signer);
	s->l = NULL;
	s->signer = NULL;
}

void shop_fill(struct shop *s, unsigned transactions, unsigned count)
{
	char text[1200];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	for (unsigned i = 0; i < transactions; i++) {
		begin(s);
		for (unsigned k = 0; k < count; k++)
			append(s, "test.fill", "", "x", text);
		commit(s);
	}
}

/* ---- one unit ---- */

static bool find(struct shop *s, unsigned n, struct job_row *row)
{
	bool found;
	char serial[16];
	snprintf(serial, sizeof(serial), "SN-%u", n);
	OK(jobs_find(s->l, JOB_BY_SERIAL, serial, row, &found, &e));
	if (found)
		return true;
	*row = (struct job_row){.intent_index = -1, .profile = "sensor", .order = LOT, .slot = "01", .started_ms = THEN};
	snprintf(row->id, sizeof(row->id), "%s", s->intent[n].job);
	snprintf(row->serial, sizeof(row->serial), "%s", serial);
	snprintf(row->registration_id, sizeof(row->registration_id), "%s", s->intent[n].registration_id);
	memset(row->ek_spki_sha256, (int)n + 1, sizeof(row->ek_spki_sha256));
	memset(row->leaf_spki_sha256, (int)n + 100, sizeof(row->leaf_spki_sha256));
	return false;
}

static void step(struct shop *s, struct job_row *row, const char *type, const char *name, const char *value)
{
	begin(s);
	if (!strcmp(type, "stage.done"))
		snprintf(row->stage, sizeof(row->stage), "%s", value);
	OK(jobs_put(s->l, row, &e));
	append(s, type, row->id, name, value);
	commit(s);
}

/* The certificate's number is reserved with the intent; who comes again finds it. */
static void reserve(struct shop *s, unsigned n, struct job_row *row)
{
	AUTO(bytes) struct bytes entry = {0};
	uint64_t index;
	if (row->intent_index >= 0) {
		memcpy(s->intent[n].serial, row->cert_serial, CERT_SERIAL);
		return;
	}
	memcpy(row->cert_serial, s->intent[n].serial, CERT_SERIAL);
	OK(intent_entry(&s->intent[n], &entry, &e));
	begin(s);
	OK(lots_take_place(s->l, LOT, row->id, &e));
	OK(audit_append_entry(s->l, intent_type(INTENT_LEAF), row->id, entry.data, entry.len, s->intent[n].time_ms, &index, &e));
	row->intent_index = (int64_t)index;
	OK(jobs_put(s->l, row, &e));
	commit(s);
}

static void prove_head(struct shop *s, uint64_t *size, struct merkle_hash *root, struct merkle_proof *consistency)
{
	struct signer_info info;
	signer_who(s->signer, &info);
	OK(audit_head(s->l, size, root, &e));
	OK(audit_prove_consistency(s->l, info.head_size, *size, consistency, &e));
}

static void sign(struct shop *s, unsigned n, struct job_row *row)
{
	struct leaf_request req = {.intent = s->intent[n], .receipt.index = (uint64_t)row->intent_index};
	struct leaf_reply reply;
	if (row->leaf.len)
		return;
	prove_head(s, &req.receipt.size, &req.receipt.root, &req.receipt.consistency);
	OK(audit_prove_inclusion(s->l, req.receipt.index, req.receipt.size, &req.receipt.inclusion, &e));
	OK(signer_leaf(s->signer, &req, clock_wall_ms(), &reply, &e));
	torn_promise(shop_promise(entries(s), shop_signed(s)));
	OK(bytes_set(&row->leaf, reply.der, reply.len, &e));
	step(s, row, "stage.done", "stage", "sign");
}

static void enroll(struct shop *s, struct job_row *row)
{
	struct outbox_row out = {.queued_ms = THEN};
	bool new;
	snprintf(out.job, sizeof(out.job), "%s", row->id);
	snprintf(out.registration_id, sizeof(out.registration_id), "%s", row->registration_id);
	OK(bytes_set(&out.body, "{\"enrollment\":1}", 16, &e));
	begin(s);
	OK(outbox_put(s->l, &out, &new, &e));
	if (new)
		append(s, "enroll.queued", row->id, "registration_id", row->registration_id);
	commit(s);
	if (new || out.state == OUTBOX_WAITING) {
		out.state = OUTBOX_SENT;
		out.settled_ms = THEN;
		begin(s);
		OK(outbox_settle(s->l, &out, &new, &e));
		if (new)
			append(s, "enroll.done", row->id, "registration_id", row->registration_id);
		commit(s);
	}
	outbox_row_fini(&out);
}

/* The checkpoint that leaves the line with the unit's result file. */
static void checkpoint(struct shop *s, const struct job_row *row)
{
	struct checkpoint_request req = {0};
	struct checkpoint_reply reply;
	char path[256];
	prove_head(s, &req.size, &req.root, &req.consistency);
	OK(signer_checkpoint(s->signer, &req, clock_wall_ms(), &reply, &e));
	begin(s);
	OK(audit_keep_checkpoint(s->l, req.size, &req.root, reply.note, THEN, &e));
	commit(s);
	snprintf(path, sizeof(path), "%s/%s.note", s->dir, row->registration_id);
	OK(file_write_atomic(path, reply.note, strlen(reply.note), 0640, &e));
}

static void verdict(struct shop *s, struct job_row *row)
{
	static const char *const adapters[] = {"folder"};
	struct visit_row visit = {.begun_ms = THEN, .ended_ms = THEN, .verdict = VERDICT_PASS, .slot = "01", .lot = LOT};
	struct spool_event event = {.type = "unit.result", .time_ms = THEN};
	snprintf(visit.job, sizeof(visit.job), "%s", row->id);
	snprintf(visit.serial, sizeof(visit.serial), "%s", row->serial);
	snprintf(event.unit, sizeof(event.unit), "%s", row->serial);
	snprintf(event.id, sizeof(event.id), "%03u-%s", row->visits % 1000, row->id);
	OK(bytes_set(&event.body, "{}", 2, &e));
	row->verdict = VERDICT_PASS;
	begin(s);
	OK(jobs_put(s->l, row, &e));
	visit.entry_from = visit.entry_to = (int64_t)append(s, "verdict", row->id, "verdict", "PASS");
	OK(visits_put(s->l, &visit, &e));
	OK(spool_put(s->l, &event, adapters, COUNT_OF(adapters), &e));
	commit(s);
	begin(s);
	OK(spool_settle(s->l, "folder", event.number, SPOOL_DONE, 0, NULL, &e));
	commit(s);
	spool_event_fini(&event);
}

void shop_unit(struct shop *s, unsigned n)
{
	AUTO(job_row) struct job_row row = {0};
	find(s, n, &row);
	row.visits++;
	step(s, &row, "visit", "slot", "01");
	step(s, &row, "stage.begin", "stage", "make-key");
	step(s, &row, "stage.done", "stage", "attest");
	reserve(s, n, &row);
	sign(s, n, &row);
	step(s, &row, "stage.begin", "stage", "install");
	step(s, &row, "stage.done", "stage", "install");
	enroll(s, &row);
	checkpoint(s, &row);
	step(s, &row, "stage.done", "stage", "record");
	verdict(s, &row);
}

/* ---- what the tables say of it ---- */

struct told {
	const char *job;
	unsigned intents, queued, done, passes;
	int64_t intent_at;
	char stage[17];
};

static bool hear(void *ctx, uint64_t index, const char *type, const char *job, const void *entry, size_t len)
{
	struct told *t = ctx;
	if (strcmp(job, t->job) != 0)
		return true;
	if (!strcmp(type, "sign.intent")) {
		t->intents++;
		t->intent_at = (int64_t)index;
	}
	t->queued += !strcmp(type, "enroll.queued");
	t->done += !strcmp(type, "enroll.done");
	t->passes += !strcmp(type, "verdict");
	AUTO(json) json_t *parsed = NULL;
	struct err e = {0};
	assert_true(json_parse(entry, len, &parsed, &e));
	if (!strcmp(type, "stage.done"))
		snprintf(t->stage, sizeof(t->stage), "%s", json_text_or(json_object_get(parsed, "body"), "stage", ""));
	return true;
}

static void listen(struct shop *s, unsigned n, struct told *ret)
{
	*ret = (struct told){.job = s->intent[n].job, .intent_at = -1};
	OK(audit_scan(s->l, 0, UINT64_MAX, hear, ret, &e));
}

static bool count_pass(void *ctx, const struct visit_row *row)
{
	*(unsigned *)ctx += row->verdict == VERDICT_PASS;
	return true;
}

static void note_is_there(struct shop *s, const struct job_row *row)
{
	AUTO(bytes) struct bytes note = {.max = SIGNER_NOTE_MAX};
	struct checkpoint head;
	char path[256];
	snprintf(path, sizeof(path), "%s/%s.note", s->dir, row->registration_id);
	OK(file_read(path, &note, &e));
	OK(note_read_checkpoint(bytes_text(&note), note.len, &head, &e));
	assert_string_equal(head.origin, DESK_ORIGIN);
}

void shop_agrees(struct shop *s, unsigned n)
{
	AUTO(job_row) struct job_row row = {0};
	AUTO(outbox_row) struct outbox_row out = {0};
	struct told told;
	bool queued, place;
	unsigned passes = 0;
	listen(s, n, &told);
	bool found = find(s, n, &row);
	OK(outbox_find(s->l, s->intent[n].job, &out, &queued, &e));
	OK(lots_has_place(s->l, LOT, s->intent[n].job, &place, &e));
	OK(visits_of_unit(s->l, row.serial, count_pass, &passes, &e));
	assert_string_equal(found ? row.stage : "", told.stage);
	assert_int_equal(row.intent_index, told.intent_at);
	assert_int_equal(told.intents, place);
	assert_int_equal(told.queued, queued);
	assert_int_equal(told.done, queued && out.state == OUTBOX_SENT);
	assert_int_equal(told.passes, passes);
	assert_int_equal(passes > 0, row.verdict == VERDICT_PASS);
	/* The file was there before the stage was. */
	if (!strcmp(row.stage, "record"))
		note_is_there(s, &row);
}

bool shop_is_finished_once(struct shop *s, unsigned n)
{
	AUTO(job_row) struct job_row row = {0};
	struct told told;
	listen(s, n, &told);
	return find(s, n, &row) && row.leaf.len > 0 && row.verdict == VERDICT_PASS && told.intents == 1 && told.queued == 1 &&
	       told.done == 1 && told.passes >= 1;
}
