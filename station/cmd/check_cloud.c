/* SPDX-License-Identifier: Apache-2.0 */
/* station check-cloud: each hop to DPS, and each right that the profiles need there. */
#include "station/base/clock.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/preflight.h"

#include <stdio.h>

#define CHECK_MS 30000

static void show(void *ctx, const struct check_row *r)
{
	(void)ctx;
	printf("%-4s %-10s %s\n", r->ok ? "ok" : "NOT", r->name, r->text);
}

static int check(int argc, char **argv, struct err *e)
{
	const char *path = NULL;
	const struct command_option options[] = {{"config", &path, NULL}, {0}};
	struct config *config = NULL;
	struct dps *dps = NULL;
	if (!command_options(&argc, argv, options, e) || !command_config(path, &config, e))
		return EXIT_FAILED;
	struct check_wanted wanted;
	preflight_wanted(config, &wanted);
	bool ok = command_dps(config, &dps, e) &&
		  check_cloud(dps, &wanted, clock_steady_ms() + CHECK_MS, show, NULL, e);
	dps_close(dps);
	http_stop();
	config_free(config);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command check_cloud_command = {"check-cloud", "--config FILE",
					    "each hop to DPS: name, proxy, TLS, clock, token, right", check};
