/* SPDX-License-Identifier: Apache-2.0 */
/* station witness init, watch, cosign, list: who remembers a log's head elsewhere (station/witness.h). */
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/cmd/audit.h"
#include "station/cmd/cmd.h"
#include "station/witness.h"

#include <inttypes.h>
#include <stdio.h>

static int wrong(const char *words, struct err *e)
{
	err_set(e, E_USAGE, "%s", words);
	return EXIT_USAGE;
}

static int init(int argc, char **argv, struct err *e)
{
	const char *name = NULL, *passphrase = NULL;
	const struct command_option options[] = {{"name", &name, NULL}, {"passphrase", &passphrase, NULL}, {0}};
	AUTO(bytes) struct bytes vkey = {0};
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	if (argc != 1 || !name || !passphrase)
		return wrong("witness init DIR --name NAME --passphrase REF", e);
	if (!witness_init(argv[0], name, passphrase, &vkey, e))
		return EXIT_FAILED;
	printf("%s\n", bytes_text(&vkey));
	return EXIT_OK;
}

const struct command witness_init_command = {"witness init", "DIR --name NAME --passphrase REF",
					     "make a witness: its directory and its key", init};

static int watch(int argc, char **argv, struct err *e)
{
	const struct command_option options[] = {{0}};
	AUTO(bytes) struct bytes vkey = {0};
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	if (argc != 2)
		return wrong("witness watch DIR VKEY-FILE", e);
	return audit_read_vkey(argv[1], &vkey, e) && witness_watch(argv[0], bytes_text(&vkey), e) ? EXIT_OK : EXIT_FAILED;
}

const struct command witness_watch_command = {"witness watch", "DIR VKEY-FILE", "watch the log of this key from now on", watch};

static int cosign(int argc, char **argv, struct err *e)
{
	const char *passphrase = NULL, *out = NULL;
	const struct command_option options[] = {{"passphrase", &passphrase, NULL}, {"out", &out, NULL}, {0}};
	AUTO(bytes) struct bytes note = {0};
	struct witness_step step = {0};
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	if (argc != 2 || !passphrase || !out)
		return wrong("witness cosign DIR TILES | PROOF --passphrase REF --out FILE", e);
	if (!witness_cosign(argv[0], passphrase, argv[1], clock_wall_ms() / 1000, &step, &note, e) ||
	    !file_write_atomic(out, note.data, note.len, 0644, e))
		return EXIT_FAILED;
	printf("log          %s\nseen before  %" PRIu64 "\nentries      %" PRIu64 "\n", step.head.origin, step.before, step.head.size);
	return EXIT_OK;
}

const struct command witness_cosign_command = {"witness cosign", "DIR TILES | PROOF --passphrase REF --out FILE",
					       "cosign a log's checkpoint if it extends what was seen", cosign};

static bool print_head(void *ctx, const struct checkpoint *head, bool seen)
{
	printf("%-32s %" PRIu64 "%s\n", head->origin, head->size, seen ? "" : "  (nothing seen yet)");
	return true;
}

static int list(int argc, char **argv, struct err *e)
{
	const struct command_option options[] = {{0}};
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	if (argc != 1)
		return wrong("witness list DIR", e);
	return witness_list(argv[0], print_head, NULL, e) ? EXIT_OK : EXIT_FAILED;
}

const struct command witness_list_command = {"witness list", "DIR", "what the witness has seen of each log", list};
