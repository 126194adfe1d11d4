/* SPDX-License-Identifier: Apache-2.0 */
#include "db/archive.h"
#include "db/audit.h"
#include "db/audit_text.h"
#include "db/store.h"
#include "station/base/file.h"
#include "station/base/text.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LINE_ROOM (AUDIT_ENTRY_MAX + 32)

/* The jobs, and visits that never had one, of lot ?1 which belong to no lot that is still worked on. */
#define OF_LOT(which) "SELECT job FROM place WHERE lot " which " UNION SELECT job FROM visit WHERE lot " which \
	" UNION SELECT visit FROM visit WHERE lot " which
#define OPEN_LOTS "IN (SELECT id FROM lot WHERE state = 'open' OR state = 'reverting')"
#define LEAVING "archive IS NULL AND type NOT LIKE '%.intent' AND job <> '' AND job IN (" OF_LOT("= ?1") ")" \
	" AND job NOT IN (" OF_LOT(OPEN_LOTS) ")"

/* ---- whether ---- */

static bool lot_may_go(struct ledger *l, const char *lot, struct err *e)
{
	bool row = false;
	AUTO(query) struct query q = {0};
	if (!query_open(l, "SELECT state, (SELECT count(*) FROM archive WHERE lot = ?1) FROM lot WHERE id = ?1", &q, e))
		return false;
	query_text(&q, 1, lot);
	if (!query_next(&q, &row, e))
		return false;
	if (!row)
		return err_set(e, E_LOT_STATE, "there is no lot \"%s\"", lot);
	const char *state = (const char *)sqlite3_column_text(q.stmt, 0);
	if (!state || (strcmp(state, lot_state_name(LOT_CLOSED)) != 0 && strcmp(state, lot_state_name(LOT_REVERTED)) != 0))
		return err_set(e, E_LOT_STATE, "lot \"%s\" is %s", lot, state ? state : "?");
	return !sqlite3_column_int64(q.stmt, 1) || err_set(e, E_LOT_STATE, "lot \"%s\" is in an archive already", lot);
}

/* How many entries, and that each is under a checkpoint that is kept. */
static bool count_leaving(struct ledger *l, const char *lot, uint64_t *ret, struct err *e)
{
	bool row = false;
	AUTO(query) struct query q = {0};
	if (!query_open(l, "SELECT count(*), ifnull(max(idx), -1), (SELECT ifnull(max(size), 0) FROM checkpoint) FROM entry WHERE "
			LEAVING,
			&q, e))
		return false;
	query_text(&q, 1, lot);
	if (!query_next(&q, &row, e))
		return false;
	*ret = (uint64_t)sqlite3_column_int64(q.stmt, 0);
	if (!*ret)
		return err_set(e, E_LOT_STATE, "lot \"%s\" has no entries to archive", lot);
	return sqlite3_column_int64(q.stmt, 1) < sqlite3_column_int64(q.stmt, 2) ||
	       err_set(e, E_LOT_STATE, "no checkpoint covers the last entries of lot \"%s\" yet; the next unit's will", lot);
}

/* ---- writing ---- */

static bool write_head(FILE *out, struct ledger *l, const char *lot, struct err *e)
{
	AUTO(bytes) struct bytes line = {.max = 1024};
	AUTO(json) json_t *head = json_pack("{s:i, s:s, s:s}", "archive", ARCHIVE_VERSION, "lot", lot, "origin", ledger_origin(l));
	return (head || err_set(e, E_NOMEM, "the archive's head")) && json_canonical(head, &line, e) && bytes_add_text(&line, "\n", e) &&
	       (fwrite(line.data, 1, line.len, out) == line.len || err_errno(e, E_FILE, "writing"));
}

static bool write_entries(FILE *out, struct ledger *l, const char *lot, uint64_t *count, struct err *e)
{
	bool row = true;
	AUTO(query) struct query q = {0};
	if (!query_open(l, "SELECT idx, entry FROM entry WHERE " LEAVING " ORDER BY idx", &q, e))
		return false;
	query_text(&q, 1, lot);
	for (;;) {
		if (!query_next(&q, &row, e))
			return false;
		if (!row)
			return true;
		int64_t index = sqlite3_column_int64(q.stmt, 0);
		const void *entry = sqlite3_column_blob(q.stmt, 1);
		size_t len = (size_t)sqlite3_column_bytes(q.stmt, 1);
		if (!entry || memchr(entry, '\n', len))
			return err_set(e, E_AUDIT, "entry %" PRId64 " is no line of text", index);
		if (fprintf(out, "%" PRId64 " ", index) < 0 || fwrite(entry, 1, len, out) != len || fputc('\n', out) < 0)
			return err_errno(e, E_FILE, "writing");
		++*count;
	}
}

