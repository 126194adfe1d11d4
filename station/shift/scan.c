/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/scan.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

/* In the order in which they are tried. */
static const struct {
	enum scan_kind kind;
	const char *name, *word;
	size_t at;	/* of the pattern, in struct config */
} kinds[] = {
	{SCAN_COMMAND, "command", "CMD:", offsetof(struct config, scan_command)},
	{SCAN_BADGE, "badge", "BADGE:", offsetof(struct config, scan_badge)},
	{SCAN_ORDER, "order", "ORDER:", offsetof(struct config, scan_order)},
	{SCAN_TRAY, "tray", "TRAY:", offsetof(struct config, scan_tray)},
	{SCAN_UNIT, "unit", "", offsetof(struct config, scan_unit)},
};

struct scan_patterns {
	regex_t pattern[COUNT_OF(kinds)];
	size_t count;	/* compiled */
};

const struct scan_command scan_commands[] = {
	{"PIN", true, "a digit of the PIN"},
	{"PIN-OK", false, "the PIN is complete"},
	{"LEAVE", false, "log out"},
	{"LOCK", false, "lock the line"},
	{"CLOSE-LOT", false, "close the open lot; then YES or NO"},
	{"SCRAP", false, "close it, and revoke its units that failed"},
	{"KEEP", false, "close it, and keep its units that failed"},
	{"HOLD", false, "put a slot to HOLD; then the slot"},
	{"OVERRIDE", false, "release a unit that the MES holds; then the slot, then a lead's badge"},
	{"SLOT", true, "a slot"},
	{"YES", false, "yes"},
	{"NO", false, "no; forget what was begun, or the label that was scanned"},
	{"SCREEN", true, "show a screen"},
};
const size_t scan_command_count = COUNT_OF(scan_commands);

const char *const scan_screens[] = {"SLOTS", "LOT", "QUEUE", "JOURNAL", "UNIT", "PREFLIGHT", "HELP", NULL};

const char *scan_kind_name(enum scan_kind kind)
{
	for (size_t i = 0; i < COUNT_OF(kinds); i++)
		if (kinds[i].kind == kind)
			return kinds[i].name;
	return "unknown";
}

bool scan_patterns_new(const struct config *c, struct scan_patterns **ret, struct err *e)
{
	struct scan_patterns *p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(e, E_NOMEM, "patterns");
	for (; p->count < COUNT_OF(kinds); p->count++) {
		const char *pattern = (const char *)c + kinds[p->count].at;
		if (regcomp(&p->pattern[p->count], pattern, REG_EXTENDED | REG_NOSUB) != 0) {
			err_set(e, E_CONFIG, "the pattern of a %s", kinds[p->count].name);
			scan_patterns_free(p);
			return false;
		}
	}
	*ret = p;
	return true;
}

void scan_patterns_free(struct scan_patterns *p)
{
	if (!p)
		return;
	while (p->count)
		regfree(&p->pattern[--p->count]);
	free(p);
}

static bool is_code(const char *code)
{
	size_t n = 0;
	while (n <= SCAN_MAX && code[n] >= ' ' && code[n] <= '~')
		n++;
	return n <= SCAN_MAX && !code[n];
}

enum scan_kind scan_route(const struct scan_patterns *p, const char *code, const char **ret_value)
{
	*ret_value = code;
	if (!is_code(code))
		return SCAN_UNKNOWN;
	for (size_t i = 0; i < p->count; i++) {
		if (regexec(&p->pattern[i], code, 0, NULL, 0) != 0)
			continue;
		size_t word = strlen(kinds[i].word);
		*ret_value = code + (strncmp(code, kinds[i].word, word) == 0 ? word : 0);
		return kinds[i].kind;
	}
	return SCAN_UNKNOWN;
}
