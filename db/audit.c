/* SPDX-License-Identifier: Apache-2.0 */
#include "db/audit.h"
#include "db/audit_text.h"
#include "db/store.h"

#include <assert.h>
#include <string.h>

bool audit_stored_size(struct ledger *l, uint64_t *ret, struct err *e)
{
	bool row = false;
	AUTO(query) struct query q = {0};
	if (!query_open(l, "SELECT idx FROM entry ORDER BY idx DESC LIMIT 1", &q, e) || !query_next(&q, &row, e))
		return false;
	*ret = row ? (uint64_t)sqlite3_column_int64(q.stmt, 0) + 1 : 0;
	return true;
}

/* The stored hash of a perfect subtree; it stands with the entry that completes it. */
static bool read_node(void *ctx, unsigned level, uint64_t index, struct merkle_hash *ret, struct err *e)
{
	bool row = false;
	uint64_t last = ((index + 1) << level) - 1;
	AUTO(query) struct query q = {0};
	if (!query_open(ctx, "SELECT hashes FROM entry WHERE idx = ?", &q, e))
		return false;
	query_int(&q, 1, (int64_t)last);
	if (!query_next(&q, &row, e))
		return false;
	size_t at = level * (size_t)MERKLE_HASH;
	if (!row || (size_t)sqlite3_column_bytes(q.stmt, 0) < at + MERKLE_HASH)
		return err_set(e, E_DB_CORRUPT, "the audit log lacks entry %llu or a hash of it", (unsigned long long)last);
	memcpy(ret->h, (const uint8_t *)sqlite3_column_blob(q.stmt, 0) + at, MERKLE_HASH);
	return true;
}

bool audit_load_edge(struct ledger *l, uint64_t size, struct merkle_edge *ret, struct err *e)
{
	unsigned count = 0;
	uint64_t from = 0;
	while (from < size) {
		unsigned level = 63 - (unsigned)__builtin_clzll(size - from);
		if (!read_node(l, level, from >> level, &ret->peak[count++], e))
			return false;
		from += (uint64_t)1 << level;
	}
	ret->size = size;
	return true;
}

/* The tree as this connection sees it: a writer keeps its edge, a reader asks, since others append. */
static bool current_edge(struct ledger *l, struct merkle_edge *ret, struct err *e)
{
	uint64_t size = 0;
	if (l->writer) {
		*ret = l->edge;
		return true;
	}
	return audit_stored_size(l, &size, e) && audit_load_edge(l, size, ret, e);
}

static bool gather(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *hash, struct err *e)
{
	(void)level, (void)index;
	return bytes_add(ctx, hash->h, MERKLE_HASH, e);
}

static bool insert_entry(struct ledger *l, const char *type, const char *job, const void *entry, size_t len, int64_t time_ms,
			 const struct bytes *hashes, struct err *e)
{
	AUTO(query) struct query q = {0};
	if (!query_open(l, "INSERT INTO entry (idx, time_ms, type, job, hashes, entry) VALUES (?, ?, ?, ?, ?, ?)", &q, e))
		return false;
	query_int(&q, 1, (int64_t)l->edge.size);
	query_int(&q, 2, time_ms);
	query_text(&q, 3, type);
	query_text(&q, 4, job);
	query_blob(&q, 5, hashes->data, hashes->len);
	query_blob(&q, 6, entry, len);
	return query_run(&q, e);
}

/* The entry ends in its type, job and time: the callers see to that. */
static bool append(struct ledger *l, const char *type, const char *job, const void *entry, size_t len, int64_t time_ms,
		   uint64_t *ret_index, struct err *e)
{
	struct merkle_hash leaf;
	AUTO(bytes) struct bytes hashes = {0};
	merkle_leaf(entry, len, &leaf);
	struct merkle_edge edge = l->edge;
	if (!merkle_append(&edge, &leaf, gather, &hashes, e) ||
	    !insert_entry(l, type, job, entry, len, time_ms, &hashes, e))
		return err_in(e, "audit entry %llu", (unsigned long long)l->edge.size);
	*ret_index = l->edge.size;
	l->edge = edge;
	return true;
}

bool audit_append_entry(struct ledger *l, const char *type, const char *job, const void *entry, size_t len, int64_t time_ms,
			uint64_t *ret_index, struct err *e)
{
	assert(store_in_transaction(l));
	if (len > AUDIT_ENTRY_MAX)
		return err_set(e, E_TEXT, "audit entry of %zu bytes", len);
	if (!audit_entry_names(entry, len, type, job, time_ms))
		return err_set(e, E_TEXT, "audit entry does not end in its job, time and type (%.32s)", type);
	return append(l, type, job, entry, len, time_ms, ret_index, e);
}

