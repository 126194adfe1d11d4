/* SPDX-License-Identifier: Apache-2.0 */
/* station ledger archive: the bodies of a closed lot's entries leave the ledger for a file that is held against their hashes. */
#include "db/archive.h"
#include "db/audit.h"
#include "station/base/clock.h"
#include "station/base/text.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"

#include <inttypes.h>
#include <stdio.h>

static bool let_go(struct ledger *l, const struct archive_row *row, const char *hex, struct err *e)
{
	uint64_t index;
	AUTO(json) json_t *body = json_pack("{s:s, s:I, s:s}", "lot", row->lot, "entries", (json_int_t)row->entries, "sha256", hex);
	if (!body)
		return err_set(e, E_NOMEM, "audit entry");
	if (!ledger_begin(l, e))
		return false;
	if (archive_let_go(l, row, e) && audit_append(l, "ledger.archived", "", body, row->time_ms, &index, e))
		return ledger_commit(l, e);
	ledger_rollback(l);
	return false;
}

/* The file is whole and on disk before the ledger lets go of anything. */
static bool archive(const struct config *c, const char *lot, const char *to, struct err *e)
{
	struct ledger *l = NULL;
	struct archive_row row = {0};
	char path[PATH_MAX], hex[2 * SHA256_SIZE + 1] = "";
	bool ok = config_state_path(c, "ledger.db", path, sizeof(path), e) && ledger_open(path, c->log_origin, &l, e) &&
		  archive_write(l, lot, to, clock_wall_ms(), &row, e);
	hex_encode(row.sha256, sizeof(row.sha256), hex);
	ok = ok && let_go(l, &row, hex, e);
	if (ok)
		printf("lot          %s\nentries      %" PRIu64 "\nfile         %s\nsha256       %s\n", row.lot, row.entries, to, hex);
	/* A disk on which there is no room for that is why people archive: what became free is written on again. */
	ok = ok && (archive_compact(l, e) || err_in(e, "the lot is in its archive, but the ledger's file did not get smaller"));
	ledger_close(l);
	return ok;
}

static int run(int argc, char **argv, struct err *e)
{
	const char *config_path = NULL;
	const struct command_option options[] = {{"config", &config_path, NULL}, {0}};
	struct config *config = NULL;
	bool ok = command_options(&argc, argv, options, e) && (argc == 2 || err_set(e, E_USAGE, "which lot, and where to?")) &&
		  command_config(config_path, &config, e) && archive(config, argv[0], argv[1], e);
	config_free(config);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command ledger_archive_command = {"ledger archive", "--config FILE LOT TO",
					       "move the entries of a closed lot into a file, while no line runs; the log verifies as before", run};
