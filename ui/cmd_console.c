/* SPDX-License-Identifier: Apache-2.0 */
#include "station/cmd/cmd.h"
#include "ui/app.h"

#include "station/client.h"

#include <limits.h>

static int console(int argc, char **argv, struct err *e)
{
	const char *config = NULL;
	bool plain = false;
	char path[PATH_MAX];
	struct app_options o = {.socket_path = path};
	const struct command_option options[] = {
		{"config", &config, NULL}, {"plain", NULL, &plain}, {"mono", NULL, &o.mono}, {"ascii", NULL, &o.ascii}, {0},
	};
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	if (!config || argc > 0) {
		err_set(e, E_USAGE, "console needs --config FILE");
		return EXIT_USAGE;
	}
	if (!client_socket_of_config(config, path, sizeof(path), e))
		return EXIT_FAILED;
	bool ok = plain ? plain_run(&o, e) : app_run(&o, e);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command console_command = {
	.name = "console",
	.usage = "--config FILE [--plain] [--mono] [--ascii]",
	.summary = "Show the running line live, and take the scanner's codes.",
	.run = console,
};
