/* SPDX-License-Identifier: Apache-2.0 */
/* Sections and names of station.conf on their way into the struct. */
#include "station/config_reading.h"

#include "station/base/text.h"

#include <stdio.h>
#include <string.h>

/* Only what looks like a name is repeated in a message: anything else could be the torn-off half
 * of a secret. */
static bool looks_like_name(const char *text)
{
	size_t n = strlen(text);
	return n > 0 && n <= 32 && strspn(text, "abcdefghijklmnopqrstuvwxyz_-") == n;
}

static void unknown_name(struct reading *r, const char *name)
{
	const char *best = NULL, *elsewhere = NULL;
	const char *section = config_section_names[r->now->section];
	if (!looks_like_name(name)) {
		mistake_add(r->m, r->line, "this is no name of [%s]", section);
		return;
	}
	for (size_t i = 0; i < config_row_count; i++) {
		const struct config_row *row = &config_rows[i];
		if (row->section == r->now->section)
			best = config_nearer(name, row->name, best);
		else if (!strcmp(row->name, name))
			elsewhere = config_section_names[row->section];
	}
	if (elsewhere)
		mistake_add(r->m, r->line, "[%s] has no \"%s\"; it belongs to [%s]", section, name, elsewhere);
	else if (best)
		mistake_add(r->m, r->line, "[%s] has no \"%s\"; did you mean %s?", section, name, best);
	else
		mistake_add(r->m, r->line, "[%s] has no \"%s\"", section, name);
}

/* ---- sections ---- */

static void unknown_section(struct reading *r, const char *text)
{
	const char *best = NULL;
	char word[33] = "";
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(text, " \t:"), text);
	for (int i = 0; i < SECTION_KINDS; i++)
		best = config_nearer(word, config_section_names[i], best);
	if (best && looks_like_name(word))
		mistake_add(r->m, r->line, "there is no section [%s]; did you mean [%s]?", word, best);
	else
		mistake_add(r->m, r->line, "there is no such section; known are [station] [ca] [dps] [jig] [custody] [hub] [people] "
			    "[scanner] [lots] [mes] [mes-folder] [mes-http] [api] [profile NAME] [slot NAME]");
}

static bool member_name_is_good(const char *name)
{
	size_t n = strlen(name);
	return n > 0 && n <= 32 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") == n;
}

/* The place of a section: fixed for those that are there once, the next free one for profiles and slots.
 * NULL when there are too many. */
static struct config_seen *section_place(struct reading *r, enum config_section kind, const char *name)
{
	struct config *c = r->c;
	if (kind == SECTION_PROFILE) {
		for (size_t i = 0; i < c->profile_count; i++)
			if (!strcmp(c->profile[i].name, name))
				return &r->seen[FIRST_PROFILE + i];
		if (c->profile_count == CONFIG_PROFILES_MAX)
			return NULL;
		memcpy(c->profile[c->profile_count].name, name, strlen(name) + 1);
		return &r->seen[FIRST_PROFILE + c->profile_count++];
	}
	if (kind == SECTION_SLOT) {
		for (size_t i = 0; i < c->slot_count; i++)
			if (!strcmp(c->slot[i].name, name))
				return &r->seen[FIRST_SLOT + i];
		if (c->slot_count == CONFIG_SLOTS_MAX)
			return NULL;
		memcpy(c->slot[c->slot_count].name, name, strlen(name) + 1);
		return &r->seen[FIRST_SLOT + c->slot_count++];
	}
	return &r->seen[kind];
}

static void section_start(struct reading *r, const char *text)
{
	size_t word = strcspn(text, " \t");
	const char *name = text + word + strspn(text + word, " \t");
	int kind = 0;
	while (kind < SECTION_KINDS &&
	       (strlen(config_section_names[kind]) != word || strncmp(text, config_section_names[kind], word)))
		kind++;
	r->now = NULL;
	if (kind == SECTION_KINDS) {
		unknown_section(r, text);
		return;
	}
	bool named = kind == SECTION_PROFILE || kind == SECTION_SLOT;
	if (named && !member_name_is_good(name)) {
		mistake_add(r->m, r->line, "[%s NAME] needs a name of at most 32 letters, digits, - . _",
			    config_section_names[kind]);
		return;
	}
	if (!named && *name) {
		mistake_add(r->m, r->line, "[%s] takes no name", config_section_names[kind]);
		return;
	}
	struct config_seen *place = section_place(r, (enum config_section)kind, name);
	if (!place) {
		mistake_add(r->m, r->line, "more than %d sections [%s …]",
			    kind == SECTION_SLOT ? CONFIG_SLOTS_MAX : CONFIG_PROFILES_MAX, config_section_names[kind]);
		return;
	}
	if (place->line)
		mistake_add(r->m, r->line, "this section is here twice; the first is on line %d", place->line);
	else
		*place = (struct config_seen){.section = (enum config_section)kind, .line = r->line};
	r->now = place;
}