static bool write_file(struct ledger *l, const char *lot, const char *path, uint64_t *count, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out) {
		if (fd >= 0)
			close(fd);
		return err_errno(e, E_FILE, "making %s", path);
	}
	bool ok = write_head(out, l, lot, e) && write_entries(out, l, lot, count, e);
	ok = (ok && (fflush(out) == 0 && fsync(fd) == 0)) || (ok && err_errno(e, E_FILE, "writing"));
	ok = fclose(out) == 0 && ok;
	return ok || err_in(e, "%s", path);
}

/* ---- reading back ---- */

struct reading_back {
	FILE *in;
	struct sha256_run sum;
	char line[LINE_ROOM];
	size_t len;	/* without its LF */
	uint64_t number;	/* of the line */
};

static bool misfit(const struct reading_back *b, const char *what, struct err *e)
{
	return err_set(e, E_AUDIT, "line %" PRIu64 " of the archive: %s", b->number, what);
}

/* The next line; *ret_line false at the end. */
static bool next_line(struct reading_back *b, bool *ret_line, struct err *e)
{
	b->number++;
	*ret_line = fgets(b->line, sizeof(b->line), b->in) != NULL;
	if (!*ret_line)
		return feof(b->in) || err_errno(e, E_FILE, "reading");
	b->len = strlen(b->line);
	sha256_add(&b->sum, b->line, b->len);
	if (!b->len || b->line[b->len - 1] != '\n')
		return misfit(b, "it does not end", e);
	b->line[--b->len] = 0;
	return true;
}

static bool read_head(struct reading_back *b, struct ledger *l, struct archive_row *ret, struct err *e)
{
	bool line = false;
	struct err cause = {0};
	AUTO(json) json_t *head = NULL;
	if (!next_line(b, &line, e))
		return false;
	if (!line || !json_parse(b->line, b->len, &head, &cause) || json_int_or(head, "archive", 0) != ARCHIVE_VERSION)
		return misfit(b, "this is no archive of a lot", e);
	if (strcmp(json_text_or(head, "origin", ""), ledger_origin(l)) != 0)
		return misfit(b, "it is of another ledger", e);
	return TEXT_COPY(ret->lot, json_text_or(head, "lot", ""), e);
}

/* A line against what the ledger keeps of its entry. */
static bool line_fits(const struct reading_back *b, struct query *q, struct err *e)
{
	struct merkle_hash leaf;
	bool row = false;
	char *end = NULL;
	errno = 0;
	unsigned long long index = strtoull(b->line, &end, 10);
	if (end == b->line || *end != ' ' || errno || index > INT64_MAX)
		return misfit(b, "it does not begin with an entry's number", e);
	const char *entry = end + 1;
	size_t len = b->len - (size_t)(entry - b->line);
	sqlite3_reset(q->stmt);
	query_int(q, 1, (int64_t)index);
	if (!query_next(q, &row, e))
		return false;
	if (!row || sqlite3_column_bytes(q->stmt, 0) < MERKLE_HASH)
		return misfit(b, "the ledger has no such entry", e);
	merkle_leaf(entry, len, &leaf);
	if (memcmp(sqlite3_column_blob(q->stmt, 0), leaf.h, MERKLE_HASH) != 0)
		return err_set(e, E_AUDIT, "entry %llu is not the one that the ledger has the hash of", index);
	const char *type = (const char *)sqlite3_column_text(q->stmt, 1), *job = (const char *)sqlite3_column_text(q->stmt, 2);
	return (type && job && audit_entry_names(entry, len, type, job, sqlite3_column_int64(q->stmt, 3))) ||
	       err_set(e, E_AUDIT, "type, job or time beside entry %llu are not the entry's own", index);
}

static bool read_entries(struct reading_back *b, struct ledger *l, struct archive_row *ret, struct err *e)
{
	bool line = true;
	int64_t last = -1;
	AUTO(query) struct query q = {0};
	if (!query_open(l, "SELECT hashes, type, job, time_ms FROM entry WHERE idx = ?", &q, e))
		return false;
	for (;;) {
		if (!next_line(b, &line, e))
			return false;
		if (!line)
			return true;
		if (!line_fits(b, &q, e))
			return false;
		int64_t index = strtoll(b->line, NULL, 10);
		if (index <= last)
			return misfit(b, "entries are not in their order", e);
		last = index;
		ret->entries++;
	}
}

