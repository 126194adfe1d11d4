/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Faults on demand. A rule file is a JSON list of rules, each saying which requests it meets
 * (`match`) and what then goes wrong (`do`); docs/dps-emulator.md shows every key. The file is read
 * again when it changes. One that cannot be understood at start ends the program; later it is
 * reported on stderr and the rules before it stay.
 */
#ifndef SIM_DPS_RULES_H
#define SIM_DPS_RULES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum effect {
	EFFECT_LATENCY_MS,
	EFFECT_STATUS,
	EFFECT_ERROR_CODE,
	EFFECT_RETRY_AFTER,
	EFFECT_CUT_BEFORE,
	EFFECT_CUT_AFTER,
	EFFECT_TRUNCATE_BODY,
	EFFECT_CLOCK_SKEW_S,
	EFFECT_ASYNC_FAILURE,
	EFFECT_POLLS,
	EFFECTS
};

/* Values of the two cuts. */
enum cut { CUT_NONE, CUT_CLOSE, CUT_RESET };

/* What goes wrong with one request. Several rules add up; of the same effect the last one counts. */
struct fault {
	bool is_set[EFFECTS];
	int64_t value[EFFECTS];
};

struct rule;

struct rules {
	char *path; /* NULL: no rules */
	struct rule *rule;
	size_t rules;
	struct timespec changed;
	off_t size;
	ino_t inode;
};

/* False, with the reason on stderr, when the file cannot be read. `path` may be NULL. */
bool rules_open(struct rules *s, const char *path);
void rules_close(struct rules *s);

/* Counts the request at every rule that meets it, and says what goes wrong. */
struct fault rules_meet(struct rules *s, const char *operation, const char *method, const char *target);

int64_t fault_of(const struct fault *f, enum effect effect, int64_t otherwise);

#endif
