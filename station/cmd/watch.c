/* SPDX-License-Identifier: Apache-2.0 */
/* What happens on a running line, one line per event, until the line ends or the reader goes
 * away. */
#include "station/client.h"
#include "station/cmd/cmd.h"
#include "station/base/clock.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define ANSWER_MS 5000
#define WAIT_MS 60000

static bool print_event(const json_t *event, bool json, struct err *e)
{
	AUTO(bytes) struct bytes text = {.max = 4 * BYTES_MAX_DEFAULT};
	bool ok = json ? json_canonical(event, &text, e) && bytes_add_text(&text, "\n", e) : client_event_text(event, &text, e);
	if (!ok)
		return false;
	if (text.len && (fwrite(text.data, text.len, 1, stdout) != 1 || fflush(stdout)))
		return err_errno(e, E_FILE, "writing events");
	return true;
}

static bool watch_line(const char *socket_path, bool json, struct err *e)
{
	struct client *c;
	AUTO(json) json_t *request = json_pack("{s:s}", "do", "watch");
	if (!client_open(socket_path, &c, e))
		return false;
	json_t *event = NULL;
	bool ok = client_ask(c, request, clock_steady_ms() + ANSWER_MS, &event, e);
	while (ok) {
		ok = !event || print_event(event, json, e);
		json_decref(event);
		event = NULL;
		ok = ok && client_next(c, clock_steady_ms() + WAIT_MS, &event, e);
	}
	client_close(c);
	return false;
}

static int watch(int argc, char **argv, struct err *e)
{
	const char *config = NULL;
	bool json = false;
	char path[PATH_MAX];
	const struct command_option options[] = {{"config", &config, NULL}, {"json", NULL, &json}, {0}};
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	if (!config || argc > 0) {
		err_set(e, E_USAGE, "watch needs --config FILE");
		return EXIT_USAGE;
	}
	if (!client_socket_of_config(config, path, sizeof(path), e) || !watch_line(path, json, e))
		return EXIT_FAILED;
	return EXIT_OK;
}

const struct command watch_command = {
	.name = "watch",
	.usage = "--config FILE [--json]",
	.summary = "Print what happens on the running line, one line per event.",
	.run = watch,
};
