/* SPDX-License-Identifier: Apache-2.0 */
/* station audit verify: checks the file, recomputes the whole log, and holds it against a checkpoint that left the station. */
#include "db/archive.h"
#include "db/audit.h"
#include "station/base/text.h"
#include "station/cmd/audit.h"
#include "station/cmd/cmd.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void print_report(const struct audit_report *r)
{
	char root[65];
	hex_encode(r->root.h, sizeof(r->root.h), root);
	printf("entries      %" PRIu64 "\nroot         %s\ncheckpoints  %" PRIu64 "\n", r->entries, root, r->checkpoints);
	if (r->archived)
		printf("archived     %" PRIu64 "\n", r->archived);
	if (r->fits)
		printf("fits         yes\n");
	else if (r->first_bad == UINT64_MAX)
		printf("fits         NO: %s\n", r->why);
	else
		printf("fits         NO: entry %" PRIu64 ": %s\n", r->first_bad, r->why);
}

static int verify(struct ledger *l, const char *checkpoint, const char *vkey, struct err *e)
{
	struct checkpoint outside = {0};
	struct audit_report report = {0};
	if (checkpoint && !audit_read_checkpoint(checkpoint, vkey, &outside, e))
		return EXIT_FAILED;
	bool ok = ledger_check(l, e);
	if (ok && checkpoint && strcmp(outside.origin, ledger_origin(l)) != 0)
		ok = err_set(e, E_AUDIT, "the checkpoint is of log \"%s\", the ledger of \"%s\"", outside.origin, ledger_origin(l));
	ok = ok && audit_verify(l, checkpoint ? &outside.size : NULL, checkpoint ? &outside.root : NULL, &report, e);
	if (!ok)
		return EXIT_FAILED;
	print_report(&report);
	if (!report.fits)
		err_set(e, E_AUDIT, "%s", report.why);
	return report.fits ? EXIT_OK : EXIT_FAILED;
}

/* What left the ledger is held against the hashes that stayed. */
static bool verify_archive(struct ledger *l, const char *path, struct err *e)
{
	struct archive_row row;
	if (!archive_fits(l, path, &row, e))
		return false;
	printf("archive      %s: lot %s, %" PRIu64 " entries\n", path, row.lot, row.entries);
	return true;
}

static int run(int argc, char **argv, struct err *e)
{
	const char *config_path = NULL, *ledger = NULL, *checkpoint = NULL, *vkey = NULL;
	const struct command_option options[] = {{"config", &config_path, NULL}, {"ledger", &ledger, NULL},
						 {"checkpoint", &checkpoint, NULL}, {"vkey", &vkey, NULL}, {0}};
	struct ledger *l = NULL;
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	int code = audit_open_ledger(config_path, ledger, &l, e) ? verify(l, checkpoint, vkey, e) : EXIT_FAILED;
	for (int i = 0; i < argc && code == EXIT_OK; i++)
		code = verify_archive(l, argv[i], e) ? EXIT_OK : EXIT_FAILED;
	ledger_close(l);
	return code;
}

const struct command audit_verify_command = {"audit verify",
					     "--config FILE | --ledger FILE [--checkpoint FILE [--vkey FILE]] [ARCHIVE…]",
					     "recompute the audit log and name the first entry that does not fit", run};
