/* SPDX-License-Identifier: Apache-2.0 */
#include "station/receipt.h"
#include "certs/tlog_text.h"
#include "db/visits.h"
#include "station/base/file.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

struct copy {
	struct bytes entry;
	struct err *e;
	bool found, ok;
};

static bool copy_entry(void *ctx, uint64_t index, const char *type, const char *job, const void *entry, size_t len)
{
	struct copy *c = ctx;
	c->found = true;
	return c->ok = bytes_set(&c->entry, entry, len, c->e);
}

static bool write_text(struct ledger *l, uint64_t index, const struct checkpoint *head, const char *note, const struct bytes *entry,
		       struct bytes *ret, struct err *e)
{
	struct merkle_proof path;
	struct merkle_hash leaf;
	if (!audit_prove_inclusion(l, index, head->size, &path, e))
		return false;
	merkle_leaf(entry->data, entry->len, &leaf);
	if (!merkle_includes(&leaf, index, head->size, &path, &head->root))
		return err_set(e, E_AUDIT, "entry %" PRIu64 " is not under the checkpoint of size %" PRIu64, index, head->size);
	return tlog_receipt_write(index, &path, entry->data, entry->len, note, ret, e);
}

bool receipt_of_entry(struct ledger *l, uint64_t index, const char *note, struct bytes *ret, struct err *e)
{
	struct checkpoint head;
	struct copy c = {.e = e, .ok = true};
	if (!note_read_checkpoint(note, strlen(note), &head, e))
		return false;
	if (index >= head.size)
		return err_set(e, E_TEXT, "entry %" PRIu64 " is under no checkpoint yet: the newest covers %" PRIu64, index, head.size);
	bool ok = audit_scan(l, index, index + 1, copy_entry, &c, e) && c.ok &&
		  (c.found || err_set(e, E_AUDIT, "entry %" PRIu64 " is missing", index)) &&
		  (c.entry.len || err_set(e, E_TEXT, "the body of entry %" PRIu64 " is in an archive", index)) &&
		  write_text(l, index, &head, note, &c.entry, ret, e);
	bytes_fini(&c.entry);
	return ok;
}

bool receipt_write(struct ledger *l, uint64_t index, const char *note, const char *dir, const char *name, struct err *e)
{
	char path[PATH_MAX];
	AUTO(bytes) struct bytes text = {0};
	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >= (int)sizeof(path))
		return err_set(e, E_FILE, "path too long: %.64s…", dir);
	return receipt_of_entry(l, index, note, &text, e) && file_write_atomic(path, text.data, text.len, 0640, e);
}

struct last {
	const struct job_row *row;
	int64_t entry;
};

static bool keep_last(void *ctx, const struct visit_row *visit)
{
	struct last *last = ctx;
	if (!strcmp(visit->job, last->row->id) && visit->verdict == last->row->verdict)
		last->entry = visit->entry_to;
	return true;
}

bool receipt_verdict_entry(struct ledger *l, const struct job_row *row, int64_t *ret, struct err *e)
{
	struct last last = {.row = row, .entry = -1};
	if (!visits_of_unit(l, row->serial, keep_last, &last, e))
		return false;
	*ret = last.entry;
	return true;
}
