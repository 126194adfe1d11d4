/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/handover.h"
#include "db/visits.h"
#include "station/base/clock.h"
#include "station/base/csv.h"
#include "station/base/file.h"
#include "station/base/text.h"
#include "station/line.h"
#include "station/revocation.h"
#include "station/shift/label.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define HANDOVER_MAX ((size_t)1 << 30)

/* A row's members in the order of the columns of LOT.csv. */
static const char *const columns[] = {
	"serial", "label", "model", "revision", "verdict", "code", "registration_id", "attestation", "hub", "device_id",
		"leaf_sha256",
	"certificate_serial", "ek_sha256", "intent", "verdict_entry", "job", "visits", "left_in_cloud",
};

struct writing {
	struct line *l;
	const struct lot_row *lot;
	json_t *units;
	json_t *replacements;	/* identities of this order that came after others of the same units */
	json_t *revoked;	/* and those of it that hold no more */
	json_t *traces;		/* by job: what stands in the cloud, "registration at …; hub device NAME at …" */
	struct handover *sums;
	struct err *e;
	bool ok;
};

static void set_hash(json_t *unit, const char *name, const uint8_t hash[static SHA256_SIZE], bool there)
{
	char hex[2 * SHA256_SIZE + 1] = "";
	if (there)
		hex_encode(hash, SHA256_SIZE, hex);
	json_object_set_new(unit, name, json_string(hex));
}

static void count(struct handover *sums, enum job_verdict verdict)
{
	uint64_t *const places[] = {&sums->open, &sums->pass, &sums->built, &sums->hold, &sums->fail};
	++*places[verdict];
}

static const char *attestation_of(const struct line *l, const struct job_row *row)
{
	static const char *const names[] = {"x509-group", "x509-individual", "tpm"};
	for (size_t i = 0; i < l->config->profile_count; i++)
		if (!strcmp(l->config->profile[i].name, row->profile))
			return names[l->config->profile[i].attestation];
	return "";
}

/* Of the unit's visits, as itself: the label under which it came last, and the entry of the verdict that stands. */
struct last {
	const struct job_row *row;
	char label[LABEL];
	int64_t verdict_entry;
};

static bool keep_last(void *ctx, const struct visit_row *visit)
{
	struct last *last = ctx;
	if (strcmp(visit->job, last->row->id) != 0)
		return true;
	snprintf(last->label, sizeof(last->label), "%s", visit->label);
	if (visit->verdict == last->row->verdict)
		last->verdict_entry = visit->entry_to;
	return true;
}

static bool add_unit(void *ctx, const struct job_row *row)
{
	struct writing *w = ctx;
	static const uint8_t none[SHA256_SIZE];
	char serial[2 * CERT_SERIAL + 1] = "";
	uint8_t leaf[SHA256_SIZE];
	struct last last = {.row = row, .verdict_entry = -1};
	if (!visits_of_unit(w->l->ledger, row->serial, keep_last, &last, w->e))
		return w->ok = false;
	sha256_of(row->leaf.data, row->leaf.len, leaf);
	if (row->leaf.len)
		hex_encode(row->cert_serial, CERT_SERIAL, serial);
	json_t *unit = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "serial", row->serial, "label", last.label, "model",
				 row->model, "revision", row->revision, "verdict", verdict_name(row->verdict), "code", row->error,
				 "registration_id", row->registration_id, "attestation", attestation_of(w->l, row));
	json_object_update_new(unit, json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:i, s:s}", "hub", row->hub, "device_id",
					       row->device_id,
					       "certificate_serial", serial, "intent", (json_int_t)row->intent_index,
						"verdict_entry",
					       (json_int_t)last.verdict_entry, "job", row->id, "visits", (int)row->visits,
					       "left_in_cloud", json_text_or(w->traces, row->id, "")));
	set_hash(unit, "leaf_sha256", leaf, row->leaf.len > 0);
	set_hash(unit, "ek_sha256", row->ek_sha256, memcmp(row->ek_sha256, none, SHA256_SIZE) != 0);
	count(w->sums, row->verdict);
	w->ok = json_array_append_new(w->units, unit) == 0 || err_set(w->e, E_NOMEM, "hand-over");
	return w->ok;
}

static bool add_trace(void *ctx, const char *job, const char *what, const char *where, const char *name, int64_t time_ms)
{
	struct writing *w = ctx;
	const char *before = json_text_or(w->traces, job, "");
	json_object_set_new(w->traces, job, json_sprintf("%s%s%s %s at %s", before, *before ? "; " : "", what, name, where));
	return true;
}

/* Of this order: what was revoked, and what came after something revoked. */
static bool add_revocation(void *ctx, const struct revocation *r)
{
	struct writing *w = ctx;
	if (!strcmp(r->order, w->lot->id))
		w->ok = w->ok && json_array_append_new(w->revoked, revocation_json(r)) == 0;
	if (!strcmp(r->next_order, w->lot->id))
		w->ok = w->ok && json_array_append_new(w->replacements, revocation_json(r)) == 0;
	return w->ok || err_set(w->e, E_NOMEM, "hand-over");
}

