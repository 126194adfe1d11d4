/* SPDX-License-Identifier: Apache-2.0 */
/* How a running line stands now: a table, or the line's own answer with --json. */
#include "station/client.h"
#include "station/cmd/cmd.h"
#include "station/base/clock.h"

#include <stdio.h>
#include <string.h>

#define ANSWER_MS 5000

/* A column of the table: a member of a slot, and its width; 0 is the last one, as wide as it is. */
static const struct column {
	const char *title, *member;
	int width;
} columns[] = {
	{"SLOT", "name", 8}, {"STATE", "state", 9}, {"STAGE", "stage", 10}, {"VERDICT", "verdict", 8},
	{"SERIAL", "serial", 20}, {"CODE", "code", 10}, {"SENTENCE", "sentence", 0},
};

/* Prints text in `width` places, counting a UTF-8 character as one; what could drive a terminal
 * becomes '?'. */
static void print_cell(const char *text, int width)
{
	int used = 0;
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		bool inner = (*p & 0xc0) == 0x80, c1 = *p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
		if (!inner && width && used == width)
			break;
		used += !inner;
		putchar(*p < 0x20 || *p == 0x7f || c1 ? '?' : *p);
		p += c1;
	}
	if (width)
		printf("%*s", width - used + 1, "");
}

static void print_outbox(const json_t *outbox)
{
	char when[CLOCK_TEXT];
	long long waiting = (long long)json_int_or(outbox, "waiting", 0);
	if (!outbox)
		return;
	printf("for the service: %lld wait, %lld sent, %lld aside", waiting, (long long)json_int_or(outbox, "sent", 0),
	       (long long)json_int_or(outbox, "aside", 0));
	clock_text(json_int_or(outbox, "oldest_ms", 0), when);
	if (waiting)
		printf("; the oldest since %s", when);
	clock_text(json_int_or(outbox, "since_ms", 0), when);
	if (json_is_true(json_object_get(outbox, "offline"))) {
		printf("; offline since %s, %s ", when, json_text_or(outbox, "code", ""));
		print_cell(json_text_or(outbox, "sentence", ""), 0);
	}
	printf("\n");
}

static void print_status(const json_t *status)
{
	size_t i;
	json_t *slot;
	const json_t *station = json_object_get(status, "station"), *counts = json_object_get(status, "counts");
	print_cell(json_text_or(station, "name", "?"), 0);
	printf(": ");
	print_cell(json_text_or(station, "state", "?"), 0);
	const char *sentence = json_text_or(station, "sentence", "");
	printf("%s", *sentence ? ", " : "");
	print_cell(sentence, 0);
	printf("\n");
	for (size_t k = 0; k < COUNT_OF(columns); k++)
		print_cell(columns[k].title, columns[k].width);
	printf("\n");
	json_array_foreach(json_object_get(status, "slots"), i, slot) {
		for (size_t k = 0; k < COUNT_OF(columns); k++)
			print_cell(json_text_or(slot, columns[k].member, ""), columns[k].width);
		printf("\n");
	}
	printf("PASS %lld  BUILT %lld  HOLD %lld  FAIL %lld  open %lld\n", (long long)json_int_or(counts, "pass", 0),
	       (long long)json_int_or(counts, "built", 0), (long long)json_int_or(counts, "hold", 0),
	       (long long)json_int_or(counts, "fail", 0), (long long)json_int_or(counts, "open", 0));
	print_outbox(json_object_get(status, "outbox"));
}

static int status(int argc, char **argv, struct err *e)
{
	const char *config = NULL;
	bool json = false;
	AUTO(json) json_t *answer = NULL;
	AUTO(bytes) struct bytes text = {.max = 4 * BYTES_MAX_DEFAULT};
	const struct command_option options[] = {{"config", &config, NULL}, {"json", NULL, &json}, {0}};
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	if (!config || argc > 0) {
		err_set(e, E_USAGE, "status needs --config FILE");
		return EXIT_USAGE;
	}
	if (!client_ask_line(config, "status", ANSWER_MS, &answer, e) || (json && !json_canonical(answer, &text, e)))
		return EXIT_FAILED;
	if (json)
		puts(bytes_text(&text));
	else
		print_status(answer);
	return EXIT_OK;
}

const struct command status_command = {
	.name = "status",
	.usage = "--config FILE [--json]",
	.summary = "Show how the running line and its slots stand.",
	.run = status,
};
