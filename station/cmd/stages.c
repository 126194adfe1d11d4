/* SPDX-License-Identifier: Apache-2.0 */
/* station stages: the pipeline's table. */
#include "station/cmd/cmd.h"
#include "station/pipeline.h"

#include <stdio.h>
#include <string.h>

static int run(int argc, char **argv, struct err *e)
{
	const struct command_option options[] = {{0}};
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	printf("| stage | touches | tries | seconds | may be unplugged | in re-check |\n|---|---|---|---|---|---|\n");
	for (int i = 0; i < pipeline_count; i++) {
		const struct stage *s = &pipeline[i];
		char touches[64];
		snprintf(touches, sizeof(touches), "%s%s%s%s%s", s->touches & TOUCH_READ ? "reads the device, " : "",
			 s->touches & TOUCH_DEVICE ? "writes to the device, " : "", s->touches & TOUCH_CLOUD ? "cloud, " : "",
			 s->touches & TOUCH_LEDGER ? "ledger, " : "",
			 s->touches & TOUCH_MES ? "MES, " : "");
		int len = (int)(touches[0] ? strlen(touches) - 2 : 0);
		printf("| %s | %.*s | %d | %d | %s | %s |\n", s->name, len ? len : 3, len ? touches : "–", s->tries, s->time_ms / 1000,
		       s->may_unplug ? "yes" : "no", s->recheck ? "yes" : "no");
	}
	return EXIT_OK;
}

const struct command stages_command = {"stages", "", "the pipeline's table", run};
