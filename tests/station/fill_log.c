/* SPDX-License-Identifier: Apache-2.0 */
/* fill_log LEDGER CA-DIR PASSPHRASE ORIGIN COUNT [WORD]: appends so many entries to a ledger, as a line with that log key would, and
 * has the head signed and kept; with COUNT 0 only that. Every third entry is an intent to sign under order WO-1 or WO-2, every tenth a
 * permit. WORD stands in each entry, so that two logs can part. */
#include "certs/note_key.h"
#include "db/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TIME_MS 1700000000000

static const char *type_of(uint64_t n)
{
	return n % 10 == 9 ? "permit.intent" : n % 3 == 0 ? "sign.intent" : "stage.done";
}

static json_t *body_of(uint64_t n, const char *word)
{
	char id[32];
	snprintf(id, sizeof(id), "unit-%06" PRIu64, n);
	if (!strcmp(type_of(n), "stage.done"))
		return json_pack("{s:s, s:s, s:I}", "stage", "identify", "word", word, "n", (json_int_t)n);
	return json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", id, "key", word, "order", n % 2 ? "WO-1" : "WO-2", "profile", "demo", "serial",
			 "00000000000000000000000000000000");
}

static bool append(struct ledger *l, unsigned count, const char *word, struct err *e)
{
	uint64_t at = 0, size;
	struct merkle_hash root;
	bool ok = audit_head(l, &size, &root, e);
	for (unsigned i = 0; ok && i < count; i++) {
		json_t *body = body_of(size + i, word);
		ok = audit_append(l, type_of(size + i), "0123456789abcdef0123456789abcdef", body, TIME_MS + (int64_t)(size + i), &at, e);
		json_decref(body);
	}
	return ok;
}

static bool sign(struct ledger *l, const char *ca, const char *passphrase, const char *origin, struct err *e)
{
	char path[4096];
	struct note_key key = {0};
	AUTO(bytes) struct bytes note = {0};
	struct merkle_hash root;
	uint64_t size;
	snprintf(path, sizeof(path), "%s/log.key", ca);
	bool ok = audit_head(l, &size, &root, e) && note_key_open(&key, path, passphrase, origin, e) &&
		  note_key_sign(&key, size, &root, "time 2023-11-14T22:13:20.000Z\nclock synchronised\n", &note, e) &&
		  audit_keep_checkpoint(l, size, &root, bytes_text(&note), TIME_MS, e);
	note_key_fini(&key);
	return ok;
}

int main(int argc, char **argv)
{
	struct err e = {0};
	struct ledger *l = NULL;
	if (argc < 6) {
		fprintf(stderr, "fill_log LEDGER CA-DIR PASSPHRASE ORIGIN COUNT [WORD]\n");
		return 2;
	}
	bool ok = ledger_open(argv[1], argv[4], &l, &e) && ledger_begin(l, &e) &&
		  append(l, (unsigned)strtoul(argv[5], NULL, 10), argc > 6 ? argv[6] : "one", &e) &&
		  sign(l, argv[2], argv[3], argv[4], &e) && ledger_commit(l, &e);
	ledger_close(l);
	if (!ok)
		fprintf(stderr, "fill_log: %s %s\n", err_row(e.code)->code, e.what);
	return ok ? 0 : 1;
}
