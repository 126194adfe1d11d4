/* SPDX-License-Identifier: Apache-2.0 */
/* station audit verify: checks the file, recomputes the whole log, and holds it against a checkpoint that left the station. */
#include "certs/note.h"
#include "db/audit.h"
#include "station/base/file.h"
#include "station/base/text.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* The checkpoint in a file: a signed note, or a result file (JSON) with one in it. */
static bool read_checkpoint(const char *path, const char *vkey_path, struct checkpoint *ret, struct err *e)
{
	AUTO(bytes) struct bytes file = {.max = 65536}, vkey = {.max = 1024};
	AUTO(json) json_t *result = NULL;
	if (!file_read(path, &file, e))
		return false;
	const char *note = bytes_text(&file);
	if (note[0] == '{' && (!json_parse(note, file.len, &result, e) || !json_get_text(result, "checkpoint", &note, e)))
		return err_in(e, "%s", path);
	if (!vkey_path)
		return note_read_checkpoint(note, strlen(note), ret, e);
	if (!file_read(vkey_path, &vkey, e))
		return false;
	while (vkey.len && vkey.data[vkey.len - 1] == '\n')
		vkey.data[--vkey.len] = 0;
	return note_open_checkpoint(note, strlen(note), bytes_text(&vkey), ret, e);
}

static void print_report(const struct audit_report *r)
{
	char root[65];
	hex_encode(r->root.h, sizeof(r->root.h), root);
	printf("entries      %" PRIu64 "\nroot         %s\ncheckpoints  %" PRIu64 "\n", r->entries, root, r->checkpoints);
	if (r->fits)
		printf("fits         yes\n");
	else if (r->first_bad == UINT64_MAX)
		printf("fits         NO: %s\n", r->why);
	else
		printf("fits         NO: entry %" PRIu64 ": %s\n", r->first_bad, r->why);
}

static int verify(const char *ledger_path, const char *checkpoint, const char *vkey, struct err *e)
{
	struct ledger *l = NULL;
	struct checkpoint outside = {0};
	struct audit_report report = {0};
	if (checkpoint && !read_checkpoint(checkpoint, vkey, &outside, e))
		return EXIT_FAILED;
	if (!ledger_open_reader(ledger_path, &l, e))
		return EXIT_FAILED;
	bool ok = ledger_check(l, e);
	if (ok && checkpoint && strcmp(outside.origin, ledger_origin(l)) != 0)
		ok = err_set(e, E_AUDIT, "the checkpoint is of log \"%s\", the ledger of \"%s\"", outside.origin, ledger_origin(l));
	ok = ok && audit_verify(l, checkpoint ? &outside.size : NULL, checkpoint ? &outside.root : NULL, &report, e);
	ledger_close(l);
	if (!ok)
		return EXIT_FAILED;
	print_report(&report);
	if (!report.fits)
		err_set(e, E_AUDIT, "%s", report.why);
	return report.fits ? EXIT_OK : EXIT_FAILED;
}

static int run(int argc, char **argv, struct err *e)
{
	const char *config_path = NULL, *ledger = NULL, *checkpoint = NULL, *vkey = NULL;
	const struct command_option options[] = {{"config", &config_path, NULL}, {"ledger", &ledger, NULL},
						 {"checkpoint", &checkpoint, NULL}, {"vkey", &vkey, NULL}, {0}};
	struct config *config = NULL;
	char path[PATH_MAX];
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	if (ledger)
		return verify(ledger, checkpoint, vkey, e);
	if (!command_config(config_path, &config, e))
		return EXIT_FAILED;
	bool ok = config_state_path(config, "ledger.db", path, sizeof(path), e);
	config_free(config);
	return ok ? verify(path, checkpoint, vkey, e) : EXIT_FAILED;
}

const struct command audit_verify_command = {"audit verify", "--config FILE | --ledger FILE [--checkpoint FILE [--vkey FILE]]",
					     "recompute the audit log and name the first entry that does not fit", run};