bool audit_append(struct ledger *l, const char *type, const char *job, const json_t *body, int64_t time_ms, uint64_t *ret_index,
		  struct err *e)
{
	AUTO(bytes) struct bytes entry = {.max = AUDIT_ENTRY_MAX};
	char tail[AUDIT_TAIL_MAX];
	assert(store_in_transaction(l));
	if (!audit_tail(type, job, time_ms, tail))
		return err_set(e, E_TEXT, "type or job of an audit entry: \"%.32s\", \"%.64s\"", type, job);
	/* Members sorted by name, no white space: "body" is the first, and the tail holds the others. */
	if (!bytes_add_text(&entry, "{\"body\":", e) ||
	    !(body ? json_canonical(body, &entry, e) : bytes_add_text(&entry, "{}", e)) ||
	    !bytes_add_text(&entry, ",", e) || !bytes_add_text(&entry, tail, e))
		return err_in(e, "audit entry %s", type);
	return append(l, type, job, entry.data, entry.len, time_ms, ret_index, e);
}

bool audit_head(struct ledger *l, uint64_t *ret_size, struct merkle_hash *ret_root, struct err *e)
{
	struct merkle_edge edge;
	AUTO(reading) struct reading r = {0};
	if (!reading_open(l, &r, e) || !current_edge(l, &edge, e))
		return false;
	*ret_size = edge.size;
	merkle_root(&edge, ret_root);
	return true;
}

/* A size that somebody else holds a head of; one beyond the log means that the log was shortened or is another one. */
static bool size_is_ours(struct ledger *l, uint64_t size, struct err *e)
{
	struct merkle_edge edge;
	return current_edge(l, &edge, e) &&
	       (size <= edge.size || err_set(e, E_AUDIT, "the log has %llu entries, asked about %llu",
					     (unsigned long long)edge.size, (unsigned long long)size));
}

bool audit_prove_inclusion(struct ledger *l, uint64_t index, uint64_t size, struct merkle_proof *ret, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	if (index >= size)
		return err_set(e, E_AUDIT, "entry %llu is not in a tree of %llu", (unsigned long long)index,
			       (unsigned long long)size);
	return reading_open(l, &r, e) && size_is_ours(l, size, e) && merkle_prove_inclusion(index, size, read_node, l, ret, e);
}

bool audit_prove_consistency(struct ledger *l, uint64_t old, uint64_t size, struct merkle_proof *ret, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	if (old > size)
		return err_set(e, E_AUDIT, "a tree of %llu does not grow to %llu", (unsigned long long)old,
			       (unsigned long long)size);
	return reading_open(l, &r, e) && size_is_ours(l, size, e) && merkle_prove_consistency(old, size, read_node, l, ret, e);
}

bool audit_keep_checkpoint(struct ledger *l, uint64_t size, const struct merkle_hash *root, const char *note, int64_t time_ms,
			   struct err *e)
{
	struct merkle_edge edge;
	struct merkle_hash ours;
	AUTO(query) struct query q = {0};
	assert(store_in_transaction(l));
	if (!size_is_ours(l, size, e) || !audit_load_edge(l, size, &edge, e))
		return false;
	merkle_root(&edge, &ours);
	if (memcmp(&ours, root, sizeof(ours)) != 0)
		return err_set(e, E_AUDIT, "the checkpoint of size %llu is not of this log", (unsigned long long)size);
	if (!audit_note_names(note, l->origin, size, root))
		return err_set(e, E_AUDIT, "the note is not the checkpoint of \"%.80s\" at %llu", l->origin,
			       (unsigned long long)size);
	if (!query_open(l, "INSERT INTO checkpoint (size, root, note, time_ms) VALUES (?, ?, ?, ?)", &q, e))
		return false;
	query_int(&q, 1, (int64_t)size);
	query_blob(&q, 2, root->h, MERKLE_HASH);
	query_text(&q, 3, note);
	query_int(&q, 4, time_ms);
	return query_run(&q, e);
}

bool audit_last_checkpoint(struct ledger *l, struct bytes *ret, struct err *e)
{
	bool row = false;
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	if (!reading_open(l, &r, e) || !query_open(l, "SELECT note FROM checkpoint ORDER BY id DESC LIMIT 1", &q, e) ||
	    !query_next(&q, &row, e))
		return false;
	bytes_clear(ret);
	return !row || bytes_add(ret, sqlite3_column_text(q.stmt, 0), (size_t)sqlite3_column_bytes(q.stmt, 0), e);
}

bool audit_scan(struct ledger *l, uint64_t from, uint64_t to, audit_each *each, void *ctx, struct err *e)
{
	bool row = true;
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	if (from >= to || from > INT64_MAX)
		return true;
	if (!reading_open(l, &r, e) ||
	    !query_open(l, "SELECT idx, type, job, entry FROM entry WHERE idx BETWEEN ? AND ? ORDER BY idx", &q, e))
		return false;
	query_int(&q, 1, (int64_t)from);
	query_int(&q, 2, to > INT64_MAX ? INT64_MAX : (int64_t)to - 1);
	for (;;) {
		if (!query_next(&q, &row, e))
			return false;
		if (!row)
			return true;
		const void *entry = sqlite3_column_blob(q.stmt, 3);
		if (!each(ctx, (uint64_t)sqlite3_column_int64(q.stmt, 0), (const char *)sqlite3_column_text(q.stmt, 1),
			  (const char *)sqlite3_column_text(q.stmt, 2), entry, (size_t)sqlite3_column_bytes(q.stmt, 3)))
			return true;
	}
}
