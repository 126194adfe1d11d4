/* SPDX-License-Identifier: Apache-2.0 */
#include "station/learn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool size_is_good(uint32_t rows, uint32_t columns)
{
	return rows <= LEARN_PLACES && columns <= LEARN_PLACES && rows * columns <= LEARN_PLACES;
}

bool learn_init(struct learn *l, const struct config *config, uint32_t rows, uint32_t columns, struct err *e)
{
	memset(l, 0, sizeof(*l));
	if (!size_is_good(rows, columns))
		return err_set(e, E_USAGE, "a jig has at most %d places", LEARN_PLACES);
	if (config->profile_count == 0)
		return err_set(e, E_USAGE, "write a [profile NAME] first");
	l->config = config;
	l->rows = rows;
	l->columns = columns;
	l->state = !rows ? LEARN_ROWS : !columns ? LEARN_COLUMNS : LEARN_PLUG;
	return true;
}

PRINTF_LIKE(2, 3) static void say(struct learn *l, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(l->says, sizeof(l->says), fmt, args);
	va_end(args);
}

static size_t places(const struct learn *l)
{
	return (size_t)l->rows * l->columns;
}

static unsigned row_of(const struct learn *l, size_t place)
{
	return (unsigned)(place / l->columns + 1);
}

static unsigned column_of(const struct learn *l, size_t place)
{
	return (unsigned)(place % l->columns + 1);
}

static size_t learnt(const struct learn *l)
{
	size_t n = 0;
	for (size_t i = 0; i < places(l); i++)
		n += l->port[i][0] != '\0';
	return n;
}

void learn_prompt(const struct learn *l, char out[static LEARN_SAYS])
{
	switch (l->state) {
	case LEARN_ROWS:
		snprintf(out, LEARN_SAYS, "How many rows has the jig?");
		break;
	case LEARN_COLUMNS:
		snprintf(out, LEARN_SAYS, "How many columns?");
		break;
	case LEARN_PLUG:
		snprintf(out, LEARN_SAYS, "Plug a device into row %u, column %u.  (s skip, b back, e end)", row_of(l, l->at),
			 column_of(l, l->at));
		break;
	case LEARN_PULL:
		snprintf(out, LEARN_SAYS, "Row %u, column %u is %s. Pull it.  (b back)", row_of(l, l->at), column_of(l, l->at),
			 l->port[l->at]);
		break;
	case LEARN_ROTATION:
		snprintf(out, LEARN_SAYS, "By how many degrees, clockwise, does the operator see the jig turned: 0, 90, 180 or 270?  [0]");
		break;
	case LEARN_PROFILE:
		snprintf(out, LEARN_SAYS, "Which profile do the slots have?  [%s]", l->config->profile[0].name);
		break;
	case LEARN_READY:
		snprintf(out, LEARN_SAYS, "%zu slots.", learnt(l));
		break;
	}
}

/* ---- from place to place ---- */

static void next_place(struct learn *l)
{
	l->at++;
	bool full = learnt(l) >= CONFIG_SLOTS_MAX;
	if (full && l->at < places(l))
		say(l, "That are %d slots; a station has no more.", CONFIG_SLOTS_MAX);
	l->state = l->at < places(l) && !full ? LEARN_PLUG : LEARN_ROTATION;
	if (l->state == LEARN_PLUG || learnt(l) > 0)
		return;
	l->at = places(l) - 1;
	l->state = LEARN_PLUG;
	say(l, "There must be one slot at least.");
}

static void back(struct learn *l)
{
	if (l->state == LEARN_PLUG && l->at == 0) {
		say(l, "This is the first place.");
		return;
	}
	if (l->state != LEARN_PULL)
		l->at--;
	else
		say(l, "Forgotten. Pull it, and begin this place again.");
	l->port[l->at][0] = '\0';
	l->state = LEARN_PLUG;
}

static void end(struct learn *l)
{
	if (learnt(l) == 0)
		say(l, "There must be one slot at least.");
	else
		l->state = LEARN_ROTATION;
}

