/* SPDX-License-Identifier: Apache-2.0 */
/* station audit export, audit consistency: the log as files that others read, and the proof that it grew. */
#include "certs/tlog_text.h"
#include "db/audit.h"
#include "station/base/text.h"
#include "station/cmd/audit.h"
#include "station/cmd/cmd.h"
#include "station/tiles_export.h"

#include <inttypes.h>
#include <stdio.h>

static int export(int argc, char **argv, struct err *e)
{
	const char *config = NULL, *ledger = NULL, *vkey_path = NULL;
	const struct command_option options[] = {{"config", &config, NULL}, {"ledger", &ledger, NULL}, {"vkey", &vkey_path, NULL}, {0}};
	AUTO(bytes) struct bytes vkey = {0};
	struct ledger *l = NULL;
	struct tiles_exported done = {0};
	char root[2 * MERKLE_HASH + 1];
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	if (argc != 1) {
		err_set(e, E_USAGE, "audit export wants the directory");
		return EXIT_USAGE;
	}
	bool ok = audit_read_vkey(vkey_path, &vkey, e) && audit_open_ledger(config, ledger, &l, e) &&
		  tiles_export(l, bytes_text(&vkey), argv[0], &done, e);
	ledger_close(l);
	if (!ok)
		return EXIT_FAILED;
	hex_encode(done.root.h, sizeof(done.root.h), root);
	printf("entries      %" PRIu64 "\nnew          %" PRIu64 "\nroot         %s\n", done.size, done.size - done.before, root);
	return EXIT_OK;
}

const struct command audit_export_command = {"audit export", "--config FILE | --ledger FILE --vkey FILE DIR",
					     "write the log as tiles, up to its newest checkpoint", export};

static bool growth(struct ledger *l, uint64_t from, struct bytes *ret, struct err *e)
{
	AUTO(bytes) struct bytes note = {0};
	struct checkpoint head;
	struct merkle_proof path;
	if (!audit_last_checkpoint(l, &note, e))
		return false;
	if (!note.len)
		return err_set(e, E_TEXT, "no checkpoint of this ledger was signed yet");
	return note_read_checkpoint(bytes_text(&note), note.len, &head, e) && audit_prove_consistency(l, from, head.size, &path, e) &&
	       tlog_growth_write(from, &path, bytes_text(&note), ret, e);
}

static int consistency(int argc, char **argv, struct err *e)
{
	const char *config = NULL, *ledger = NULL, *from = NULL;
	const struct command_option options[] = {{"config", &config, NULL}, {"ledger", &ledger, NULL}, {"from", &from, NULL}, {0}};
	AUTO(bytes) struct bytes text = {0};
	struct ledger *l = NULL;
	char *end = NULL;
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	uint64_t size = from ? strtoull(from, &end, 10) : 0;
	if (argc || !from || !*from || *end || size > INT64_MAX) {
		err_set(e, E_USAGE, "audit consistency --from SIZE");
		return EXIT_USAGE;
	}
	bool ok = audit_open_ledger(config, ledger, &l, e) && growth(l, size, &text, e);
	ledger_close(l);
	if (ok)
		fputs(bytes_text(&text), stdout);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command audit_consistency_command = {"audit consistency", "--config FILE | --ledger FILE --from SIZE",
						  "prove that the newest checkpoint extends an older size", consistency};
