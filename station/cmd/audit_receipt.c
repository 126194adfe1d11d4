/* SPDX-License-Identifier: Apache-2.0 */
/* station audit receipt, audit check-receipt: proofs that need no station to be checked. */
#include "certs/cosign.h"
#include "certs/tlog_text.h"
#include "db/lots.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/cmd/audit.h"
#include "station/cmd/cmd.h"
#include "station/receipt.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct making {
	struct ledger *l;
	const char *dir;
	struct bytes note;	/* the newest checkpoint */
	uint64_t covered;	/* entries under it */
	struct err *e;
	bool ok;
};

static bool write_one(struct making *m, uint64_t index, const char *name)
{
	if (!receipt_write(m->l, index, bytes_text(&m->note), m->dir, name, m->e))
		return false;
	printf("%s/%s\n", m->dir, name);
	return true;
}

/* Intent and verdict; what is under no checkpoint yet is named. */
static bool write_unit(void *ctx, const struct job_row *row)
{
	struct making *m = ctx;
	int64_t entry[2] = {row->intent_index, -1};
	static const char *const what[2] = {"intent", "verdict"};
	char name[sizeof(row->registration_id) + 32];
	m->ok = receipt_verdict_entry(m->l, row, &entry[1], m->e);
	for (int i = 0; m->ok && i < 2; i++) {
		snprintf(name, sizeof(name), "%s.%s.tlog-proof", row->registration_id, what[i]);
		if (entry[i] < 0 || !row->registration_id[0])
			printf("%s has no %s\n", row->serial, what[i]);
		else if ((uint64_t)entry[i] >= m->covered)
			printf("%s: its %s, entry %" PRId64 ", is under no checkpoint yet\n", row->serial, what[i], entry[i]);
		else
			m->ok = write_one(m, (uint64_t)entry[i], name);
	}
	return m->ok;
}

static bool make_unit(struct making *m, const char *unit)
{
	AUTO(job_row) struct job_row row = {0};
	bool found = false;
	if (!jobs_find(m->l, JOB_BY_SERIAL, unit, &row, &found, m->e) ||
	    (!found && !jobs_find(m->l, JOB_BY_REGISTRATION, unit, &row, &found, m->e)))
		return false;
	return found ? write_unit(m, &row) : err_set(m->e, E_TEXT, "no unit of this ledger is called \"%s\"", unit);
}

static bool make_entry(struct making *m, const char *text)
{
	char *end = NULL, name[64];
	uint64_t index = strtoull(text, &end, 10);
	if (!*text || *end)
		return err_set(m->e, E_USAGE, "--entry wants a number");
	snprintf(name, sizeof(name), "entry-%" PRIu64 ".tlog-proof", index);
	return write_one(m, index, name);
}

static bool make(struct making *m, const char *unit, const char *entry, const char *lot, struct err *e)
{
	struct checkpoint head;
	if (!audit_last_checkpoint(m->l, &m->note, e))
		return false;
	if (!m->note.len)
		return err_set(e, E_TEXT, "no checkpoint of this ledger was signed yet");
	if (!note_read_checkpoint(bytes_text(&m->note), m->note.len, &head, e))
		return false;
	m->covered = head.size;
	if (entry)
		return make_entry(m, entry);
	return lot ? lots_jobs(m->l, lot, write_unit, m, e) && m->ok : make_unit(m, unit);
}

static int receipt(int argc, char **argv, struct err *e)
{
	const char *config = NULL, *ledger = NULL, *entry = NULL, *lot = NULL, *out = ".";
	const struct command_option options[] = {{"config", &config, NULL}, {"ledger", &ledger, NULL}, {"entry", &entry, NULL},
						 {"lot", &lot, NULL}, {"out", &out, NULL}, {0}};
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	if (argc + (entry != NULL) + (lot != NULL) != 1) {
		err_set(e, E_USAGE, "audit receipt of one of: a unit, --entry N, --lot LOT");
		return EXIT_USAGE;
	}
	struct making m = {.dir = out, .e = e, .ok = true};
	bool ok = audit_open_ledger(config, ledger, &m.l, e) && make(&m, argc ? argv[0] : NULL, entry, lot, e);
	ledger_close(m.l);
	bytes_fini(&m.note);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command audit_receipt_command = {"audit receipt",
					      "--config FILE | --ledger FILE [--out DIR] UNIT | --entry N | --lot LOT",
					      "write receipts: proofs that an entry is in the log", receipt};

/* The entry that the receipt is to be of: in a file, or as the receipt carries it. */
static bool entry_of(const struct tlog_receipt *r, const char *path, struct bytes *ret, struct err *e)
{
	if (path)
		return file_read(path, ret, e);
	return r->extra.len ? bytes_set(ret, r->extra.data, r->extra.len, e)
			    : err_set(e, E_USAGE, "the receipt carries no entry: --entry FILE");
}

/* What a log says may not move the reader's cursor: control characters, C0 and (in UTF-8) C1, are shown as a question mark. */
static void print_entry(const struct bytes *entry)
{
	for (size_t i = 0; i < entry->len; i++) {
		uint8_t c = entry->data[i], next = i + 1 < entry->len ? entry->data[i + 1] : 0;
		bool c1 = c == 0xc2 && next >= 0x80 && next <= 0x9f;
		putchar(c1 || c < ' ' || c == 0x7f ? '?' : c);
		i += c1;
	}
	putchar('\n');
}

static bool check(const char *path, const char *vkey, const char *entry_path, const char *witness, struct err *e)
{
	AUTO(bytes) struct bytes text = {.max = TLOG_TEXT_MAX}, entry = {0};
	AUTO(tlog_receipt) struct tlog_receipt r = {0};
	struct checkpoint head;
	uint64_t time_s = 0;
	char when[CLOCK_TEXT];
	if (!file_read(path, &text, e) || !tlog_receipt_read(bytes_text(&text), text.len, &r, e) ||
	    !entry_of(&r, entry_path, &entry, e) || !tlog_receipt_check(&r, vkey, entry.data, entry.len, &head, e))
		return err_in(e, "%s", path);
	if (witness && !cosign_is_on(bytes_text(&r.checkpoint), r.checkpoint.len, witness, &time_s, e))
		return err_in(e, "%s", path);
	printf("log          %s\nentries      %" PRIu64 "\nentry        %" PRIu64 "\n", head.origin, head.size, r.index);
	clock_text((int64_t)time_s * 1000, when);
	if (witness)
		printf("witnessed    %s\n", when);
	printf("fits         yes\n");
	print_entry(&entry);
	return true;
}

static int check_receipt(int argc, char **argv, struct err *e)
{
	const char *vkey_path = NULL, *entry = NULL, *witness_path = NULL;
	const struct command_option options[] = {{"vkey", &vkey_path, NULL}, {"entry", &entry, NULL},
						 {"witness", &witness_path, NULL}, {0}};
	AUTO(bytes) struct bytes vkey = {0}, witness = {0};
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	if (argc != 1) {
		err_set(e, E_USAGE, "audit check-receipt wants one file");
		return EXIT_USAGE;
	}
	if (!audit_read_vkey(vkey_path, &vkey, e) || (witness_path && !audit_read_vkey(witness_path, &witness, e)))
		return EXIT_FAILED;
	return check(argv[0], bytes_text(&vkey), entry, witness_path ? bytes_text(&witness) : NULL, e) ? EXIT_OK : EXIT_FAILED;
}

const struct command audit_check_receipt_command = {"audit check-receipt", "FILE --vkey FILE [--entry FILE] [--witness VKEY]",
						    "check a receipt with the log's public key alone", check_receipt};