static void key(struct learn *l, const char *line)
{
	if (!strcmp(line, "b"))
		back(l);
	else if (l->state == LEARN_PULL && *line)
		say(l, "Pull the device first.");
	else if (!strcmp(line, "s"))
		next_place(l);
	else if (!strcmp(line, "e"))
		end(l);
	else if (*line)
		say(l, "Type s to skip this place, b to go back, e to end.");
}

static size_t place_of(const struct learn *l, const char *port)
{
	size_t i = 0;
	while (i < places(l) && strcmp(l->port[i], port) != 0)
		i++;
	return i;
}

static void came(struct learn *l, const char *port)
{
	size_t known = place_of(l, port);
	if (l->state == LEARN_PULL) {
		say(l, "Another device came at %s. One at a time: pull both.", port);
		return;
	}
	if (known < places(l)) {
		say(l, "This port is row %u, column %u already. Pull it; if two places were mixed up, go back.", row_of(l, known),
		    column_of(l, known));
		return;
	}
	snprintf(l->port[l->at], sizeof(l->port[l->at]), "%s", port);
	l->state = LEARN_PULL;
}

void learn_device(struct learn *l, bool arrived, const char *port)
{
	l->says[0] = '\0';
	if (l->state != LEARN_PLUG && l->state != LEARN_PULL)
		return;
	if (arrived)
		came(l, port);
	else if (l->state == LEARN_PULL && !strcmp(l->port[l->at], port))
		next_place(l);
}

/* ---- questions ---- */

static void take_size(struct learn *l, const char *line, uint32_t *ret, enum learn_state then)
{
	char *end_of;
	unsigned long n = strtoul(line, &end_of, 10);
	*ret = (uint32_t)n;
	if (*line < '1' || *line > '9' || *end_of || n > LEARN_PLACES || !size_is_good(l->rows, l->columns ? l->columns : 1)) {
		say(l, "A number from 1; a jig has at most %d places.", LEARN_PLACES);
		*ret = 0;
		return;
	}
	l->state = then;
}

static void take_rotation(struct learn *l, const char *line)
{
	static const char *const turns[] = {"0", "90", "180", "270"};
	for (uint32_t i = 0; i < COUNT_OF(turns); i++) {
		if (strcmp(*line ? line : "0", turns[i]) != 0)
			continue;
		l->rotation = 90 * i;
		l->state = LEARN_PROFILE;
	}
	if (l->state != LEARN_PROFILE)
		say(l, "0, 90, 180 or 270.");
}

static void take_profile(struct learn *l, const char *line)
{
	for (size_t i = 0; i < l->config->profile_count; i++) {
		if (*line && strcmp(line, l->config->profile[i].name) != 0)
			continue;
		l->profile = (int)i;
		l->state = LEARN_READY;
		return;
	}
	int used = snprintf(l->says, sizeof(l->says), "There are:");
	for (size_t i = 0; i < l->config->profile_count && used < (int)sizeof(l->says); i++)
		used += snprintf(l->says + used, sizeof(l->says) - (size_t)used, " %s", l->config->profile[i].name);
}

void learn_typed(struct learn *l, const char *line)
{
	l->says[0] = '\0';
	switch (l->state) {
	case LEARN_ROWS:
		take_size(l, line, &l->rows, l->columns ? LEARN_PLUG : LEARN_COLUMNS);
		break;
	case LEARN_COLUMNS:
		take_size(l, line, &l->columns, LEARN_PLUG);
		break;
	case LEARN_PLUG:
	case LEARN_PULL:
		key(l, line);
		break;
	case LEARN_ROTATION:
		take_rotation(l, line);
		break;
	case LEARN_PROFILE:
		take_profile(l, line);
		break;
	case LEARN_READY:
		break;
	}
}

/* ---- the text ---- */

static bool is_ours(const char *line)
{
	return !strncmp(line, "[jig]", 5) || !strncmp(line, "[slot ", 6) || !strncmp(line, "[slot\t", 6);
}