/* ---- names and values ---- */

/* The struct that the section's rows count their offsets in. */
static void *section_struct(struct reading *r, const struct config_seen *s)
{
	ptrdiff_t i = s - r->seen;
	if (s->section == SECTION_PROFILE)
		return &r->c->profile[i - FIRST_PROFILE];
	if (s->section == SECTION_SLOT)
		return &r->c->slot[i - FIRST_SLOT];
	return r->c;
}

static void take_value(struct reading *r, struct config_seen *s, const struct config_row *row, const char *text, int line)
{
	struct err e = {0};
	struct config_value v = {row, text, r->dir, (char *)section_struct(r, s) + row->offset};
	if (!row->take(&v, &e))
		mistake_add(r->m, line, "%s", e.what);
	if (row->take == value_profile && !TEXT_COPY(s->profile_name, text, &e))
		mistake_add(r->m, line, "profile: no name is that long");
}

int config_name_given(void *ctx, const char *section, const char *name, const char *value)
{
	struct reading *r = ctx;
	if (!strcmp(name, SECTION_STARTS)) {
		section_start(r, section);
		return 1;
	}
	if (!*section)
		mistake_add(r->m, r->line, "this stands before the first [section]");
	if (!r->now)
		return 1;
	size_t i = 0;
	while (i < config_row_count && (config_rows[i].section != r->now->section || strcmp(config_rows[i].name, name)))
		i++;
	if (i == config_row_count)
		unknown_name(r, name);
	else if (r->now->at[i])
		mistake_add(r->m, r->line, "%s is here twice; the first is on line %d", name, r->now->at[i]);
	else if (!value || !*value)
		mistake_add(r->m, r->line, "%s has no value", name);
	else
		take_value(r, r->now, &config_rows[i], value, r->line);
	if (i < config_row_count && !r->now->at[i])
		r->now->at[i] = r->line;
	return 1;
}

/* What was not given: the default, or a mistake. */
static void take_defaults(struct reading *r, struct config_seen *s)
{
	for (size_t i = 0; i < config_row_count; i++) {
		const struct config_row *row = &config_rows[i];
		if (row->section != s->section || s->at[i])
			continue;
		if (!row->otherwise)
			mistake_add(r->m, s->line, "%s is missing", row->name);
		else if (row->otherwise[0])
			take_value(r, s, row, row->otherwise, s->line);
	}
}

void config_complete(struct reading *r)
{
	struct config *c = r->c;
	for (int kind = 0; kind < SECTIONS_REQUIRED; kind++)
		if (!r->seen[kind].line)
			mistake_add(r->m, r->line ? r->line : 1, "section [%s] is missing", config_section_names[kind]);
	/* A section that may be left out has its defaults all the same. */
	for (int kind = SECTIONS_REQUIRED; kind < SECTIONS_SINGLE; kind++)
		r->seen[kind].section = (enum config_section)kind;
	for (size_t i = 0; i < SECTIONS_MAX; i++)
		if (r->seen[i].line || (i >= SECTIONS_REQUIRED && i < SECTIONS_SINGLE))
			take_defaults(r, &r->seen[i]);
	if (c->slot_count == 0)
		mistake_add(r->m, r->line ? r->line : 1, "there is no [slot NAME]");
	config_check_dps(c, &r->seen[SECTION_DPS], r->m);
	for (size_t i = 0; i < c->profile_count; i++)
		config_check_profile(&c->profile[i], &r->seen[FIRST_PROFILE + i], r->m);
	config_check_slots(c, r->seen + FIRST_SLOT, r->m);
	config_check_places(c, r->seen + FIRST_SLOT, r->m);
	config_check_floor(c, r->seen, r->m);
	config_check_hub(c, &r->seen[SECTION_HUB], r->m);
	config_check_custody(c, &r->seen[SECTION_CUSTODY], r->m);
	if (!c->log_origin[0])
		snprintf(c->log_origin, sizeof(c->log_origin), "%s.station", c->name);
}
