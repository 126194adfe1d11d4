/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_WHY_H
#define SIM_WHY_H

/*
 * Why something of the simulation could not be done, for the person who runs a test.
 * A function that can fail returns false and says so here; the first to know writes, callers pass it on.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define MUST_CHECK __attribute__((warn_unused_result))

struct why {
	char text[320];
};

/* Writes the reason and returns false, so that it ends in `return why_set(...)`. */
__attribute__((format(printf, 2, 3)))
static inline bool why_set(struct why *w, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(w->text, sizeof w->text, format, args);
	va_end(args);
	return false;
}

#endif
