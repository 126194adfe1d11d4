/* SPDX-License-Identifier: Apache-2.0 */
#include "station/rollback.h"
#include "db/audit.h"
#include "db/lots.h"
#include "station/base/file.h"
#include "station/base/json.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FILE_MOST ((size_t)1 << 30)	/* a hand-over names every unit of its lot */

struct search {
	struct ledger *copy;
	const char *vkey;
	struct merkle_hash root;	/* of the copy */
	rollback_told *told;
	void *ctx;
	struct rollback *found;
	struct err *e;
	bool ok;
};

static void tell(struct search *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void tell(struct search *s, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	s->told(s->ctx, line);
}

static void knows(struct search *s, uint64_t size)
{
	if (size > s->found->known)
		s->found->known = size;
}

/* ---- checkpoints ---- */

/* One that is not larger must be a head of the copy's log; a larger one says how much is missing. */
static bool compare(struct search *s, const struct checkpoint *head, const char *whose, struct err *e)
{
	struct merkle_proof proof = {0};
	s->found->checkpoints++;
	if (strcmp(head->origin, ledger_origin(s->copy)) != 0)
		return err_set(e, E_AUDIT, "%s: a checkpoint of log \"%s\", the copy is of \"%s\"", whose, head->origin,
			       ledger_origin(s->copy));
	knows(s, head->size);
	if (!head->size || head->size > s->found->size)
		return true;
	if (!audit_prove_consistency(s->copy, head->size, s->found->size, &proof, e))
		return false;
	return merkle_extends(head->size, &head->root, s->found->size, &s->root, &proof) ||
	       err_set(e, E_AUDIT,
		       "%s: its checkpoint of size %" PRIu64 " has another root than the copy had there: this is another log", whose,
		       head->size);
}

static bool read_head(const struct search *s, const char *note, struct checkpoint *ret, struct err *e)
{
	return s->vkey ? note_open_checkpoint(note, strlen(note), s->vkey, ret, e)
		       : note_read_checkpoint(note, strlen(note), ret, e);
}

/* ---- units and lots ---- */

/* What the copy knows of a unit, in a word. */
static bool state_of(struct search *s, const char *job, const char **ret, struct err *e)
{
	AUTO(job_row) struct job_row row = {0};
	bool found = false;
	if (!jobs_find(s->copy, JOB_BY_ID, job, &row, &found, e))
		return false;
	*ret = found ? row.verdict == VERDICT_NONE ? "open" : verdict_name(row.verdict) : "not there";
	return true;
}

static bool compare_unit(struct search *s, const char *job, const char *serial, const char *id, const char *verdict,
			 const char *whose, struct err *e)
{
	const char *mine = NULL;
	if (!state_of(s, job, &mine, e))
		return false;
	if (!strcmp(mine, verdict))
		return true;
	s->found->units++;
	tell(s, "unit %s  %s  %s by %s, %s in the copy", serial, id, verdict, whose, mine);
	return true;
}

static bool compare_lot(struct search *s, const char *lot, const char *state, const char *whose, struct err *e)
{
	enum lot_state mine = LOT_OPEN;
	bool found = false;
	if (!lots_state(s->copy, lot, &mine, &found, e))
		return false;
	const char *in_copy = found ? lot_state_name(mine) : "not there";
	if (!strcmp(in_copy, state) || (found && mine == LOT_REVERTED))
		return true;
	s->found->lots++;
	tell(s, "lot %s  %s by %s, %s in the copy", lot, state, whose, in_copy);
	return true;
}

/* ---- the files that left ---- */

/* A file whose checkpoint the copy covers is older than the copy: what the copy says of a unit since then counts. */
static bool compare_result(struct search *s, const json_t *result, const struct checkpoint *head, const char *name, struct err *e)
{
	const char *mine = NULL;
	if (!state_of(s, json_text_or(result, "job", ""), &mine, e))
		return false;
	if (head->size < s->found->size && strcmp(mine, "not there") != 0)
		return true;
	return compare_unit(s, json_text_or(result, "job", ""), json_text_or(result, "serial", ""),
			    json_text_or(result, "registration_id", ""), json_text_or(result, "verdict", ""), name, e);
}

static bool compare_handover(struct search *s, const json_t *file, const struct checkpoint *head, const char *name, struct err *e)
{
	(void)head;
	return compare_lot(s, json_text_or(file, "lot", ""), lot_state_name(LOT_CLOSED), name, e);
}

typedef bool compare_file(struct search *s, const json_t *file, const struct checkpoint *head, const char *name, struct err *e);

static bool look_into(struct search *s, const char *path, const char *name, compare_file *compare_it, struct err *e)
{
	const char *note = NULL;
	struct checkpoint head;
	AUTO(bytes) struct bytes text = {.max = FILE_MOST};
	AUTO(json) json_t *file = NULL;
	if (!file_read(path, &text, e) || !json_parse(bytes_text(&text), text.len, &file, e) ||
	    !json_get_text(file, "checkpoint", &note, e) || !read_head(s, note, &head, e) || !compare(s, &head, name, e) ||
	    !compare_it(s, file, &head, name, e))
		return err_in(e, "%s", path);
	return head.size <= s->found->size || bytes_add(&s->found->ahead, path, strlen(path) + 1, e);
}

static bool look_through(struct search *s, const char *dir, compare_file *compare_it, struct err *e)
{
	char path[PATH_MAX];
	struct dirent *entry;
	DIR *d = opendir(dir);
	bool ok = true;
	if (!d)
		return errno == ENOENT || err_errno(e, E_FILE, "looking into %s", dir);
	while (ok && (entry = readdir(d))) {
		const char *end = strrchr(entry->d_name, '.');
		if (!end || strcmp(end, ".json") != 0)
			continue;
		ok = snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name) < (int)sizeof(path) ||
		     err_set(e, E_FILE, "path too long");
		ok = ok && look_into(s, path, entry->d_name, compare_it, e);
	}
	closedir(d);
	return ok;
}

