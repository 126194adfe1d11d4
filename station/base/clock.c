/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/clock.h"

#include <stdio.h>
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