/* Behind the line's end. */
static const char *line_end(const char *line)
{
	const char *end_of = strchr(line, '\n');
	return end_of ? end_of + 1 : line + strlen(line);
}

static bool is_comment(const char *line)
{
	return *line == '#' || *line == ';';
}

/* Copies all but our sections. Comments and blank lines above the next foreign section are that section's. */
static bool keep_others(const char *text, struct bytes *ret, struct err *e)
{
	bool ours = false;
	const char *above = NULL;	/* where comments and blank lines began, in a section of ours */
	for (const char *line = text, *next; *line; line = next) {
		next = line_end(line);
		bool loose = is_comment(line) || strspn(line, " \t\r\n") >= (size_t)(next - line);
		if (*line == '[') {
			bool was_ours = ours;
			ours = is_ours(line);
			if (was_ours && !ours && above && !bytes_add(ret, above, (size_t)(line - above), e))
				return false;
			above = NULL;
		}
		if (!ours && !bytes_add(ret, line, (size_t)(next - line), e))
			return false;
		if (ours)
			above = !loose ? NULL : above ? above : line;
	}
	/* Nor is a last word at the end ours. */
	return !above || !strpbrk(above, "#;") || bytes_add_text(ret, above, e);
}

/* One blank line between what was there and what follows. */
static bool part(struct bytes *ret, struct err *e)
{
	const char *text = bytes_text(ret);
	size_t n = ret->len;
	if (n == 0 || (n > 1 && text[n - 1] == '\n' && text[n - 2] == '\n'))
		return true;
	return bytes_add_text(ret, text[n - 1] == '\n' ? "\n" : "\n\n", e);
}

bool learn_text(const struct learn *l, const struct bytes *old, struct bytes *ret, struct err *e)
{
	if (!keep_others(bytes_text(old), ret, e) || !part(ret, e) ||
	    !bytes_printf(ret, e, "[jig]\nrows = %u\ncolumns = %u\nrotation = %u\n", l->rows, l->columns, l->rotation))
		return false;
	for (size_t i = 0; i < places(l); i++)
		if (l->port[i][0] && !bytes_printf(ret, e, "\n[slot %02zu]\nport = %s\nprofile = %s\nrow = %u\ncolumn = %u\n", i + 1,
						   l->port[i], l->config->profile[l->profile].name, row_of(l, i), column_of(l, i)))
			return false;
	return true;
}

/* ---- to go on later ---- */

json_t *learn_json(const struct learn *l)
{
	json_t *ports = json_array();
	for (size_t i = 0; i < places(l); i++)
		json_array_append_new(ports, json_string(l->port[i]));
	/* A device that was noted and not pulled yet is plugged in again. */
	return json_pack("{s:i, s:i, s:i, s:o}", "rows", (int)l->rows, "columns", (int)l->columns, "at", (int)l->at, "ports", ports);
}

bool learn_resume(struct learn *l, const json_t *kept)
{
	const json_t *ports = json_object_get(kept, "ports"), *port;
	int64_t rows = json_int_or(kept, "rows", 0), columns = json_int_or(kept, "columns", 0), at = json_int_or(kept, "at", -1);
	size_t i;
	if (rows < 1 || rows > LEARN_PLACES || columns < 1 || columns > LEARN_PLACES || !size_is_good((uint32_t)rows, (uint32_t)columns) ||
	    at < 0 || at > rows * columns || !json_is_array(ports) || json_array_size(ports) != (size_t)(rows * columns))
		return false;
	json_array_foreach(ports, i, port)
		if (!json_is_string(port) || json_string_length(port) >= sizeof(l->port[0]))
			return false;
	l->rows = (uint32_t)rows;
	l->columns = (uint32_t)columns;
	l->at = (size_t)at;
	json_array_foreach(ports, i, port)
		snprintf(l->port[i], sizeof(l->port[i]), "%s", json_string_value(port));
	if (l->at < places(l))
		l->port[l->at][0] = '\0';
	l->state = l->at < places(l) ? LEARN_PLUG : LEARN_ROTATION;
	return true;
}
