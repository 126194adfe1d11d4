/* SPDX-License-Identifier: Apache-2.0 */
/* station ca init: a product root, a line CA beneath it, and the key of the audit log. */
#include "certs/ca.h"
#include "station/base/text.h"
#include "station/cmd/cmd.h"

#include <stdio.h>
#include <string.h>

static int init(int argc, char **argv, struct err *e)
{
	const char *name = "Product", *origin = NULL, *passphrase = NULL, *days = "4380";
	const struct command_option options[] = {
		{"name", &name, NULL}, {"log-origin", &origin, NULL}, {"passphrase", &passphrase, NULL}, {"days", &days, NULL}, {0}};
	char default_origin[128];
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	if (argc != 1 || !passphrase) {
		err_set(e, E_USAGE, "ca init DIR --passphrase file:PATH");
		return EXIT_USAGE;
	}
	snprintf(default_origin, sizeof(default_origin), "%s", "line-1.station");
	const struct ca_init init = {.dir = argv[0], .name = name, .log_origin = origin ? origin : default_origin,
				     .passphrase = passphrase, .line_days = (uint32_t)strtoul(days, NULL, 10)};
	if (!ca_init(&init, e))
		return EXIT_FAILED;
	printf("%s: root.pem root.key line.pem line.key chain.pem log.vkey log.key\n"
	       "Now move root.key off this machine: a line refuses to run while it can read a root's key.\n", argv[0]);
	return EXIT_OK;
}

const struct command ca_init_command = {"ca init", "DIR --passphrase REF [--name N] [--log-origin O] [--days D]",
					"make a product root, a line CA, and the log's key", init};
