/* SPDX-License-Identifier: Apache-2.0 */
/* What a code is: the configuration's patterns, tried in the order command, badge, order, tray, unit. Pure. */
#ifndef STATION_SHIFT_SCAN_H
#define STATION_SHIFT_SCAN_H

#include "station/config.h"

enum scan_kind { SCAN_UNKNOWN, SCAN_COMMAND, SCAN_BADGE, SCAN_ORDER, SCAN_TRAY, SCAN_UNIT };
const char *scan_kind_name(enum scan_kind kind);

#define SCAN_MAX 256

struct scan_patterns;
WARN_UNUSED bool scan_patterns_new(const struct config *c, struct scan_patterns **ret, struct err *e);
void scan_patterns_free(struct scan_patterns *p);

/* Which kind; unknown is what is longer than SCAN_MAX, or holds anything but printable ASCII. *ret_value is the code without a
 * leading "WORD:" if it has one of CMD, BADGE, ORDER, TRAY. */
enum scan_kind scan_route(const struct scan_patterns *p, const char *code, const char **ret_value);

/* The commands that a card can say, behind "CMD:"; `station cards` prints them, docs/operator.md lists them. A row with `argument`
 * stands for several cards ("SLOT:07", "PIN:3"). */
struct scan_command {
	const char *name;	/* "LOCK", "CLOSE-LOT", "HOLD" and so on, as the table says */
	bool argument;
	const char *meaning;	/* one line for the card */
};
extern const struct scan_command scan_commands[];
extern const size_t scan_command_count;

/* The screens that "SCREEN" asks for; NULL at the end. Which the console has is the console's; a test holds them together. */
extern const char *const scan_screens[];

#endif