/* The file by itself, and each of its lines against the ledger. */
static bool read_back(struct ledger *l, const char *path, struct archive_row *ret, struct err *e)
{
	struct reading_back b = {.in = fopen(path, "re")};
	AUTO(reading) struct reading r = {0};
	*ret = (struct archive_row){0};
	if (!b.in)
		return err_errno(e, E_FILE, "%s", path);
	sha256_begin(&b.sum);
	bool ok = reading_open(l, &r, e) && read_head(&b, l, ret, e) && read_entries(&b, l, ret, e);
	sha256_end(&b.sum, ret->sha256);
	fclose(b.in);
	return ok || err_in(e, "%s", path);
}

bool archive_write(struct ledger *l, const char *lot, const char *path, int64_t time_ms, struct archive_row *ret, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	uint64_t leaving = 0, written = 0;
	if (!reading_open(l, &r, e) || !lot_may_go(l, lot, e) || !count_leaving(l, lot, &leaving, e))
		return false;
	bool ok = write_file(l, lot, path, &written, e) && file_sync_directory_of(path, e) && read_back(l, path, ret, e);
	ret->time_ms = time_ms;
	if (!ok)
		return false;
	return (written == leaving && ret->entries == leaving) || err_set(e, E_AUDIT, "%s holds not all entries of the lot", path);
}

bool archive_let_go(struct ledger *l, const struct archive_row *row, struct err *e)
{
	AUTO(query) struct query keep = {0}, empty = {0};
	assert(store_in_transaction(l));
	if (!query_open(l, "INSERT INTO archive (lot, entries, sha256, time_ms) VALUES (?, ?, ?, ?)", &keep, e))
		return false;
	query_text(&keep, 1, row->lot);
	query_int(&keep, 2, (int64_t)row->entries);
	query_blob(&keep, 3, row->sha256, SHA256_SIZE);
	query_int(&keep, 4, row->time_ms);
	if (!query_run(&keep, e) ||
	    !query_open(l, "UPDATE entry SET entry = x'', archive = (SELECT number FROM archive WHERE lot = ?1) WHERE " LEAVING,
			&empty, e))
		return false;
	query_text(&empty, 1, row->lot);
	if (!query_run(&empty, e))
		return false;
	return (uint64_t)sqlite3_changes64(l->db) == row->entries ||
	       err_set(e, E_AUDIT, "the entries of lot \"%s\" are not those that were archived", row->lot);
}

bool archive_compact(struct ledger *l, struct err *e)
{
	return store_exec(l, "VACUUM", e);
}

static void take_row(struct query *q, struct archive_row *ret)
{
	*ret = (struct archive_row){.entries = (uint64_t)sqlite3_column_int64(q->stmt, 1), .time_ms = sqlite3_column_int64(q->stmt, 3)};
	if (!query_take_text(q, 0, ret->lot, sizeof(ret->lot)) || !query_take_blob(q, 2, ret->sha256, SHA256_SIZE))
		ret->lot[0] = 0;
}

bool archive_scan(struct ledger *l, archive_each *each, void *ctx, struct err *e)
{
	bool row = true;
	struct archive_row found;
	AUTO(reading) struct reading r = {0};
	AUTO(query) struct query q = {0};
	if (!reading_open(l, &r, e) || !query_open(l, "SELECT lot, entries, sha256, time_ms FROM archive ORDER BY number", &q, e))
		return false;
	for (;;) {
		if (!query_next(&q, &row, e))
			return false;
		if (!row)
			return true;
		take_row(&q, &found);
		if (!each(ctx, &found))
			return true;
	}
}

struct looking {
	const char *lot;
	struct archive_row row;
	bool found;
};

static bool look(void *ctx, const struct archive_row *row)
{
	struct looking *k = ctx;
	k->found = !strcmp(row->lot, k->lot);
	if (k->found)
		k->row = *row;
	return !k->found;
}

bool archive_fits(struct ledger *l, const char *path, struct archive_row *ret, struct err *e)
{
	AUTO(reading) struct reading r = {0};
	if (!reading_open(l, &r, e) || !read_back(l, path, ret, e))
		return false;
	struct looking k = {.lot = ret->lot};
	if (!archive_scan(l, look, &k, e))
		return false;
	if (!k.found)
		return err_set(e, E_AUDIT, "%s: the ledger knows of no archive of lot \"%s\"", path, ret->lot);
	ret->time_ms = k.row.time_ms;
	if (ret->entries != k.row.entries)
		return err_set(e, E_AUDIT, "%s has %" PRIu64 " entries, there were %" PRIu64, path, ret->entries, k.row.entries);
	return !memcmp(ret->sha256, k.row.sha256, SHA256_SIZE) || err_set(e, E_AUDIT, "%s is not the file that was written", path);
}
