/* SPDX-License-Identifier: Apache-2.0 */
/* station ledger backup: a verified copy of the ledger in one file, beside a running line, and its newest checkpoint beside it. */
#include "db/audit.h"
#include "station/base/file.h"
#include "station/base/text.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"

#include <inttypes.h>
#include <stdio.h>

/* The note is for who keeps it elsewhere: the copy has it inside. */
static bool write_note(struct ledger *l, const char *to, struct err *e)
{
	char path[PATH_MAX];
	AUTO(bytes) struct bytes note = {0};
	if (!audit_last_checkpoint(l, &note, e))
		return false;
	if (!note.len)
		return printf("note         none: no checkpoint was signed yet\n") > 0;
	if (snprintf(path, sizeof(path), "%s.note", to) >= (int)sizeof(path))
		return err_set(e, E_FILE, "path too long: %.64s…", to);
	return file_write_atomic(path, note.data, note.len, 0640, e) && printf("note         %s\n", path) > 0;
}

static bool verify(struct ledger *l, const char *to, struct err *e)
{
	struct audit_report report;
	char root[2 * MERKLE_HASH + 1];
	if (!ledger_check(l, e) || !audit_verify(l, NULL, NULL, &report, e))
		return false;
	if (!report.fits)
		return err_set(e, E_AUDIT, "%s: %s", to, report.why);
	hex_encode(report.root.h, sizeof(report.root.h), root);
	printf("copy         %s\nentries      %" PRIu64 "\nroot         %s\ncheckpoints  %" PRIu64 "\n", to, report.entries, root,
	       report.checkpoints);
	return true;
}

/* A copy that does not verify keeps its name: it is what there was to copy, and evidence. */
static bool backup(const char *path, const char *to, struct err *e)
{
	struct ledger *l = NULL;
	bool ok = ledger_backup(path, to, e) && ledger_open_reader(to, &l, e) && verify(l, to, e) && write_note(l, to, e);
	ledger_close(l);
	return ok;
}

static int run(int argc, char **argv, struct err *e)
{
	const char *config_path = NULL;
	const struct command_option options[] = {{"config", &config_path, NULL}, {0}};
	struct config *config = NULL;
	char path[PATH_MAX];
	bool ok = command_options(&argc, argv, options, e) && (argc == 1 || err_set(e, E_USAGE, "where to?")) &&
		  command_config(config_path, &config, e) && config_state_path(config, "ledger.db", path, sizeof(path), e) &&
		  backup(path, argv[0], e);
	config_free(config);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command ledger_backup_command = {"ledger backup", "--config FILE TO",
					      "copy the ledger into one file, beside a running line, and verify it",
					      run};
