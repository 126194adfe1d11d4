/* SPDX-License-Identifier: Apache-2.0 */
#include "station/cmd/cmd.h"
#include "station/cmd/profile_lint.h"

#include <stdio.h>
#include <unistd.h>

static int check_config(int argc, char **argv, struct err *e)
{
	const char *path = NULL;
	const struct command_option options[] = {{"config", &path, NULL}, {0}};
	AUTO(bytes) struct bytes mistakes = {0};
	struct config *c;
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	if (!path && argc == 1)
		path = argv[0];
	if (!path || (argc > 0 && path != argv[0])) {
		err_set(e, E_USAGE, "check-config needs --config FILE");
		return EXIT_USAGE;
	}
	bool ok = config_load(path, &c, &mistakes, e);
	fputs(bytes_text(&mistakes), stdout);
	if (!ok)
		return EXIT_FAILED;
	/* Where there is a CA yet: what it would issue. */
	if (access(c->ca_chain, R_OK) == 0 && !profile_lint(c, NULL, e)) {
		config_free(c);
		return EXIT_FAILED;
	}
	printf("%s: ok, %zu slot%s, %zu profile%s\n", path, c->slot_count, c->slot_count == 1 ? "" : "s", c->profile_count,
	       c->profile_count == 1 ? "" : "s");
	config_free(c);
	return EXIT_OK;
}

const struct command check_config_command = {
	.name = "check-config",
	.usage = "--config FILE",
	.summary = "Read the configuration, and list every mistake with its line.",
	.run = check_config,
};
