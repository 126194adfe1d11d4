/* SPDX-License-Identifier: Apache-2.0 */
/* A stretch of the log is read once, from its first entry on, beside the kept checkpoints in the order of their size; nothing
 * else is remembered than the tree's edge. The first thing that does not fit ends it. */
#include "db/audit_range.h"
#include "db/audit_text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct verification {
	struct ledger *l;
	const struct audit_range *range;
	struct audit_report *report;
	struct merkle_edge edge;	/* recomputed */
	uint64_t proved;	/* size of the last head that fitted */
	struct query entries;	/* idx, time_ms, type, job, hashes, entry, archive */
	struct query heads;	/* size, root, note */
	bool have_head;	/* heads stands on a row that was not compared yet */
};

static void misfit(struct verification *v, uint64_t entry, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void misfit(struct verification *v, uint64_t entry, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(v->report->why, sizeof(v->report->why), fmt, ap);
	va_end(ap);
	v->report->fits = false;
	v->report->first_bad = entry;
}

/* A head says that something before it was changed, but not what: only since when, by the head before. */
static bool head_fits(struct verification *v, const char *whose, const struct merkle_hash *root)
{
	struct merkle_hash ours;
	merkle_root(&v->edge, &ours);
	if (memcmp(&ours, root, sizeof(ours))) {
		misfit(v, UINT64_MAX, "%s checkpoint of size %llu has another root: an entry from %llu on was changed", whose,
		       (unsigned long long)v->edge.size, (unsigned long long)v->proved);
		return false;
	}
	v->proved = v->edge.size;
	return true;
}

static bool kept_head_fits(struct verification *v)
{
	struct merkle_hash root;
	uint64_t size = (uint64_t)sqlite3_column_int64(v->heads.stmt, 0);
	const void *stored = sqlite3_column_blob(v->heads.stmt, 1);
	const char *note = (const char *)sqlite3_column_text(v->heads.stmt, 2);
	if (!stored || sqlite3_column_bytes(v->heads.stmt, 1) != MERKLE_HASH || !note) {
		misfit(v, UINT64_MAX, "the kept checkpoint of size %llu has no root or note", (unsigned long long)size);
		return false;
	}
	memcpy(root.h, stored, MERKLE_HASH);
	v->report->checkpoints++;
	if (!head_fits(v, "the kept", &root))
		return false;
	if (audit_note_names(note, ledger_origin(v->l), size, &root))
		return true;
	misfit(v, UINT64_MAX, "the kept checkpoint of size %llu has a note of something else", (unsigned long long)size);
	return false;
}

/* Compares every head of the size that the tree has reached, the one from outside first: the kept ones are the owner's own. */
static bool compare_heads(struct verification *v, struct err *e)
{
	const struct audit_range *r = v->range;
	if (r->outside_size && *r->outside_size == v->edge.size && !head_fits(v, "the outside", r->outside_root))
		return true;
	while (v->have_head && (uint64_t)sqlite3_column_int64(v->heads.stmt, 0) == v->edge.size) {
		if (!kept_head_fits(v))
			return true;
		if (!query_next(&v->heads, &v->have_head, e))
			return false;
	}
	return true;
}

static bool gather(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *hash, struct err *e)
{
	(void)level, (void)index;
	return bytes_add(ctx, hash->h, MERKLE_HASH, e);
}

static void compare_hashes(struct verification *v, uint64_t at, const struct bytes *computed)
{
	const uint8_t *stored = sqlite3_column_blob(v->entries.stmt, 4);
	size_t len = (size_t)sqlite3_column_bytes(v->entries.stmt, 4);
	if (!stored || len < MERKLE_HASH || memcmp(stored, computed->data, MERKLE_HASH))
		misfit(v, at, "entry %llu does not have its stored hash", (unsigned long long)at);
	else if (len != computed->len || memcmp(stored, computed->data, len))
		misfit(v, at, "the tree's nodes above entry %llu are not the hashes of what is below them", (unsigned long long)at);
}

/* Of an entry whose body is in an archive the stored hash goes into the tree; whether the body has that hash is the
 * archive's business. */
static bool kept_leaf(struct verification *v, uint64_t at, size_t len, struct merkle_hash *ret)
{
	const void *stored = sqlite3_column_blob(v->entries.stmt, 4);
	v->report->archived++;
	if (len || !stored || sqlite3_column_bytes(v->entries.stmt, 4) < MERKLE_HASH) {
		misfit(v, at, "entry %llu is archived and has a body, or no hash", (unsigned long long)at);
		return false;
	}
	memcpy(ret->h, stored, MERKLE_HASH);
	return true;
}

/* Takes the row that `entries` stands on into the tree. */
static bool take_entry(struct verification *v, struct bytes *computed, struct err *e)
{
	sqlite3_stmt *row = v->entries.stmt;
	uint64_t at = v->edge.size;
	struct merkle_hash leaf;
	bool archived = sqlite3_column_type(row, 6) != SQLITE_NULL;
	if ((uint64_t)sqlite3_column_int64(row, 0) != at) {
		misfit(v, at, "entry %llu is missing", (unsigned long long)at);
		return true;
	}
	const void *entry = sqlite3_column_blob(row, 5);
	size_t len = (size_t)sqlite3_column_bytes(row, 5);
	const char *type = (const char *)sqlite3_column_text(row, 2), *job = (const char *)sqlite3_column_text(row, 3);
	merkle_leaf(entry ? entry : "", len, &leaf);
	if (archived && !kept_leaf(v, at, len, &leaf))
		return true;
	bytes_clear(computed);
	if (!merkle_append(&v->edge, &leaf, gather, computed, e))
		return false;
	compare_hashes(v, at, computed);
	if (v->report->fits && !archived && !(type && job && entry &&
					       audit_entry_names(entry, len, type, job, sqlite3_column_int64(row, 1))))
		misfit(v, at, "type, job or time beside entry %llu are not the entry's own", (unsigned long long)at);
	return true;
}

static bool run(struct verification *v, struct err *e)
{
	bool row = true;
	AUTO(bytes) struct bytes computed = {0};
	if (!query_next(&v->heads, &v->have_head, e) || (v->range->from == 0 && !compare_heads(v, e)))
		return false;
	while (v->report->fits) {
		if (!query_next(&v->entries, &row, e))
			return false;
		if (!row)
			return true;
		if (!take_entry(v, &computed, e) || (v->report->fits && !compare_heads(v, e)))
			return false;
	}
	return true;
}

/* The stretch, or the log, ends too early; of the log that is known by heads of a size that was not reached. */
static void compare_end(struct verification *v)
{
	const struct audit_range *r = v->range;
	uint64_t size = v->edge.size, missing = 0;
	if (r->to != AUDIT_END && size < r->to) {
		misfit(v, size, "entry %llu is missing", (unsigned long long)size);
		return;
	}
	if (v->have_head)
		missing = (uint64_t)sqlite3_column_int64(v->heads.stmt, 0);
	if (r->to == AUDIT_END && r->outside_size && *r->outside_size > size && (!missing || *r->outside_size < missing))
		missing = *r->outside_size;
	if (missing)
		misfit(v, size, "entry %llu is missing: there is a checkpoint of size %llu", (unsigned long long)size,
		       (unsigned long long)missing);
}

/* The size of the last head before the stretch: if what is before fits, so did that. */
static bool proved_before(struct verification *v, struct err *e)
{
	const struct audit_range *r = v->range;
	bool row = false;
	AUTO(query) struct query q = {0};
	if (!query_open(v->l, "SELECT size FROM checkpoint WHERE size BETWEEN 0 AND ? ORDER BY size DESC LIMIT 1", &q, e))
		return false;
	query_int(&q, 1, (int64_t)r->from);
	if (!query_next(&q, &row, e))
		return false;
	v->proved = row ? (uint64_t)sqlite3_column_int64(q.stmt, 0) : 0;
	if (r->outside_size && *r->outside_size <= r->from && *r->outside_size > v->proved)
		v->proved = *r->outside_size;
	return true;
}

/* Where the stretch begins at 0 or ends at AUDIT_END, also what could not be there. */
static bool open_queries(struct verification *v, struct err *e)
{
	const struct audit_range *r = v->range;
	if (!query_open(v->l, "SELECT idx, time_ms, type, job, hashes, entry, archive FROM entry WHERE idx BETWEEN ? AND ? ORDER BY idx",
			&v->entries, e) ||
	    !query_open(v->l, "SELECT size, root, note FROM checkpoint WHERE size BETWEEN ? AND ? ORDER BY size, id", &v->heads, e))
		return false;
	query_int(&v->entries, 1, r->from ? (int64_t)r->from : INT64_MIN);
	query_int(&v->entries, 2, r->to == AUDIT_END ? INT64_MAX : (int64_t)r->to - 1);
	query_int(&v->heads, 1, r->from ? (int64_t)r->from + 1 : INT64_MIN);
	query_int(&v->heads, 2, r->to == AUDIT_END ? INT64_MAX : (int64_t)r->to);
	return true;
}

bool audit_verify_range(struct ledger *l, const struct audit_range *range, struct audit_found *ret, struct err *e)
{
	struct verification v = {.l = l, .range = range, .report = &ret->report};
	*ret = (struct audit_found){.report.fits = true};
	if (range->from && !(audit_load_edge(l, range->from, &v.edge, e) && proved_before(&v, e)))
		return false;
	ret->begin = v.edge;
	bool ok = open_queries(&v, e) && run(&v, e);
	if (ok && ret->report.fits)
		compare_end(&v);
	ret->end = v.edge;
	ret->report.entries = v.edge.size;
	merkle_root(&v.edge, &ret->report.root);
	query_fini(&v.entries);
	query_fini(&v.heads);
	return ok;
}