/* ---- the old ledger ---- */

static bool compare_old_unit(void *ctx, const struct job_row *row)
{
	struct search *s = ctx;
	s->ok = compare_unit(s, row->id, row->serial, row->registration_id,
			     row->verdict == VERDICT_NONE ? "open" : verdict_name(row->verdict),
			     "the old ledger", s->e);
	return s->ok;
}

static bool compare_old_lot(void *ctx, const struct lot_row *row)
{
	struct search *s = ctx;
	s->ok = compare_lot(s, row->id, lot_state_name(row->state), "the old ledger", s->e);
	return s->ok;
}

/* The shorter of the two logs must be the beginning of the longer. */
static bool compare_logs(struct search *s, struct ledger *old, struct err *e)
{
	struct merkle_hash root;
	struct merkle_proof proof = {0};
	uint64_t size = 0;
	if (!audit_head(old, &size, &root, e))
		return false;
	knows(s, size);
	bool longer = size >= s->found->size;
	uint64_t from = longer ? s->found->size : size, to = longer ? size : s->found->size;
	if (!audit_prove_consistency(longer ? old : s->copy, from, to, &proof, e))
		return false;
	return merkle_extends(from, longer ? &s->root : &root, to, longer ? &root : &s->root, &proof) ||
	       err_set(e, E_AUDIT,
		       "the copy of %" PRIu64 " entries is no older state of the ledger here, which has %" PRIu64, s->found->size, size);
}

static bool compare_old(struct search *s, struct ledger *old, struct err *e)
{
	s->found->old_read = old != NULL;
	if (!old)
		return true;
	return compare_logs(s, old, e) && jobs_scan(old, compare_old_unit, s, e) && s->ok &&
	       lots_scan(old, UINT32_MAX, compare_old_lot, s, e) && s->ok;
}

/* ---- the copy itself ---- */

/* Who makes a log by hand can make it fit; its newest checkpoint he cannot sign. */
static bool is_signed(struct search *s, struct err *e)
{
	AUTO(bytes) struct bytes note = {0};
	struct checkpoint head;
	return audit_last_checkpoint(s->copy, &note, e) &&
	       (!note.len || read_head(s, bytes_text(&note), &head, e) || err_in(e, "the copy's own newest checkpoint"));
}

static bool verify(struct search *s, const struct config *c, struct err *e)
{
	struct audit_report report;
	if (!ledger_check(s->copy, e))
		return false;
	if (strcmp(ledger_origin(s->copy), c->log_origin) != 0)
		return err_set(e, E_AUDIT, "the copy is the ledger of \"%s\", not of \"%s\"", ledger_origin(s->copy),
			       c->log_origin);
	if (!audit_verify(s->copy, NULL, NULL, &report, e))
		return false;
	s->found->size = s->found->known = report.entries;
	s->root = report.root;
	return report.fits ? is_signed(s, e) : err_set(e, E_AUDIT, "the copy does not verify: %s", report.why);
}

void rollback_fini(struct rollback *r)
{
	if (!r)
		return;
	bytes_fini(&r->ahead);
	*r = (struct rollback){0};
}

bool rollback_find(struct ledger *copy, struct ledger *old, const struct config *c, const char *vkey,
		   const struct checkpoint *brought,
		   rollback_told *told, void *ctx, struct rollback *ret, struct err *e)
{
	char results[PATH_MAX];
	struct search s = {.copy = copy, .vkey = vkey, .told = told, .ctx = ctx, .found = ret, .e = e, .ok = true};
	*ret = (struct rollback){0};
	return config_state_path(c, "results", results, sizeof(results), e) && verify(&s, c, e) &&
	       (!brought || compare(&s, brought, "the checkpoint that was brought", e)) && compare_old(&s, old, e) &&
	       look_through(&s, results, compare_result, e) && look_through(&s, c->handover_dir, compare_handover, e);
}
