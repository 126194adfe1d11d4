/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/tlog_text.h"
#include "certs/note_text.h"
#include "station/base/text.h"

#include <inttypes.h>
#include <string.h>

static const char head[] = "c2sp.org/tlog-proof@v1";

void tlog_receipt_fini(struct tlog_receipt *r)
{
	if (!r)
		return;
	bytes_fini(&r->extra);
	bytes_fini(&r->checkpoint);
	memset(r, 0, sizeof(*r));
}

void tlog_growth_fini(struct tlog_growth *g)
{
	if (!g)
		return;
	bytes_fini(&g->checkpoint);
	memset(g, 0, sizeof(*g));
}

/* A hash per line, an empty line, and the note. */
static bool write_path(const struct merkle_proof *path, const char *note, struct bytes *ret, struct err *e)
{
	for (uint32_t i = 0; i < path->count; i++)
		if (!base64_encode(path->hash[i].h, MERKLE_HASH, ret, e) || !bytes_add_text(ret, "\n", e))
			return false;
	return bytes_add_text(ret, "\n", e) && bytes_add_text(ret, note, e);
}

static bool read_path(struct note_piece text, struct merkle_proof *path, struct bytes *note, struct err *e)
{
	struct note_piece line;
	path->count = 0;
	while (note_take_line(&text, &line)) {
		if (!line.len)
			return bytes_set(note, text.at, text.len, e);
		if (path->count == MERKLE_PROOF_MAX || !note_hash(line, &path->hash[path->count++]))
			break;
	}
	return err_set(e, E_AUDIT, "a line of the proof is no hash");
}

/* "word rest": the rest. */
static bool line_of(struct note_piece line, const char *word, struct note_piece *ret)
{
	size_t len = strlen(word);
	if (line.len <= len || memcmp(line.at, word, len) != 0 || line.at[len] != ' ')
		return false;
	*ret = (struct note_piece){line.at + len + 1, line.len - len - 1};
	return true;
}

bool tlog_receipt_write(uint64_t index, const struct merkle_proof *path, const void *entry, size_t entry_len, const char *note,
			struct bytes *ret, struct err *e)
{
	return bytes_printf(ret, e, "%s\nextra ", head) && base64_encode(entry, entry_len, ret, e) &&
	       bytes_printf(ret, e, "\nindex %" PRIu64 "\n", index) && write_path(path, note, ret, e);
}

bool tlog_receipt_read(const char *text, size_t len, struct tlog_receipt *ret, struct err *e)
{
	struct note_piece rest = {text, len}, line, value;
	if (len > TLOG_TEXT_MAX || !note_take_line(&rest, &line) || line.len != strlen(head) || memcmp(line.at, head, line.len) != 0)
		return err_set(e, E_AUDIT, "a receipt begins with \"%s\"", head);
	if (!note_take_line(&rest, &line))
		return err_set(e, E_AUDIT, "the receipt has no index");
	if (line_of(line, "extra", &value)) {
		struct err ignored = {0};
		if (!base64_decode(value.at, value.len, &ret->extra, &ignored) || !note_take_line(&rest, &line))
			return err_set(e, E_AUDIT, "the receipt's line \"extra\" is no base64");
	}
	if (!line_of(line, "index", &value) || !note_number(value, &ret->index))
		return err_set(e, E_AUDIT, "the receipt has no index");
	return read_path(rest, &ret->path, &ret->checkpoint, e);
}

bool tlog_receipt_check(const struct tlog_receipt *r, const char *vkey, const void *entry, size_t len, struct checkpoint *ret,
			struct err *e)
{
	struct merkle_hash leaf;
	struct checkpoint head_of;
	if (!note_open_checkpoint((const char *)r->checkpoint.data, r->checkpoint.len, vkey, &head_of, e))
		return false;
	merkle_leaf(entry, len, &leaf);
	if (!merkle_includes(&leaf, r->index, head_of.size, &r->path, &head_of.root))
		return err_set(e, E_AUDIT, "this is not entry %" PRIu64 " of the log with %" PRIu64 " entries that its checkpoint names",
			       r->index, head_of.size);
	*ret = head_of;
	return true;
}

bool tlog_growth_write(uint64_t old, const struct merkle_proof *path, const char *note, struct bytes *ret, struct err *e)
{
	return bytes_printf(ret, e, "old %" PRIu64 "\n", old) && write_path(path, note, ret, e);
}

bool tlog_growth_read(const char *text, size_t len, struct tlog_growth *ret, struct err *e)
{
	struct note_piece rest = {text, len}, line, value;
	if (len > TLOG_TEXT_MAX || !note_take_line(&rest, &line) || !line_of(line, "old", &value) || !note_number(value, &ret->old))
		return err_set(e, E_AUDIT, "the proof does not begin with \"old\" and a size");
	return read_path(rest, &ret->path, &ret->checkpoint, e);
}
