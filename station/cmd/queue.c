/* SPDX-License-Identifier: Apache-2.0 */
/* station queue: what waits, for the service and for the MES, and what went aside; as the running line says. */
#include "station/client.h"
#include "station/cmd/cmd.h"

#include <stdio.h>

#define ANSWER_MS 10000

/* Why, what to do, and whom to call. */
static void print_why(const json_t *of)
{
	const char *code = json_text_or(of, "code", "");
	const struct err_row *row = err_row(err_find(code));
	if (*code)
		printf("%s  %s\n  %s\n  Call: %s.  (%s)\n", code, row->happened, row->todo, row->whom, json_text_or(of, "what", ""));
}

static void print_sum(const char *name, const json_t *sum)
{
	bool offline = json_is_true(json_object_get(sum, "offline"));
	printf("%-8s waiting %lld  aside %lld  %s\n", name, (long long)json_int_or(sum, "waiting", 0),
	       (long long)json_int_or(sum, "aside", 0), offline ? "away" : "reached");
	if (offline)
		print_why(sum);
}

static void print_row(const json_t *row)
{
	printf("%-8s %-8s %s\n", json_text_or(row, "to", ""), json_text_or(row, "state", ""), json_text_or(row, "unit", ""));
	print_why(row);
}

static void print_queue(const json_t *answer)
{
	size_t i;
	const json_t *j;
	print_sum("cloud", json_object_get(answer, "outbox"));
	json_array_foreach(json_object_get(json_object_get(answer, "mes"), "adapters"), i, j)
		print_sum(json_text_or(j, "name", ""), j);
	json_array_foreach(json_object_get(answer, "rows"), i, j)
		print_row(j);
}

static int queue(int argc, char **argv, struct err *e)
{
	const char *config = NULL;
	bool json = false, retry = false;
	AUTO(json) json_t *answer = NULL;
	AUTO(bytes) struct bytes text = {.max = 4 * BYTES_MAX_DEFAULT};
	const struct command_option options[] = {{"config", &config, NULL}, {"json", NULL, &json}, {"retry", NULL, &retry}, {0}};
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	if (!config || argc > 0) {
		err_set(e, E_USAGE, "queue needs --config FILE");
		return EXIT_USAGE;
	}
	if (!client_ask_line(config, retry ? "retry" : "queue", ANSWER_MS, &answer, e) || (json && !json_canonical(answer, &text, e)))
		return EXIT_FAILED;
	if (json)
		puts(bytes_text(&text));
	else
		print_queue(answer);
	return EXIT_OK;
}

const struct command queue_command = {
	"queue", "--config FILE [--retry] [--json]", "what waits for the service and the MES; --retry tries all again", queue,
};
