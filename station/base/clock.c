/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t now_ms(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
	return now_ms(CLOCK_REALTIME);
}

int64_t clock_steady_ms(void)
{
	return now_ms(CLOCK_BOOTTIME);
}

void clock_text(int64_t wall_ms, char out[static CLOCK_TEXT])
{
	int ms = (int)(((wall_ms % 1000) + 1000) % 1000);
	time_t s = (time_t)((wall_ms - ms) / 1000);
	struct tm tm;
	char date[24];
	gmtime_r(&s, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out, CLOCK_TEXT, "%s.%03dZ", date, ms);
}

bool clock_parse_day(const char *text, int64_t *ret_ms)
{
	struct tm tm = {0};
	const char *end = strlen(text) == 10 ? strptime(text, "%Y-%m-%d", &tm) : NULL;
	const struct tm day = tm;
	int64_t start = timegm(&tm);	/* would turn February 30 into March 1 or 2 */
	if (!end || *end || tm.tm_mday != day.tm_mday || tm.tm_mon != day.tm_mon || tm.tm_year < 70)
		return false;
	*ret_ms = start * 1000;
	return true;
}

bool clock_parse(const char *text, int64_t *ret_ms)
{
	struct tm tm = {0};
	char again[CLOCK_TEXT];
	int ms = 0;
	const char *end = strlen(text) == 24 ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
	if (!end || sscanf(end, ".%3dZ", &ms) != 1 || ms < 0)
		return false;
	*ret_ms = (int64_t)timegm(&tm) * 1000 + ms;
	clock_text(*ret_ms, again);
	return !strcmp(again, text);
}

int clock_left_ms(int64_t deadline_ms)
{
	int64_t now = clock_steady_ms();
	if (deadline_ms <= now)
		return 0;
	int64_t left = deadline_ms - now;
	return left > INT32_MAX ? INT32_MAX : (int)left;
}

void clock_sleep_ms(int64_t ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};
	nanosleep(&t, NULL);
}