static bool collect_revocations(struct writing *w, struct err *e)
{
	int64_t after = 0;
	w->replacements = json_array();
	w->revoked = json_array();
	return revocations_scan(w->l->ledger, REVOCATIONS_ALL, &after, UINT32_MAX, add_revocation, w, e) && w->ok;
}

static bool collect(struct writing *w, struct err *e)
{
	w->units = json_array();
	w->traces = json_object();
	if (!collect_revocations(w, e))
		return false;
	return traces_scan(w->l->ledger, add_trace, w, e) && lots_jobs(w->l->ledger, w->lot->id, add_unit, w, e) && w->ok;
}

static bool csv_of(const json_t *units, struct bytes *ret, struct err *e)
{
	size_t i;
	const json_t *unit;
	if (!csv_row(ret, columns, COUNT_OF(columns), e))
		return false;
	json_array_foreach(units, i, unit) {
		const char *cell[COUNT_OF(columns)];
		char number[COUNT_OF(columns)][24];
		for (size_t k = 0; k < COUNT_OF(columns); k++) {
			int64_t n = json_int_or(unit, columns[k], -1);
			snprintf(number[k], sizeof(number[k]), n < 0 ? "" : "%lld", (long long)n);
			cell[k] = json_text_or(unit, columns[k], number[k]);
		}
		if (!csv_row(ret, cell, COUNT_OF(columns), e))
			return false;
	}
	return true;
}

/* The whole document; takes nothing. */
static json_t *document(const struct writing *w, const struct checkpoint_reply *note)
{
	char when[CLOCK_TEXT], hex[2 * SHA256_SIZE + 1];
	clock_text(clock_wall_ms(), when);
	hex_encode(w->lot->order_sha256, SHA256_SIZE, hex);
	return json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:{s:I, s:I, s:I, s:I, s:I}, s:O, s:O, s:O, s:s}", "lot",
			 w->lot->id, "product",
			 w->lot->product, "profile", w->lot->profile, "count", (json_int_t)w->lot->count, "order_sha256", hex,
			 "station", w->l->config->name, "time", when, "sums", "pass", (json_int_t)w->sums->pass, "built",
			 (json_int_t)w->sums->built, "hold", (json_int_t)w->sums->hold, "fail", (json_int_t)w->sums->fail, "open",
			 (json_int_t)w->sums->open, "units", w->units, "replacements", w->replacements, "revoked",
				w->revoked, "checkpoint", note->note);
}

static bool write_one(const struct line *l, const char *name, const struct bytes *text, uint8_t hash[static SHA256_SIZE],
		      struct err *e)
{
	char path[PATH_MAX + LOT_ID + 8];
	snprintf(path, sizeof(path), "%s/%s", l->config->handover_dir, name);
	sha256_of(text->data, text->len, hash);
	return file_write_atomic(path, text->data, text->len, 0640, e);
}

static bool write_files(const struct writing *w, const struct checkpoint_reply *note, struct err *e)
{
	AUTO(bytes) struct bytes csv = {.max = HANDOVER_MAX}, text = {.max = HANDOVER_MAX};
	AUTO(json) json_t *whole = document(w, note);
	char name[LOT_ID + 8];
	if (!whole)
		return err_set(e, E_NOMEM, "hand-over");
	if (!file_make_directory(w->l->config->handover_dir, 0750, e))
		return false;
	snprintf(name, sizeof(name), "%s.csv", w->lot->id);
	snprintf(w->sums->file, sizeof(w->sums->file), "%s.json", w->lot->id);
	return csv_of(w->units, &csv, e) && json_canonical(whole, &text, e) && bytes_add_text(&text, "\n", e) &&
	       write_one(w->l, name, &csv, w->sums->csv_sha256, e) && write_one(w->l, w->sums->file, &text, w->sums->sha256, e);
}

bool handover_write(struct line *l, const struct lot_row *lot, struct handover *ret, struct err *e)
{
	struct writing w = {.l = l, .lot = lot, .sums = ret, .e = e, .ok = true};
	struct checkpoint_reply note;
	*ret = (struct handover){0};
	bool ok = collect(&w, e) && signing_checkpoint(&l->signing, &note, e) && write_files(&w, &note, e);
	json_decref(w.units);
	json_decref(w.traces);
	json_decref(w.replacements);
	json_decref(w.revoked);
	return ok || err_in(e, "hand-over of %s", lot->id);
}

json_t *handover_json(const struct handover *h)
{
	char hex[2 * SHA256_SIZE + 1], csv[2 * SHA256_SIZE + 1];
	hex_encode(h->sha256, SHA256_SIZE, hex);
	hex_encode(h->csv_sha256, SHA256_SIZE, csv);
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "handover", h->file, "sha256", hex, "csv_sha256", csv, "pass",
			 (json_int_t)h->pass, "built", (json_int_t)h->built, "hold", (json_int_t)h->hold, "fail",
				(json_int_t)h->fail,
			 "open", (json_int_t)h->open);
}
