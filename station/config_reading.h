/* SPDX-License-Identifier: Apache-2.0 */
/* One reading of station.conf, while it lasts: config.c hands lines to libinih, config_section.c
 * takes its sections and names into the struct, config_check.c looks at what holds between
 * values. Private to station/config*.c. */
#ifndef STATION_CONFIG_READING_H
#define STATION_CONFIG_READING_H

#include "station/config_table.h"

#define MISTAKES_MAX 100
#define SECTIONS_MAX (SECTIONS_SINGLE + CONFIG_PROFILES_MAX + CONFIG_SLOTS_MAX)
#define FIRST_PROFILE ((ptrdiff_t)SECTIONS_SINGLE)	/* in reading.seen */
#define FIRST_SLOT (FIRST_PROFILE + CONFIG_PROFILES_MAX)

/* libinih tells nothing of a section's start, and no line numbers. config.c counts lines, and
 * behind each "[…]" it adds a line with this name: so the handler hears of empty and repeated
 * sections too. No line of the file can hold the name, as lines with control characters are not
 * handed on. */
#define SECTION_STARTS "\x01"

struct mistakes {
	struct mistake {
		int line;
		size_t order;	/* in which it was found */
		char text[320];
	} list[MISTAKES_MAX];
	size_t count, more;
};

/* seen: the sections that are there once, each at its enum; then profiles, then slots, each at its index. */
struct reading {
	struct config *c;
	struct mistakes *m;
	char dir[PATH_MAX];
	const char *next, *end;	/* what libinih has not read yet */
	int line;
	bool section_starts;
	struct config_seen seen[SECTIONS_MAX], *now;	/* now: the section that names belong to; NULL: they are skipped */
};

/* An ini_handler, called for each name, and with SECTION_STARTS for each section. Always 1: go
 * on. */
int config_name_given(void *reading, const char *section, const char *name, const char *value);

/* Once all is read: defaults, what is missing, what does not fit together. */
void config_complete(struct reading *r);

/* The nearer of a candidate and the best so far to a word that was mistyped; NULL while none is
 * near enough to be meant. */
const char *config_nearer(const char *word, const char *candidate, const char *best);

#endif
