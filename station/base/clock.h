/* SPDX-License-Identifier: Apache-2.0 */
/* Time: wall clock for people and records (milliseconds since 1970, UTC), steady clock for deadlines (milliseconds since boot). */
#ifndef STATION_BASE_CLOCK_H
#define STATION_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_DAY_MS (24 * 60 * 60 * (int64_t)1000)
#define CLOCK_TEXT 32	/* room for a time as text */

int64_t clock_wall_ms(void);
int64_t clock_steady_ms(void);

/* "2026-11-22T21:49:25.123Z" (RFC 3339). */
void clock_text(int64_t wall_ms, char out[static CLOCK_TEXT]);

/* Reads such a time, with exactly three digits of a second; and a day, "2026-11-22", as its first millisecond in UTC.
 * False if it is none, such as February 30. */
bool clock_parse(const char *text, int64_t *ret_ms);
bool clock_parse_day(const char *text, int64_t *ret_ms);

/* Milliseconds from now until the steady deadline, never below 0, never above INT32_MAX. */
int clock_left_ms(int64_t deadline_ms);

void clock_sleep_ms(int64_t ms);

#endif
