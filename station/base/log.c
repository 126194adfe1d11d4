/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/log.h"
#include "station/base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The one mutable global of the program. */
static struct {
	char name[16];
	enum log_level least;
} sink = {"station", LOG_LEVEL_INFO};

void log_setup(const char *name, enum log_level least)
{
	snprintf(sink.name, sizeof(sink.name), "%s", name);
	sink.least = least;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	char line[1024], when[CLOCK_TEXT];
	va_list ap;
	if (level < sink.least)
		return;
	clock_text(clock_wall_ms(), when);
	int n = snprintf(line, sizeof(line), "%s %s %s: ", when, names[level], sink.name);
	va_start(ap, fmt);
	int m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	size_t len = (size_t)n + (m < 0 ? 0 : (size_t)m);
	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	for (size_t i = (size_t)n; i < len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';	/* a device's text must not move the terminal's cursor */
	line[len] = '\n';
	/* One write, so that lines of several processes do not mix; a log that cannot be written stops nothing. */
	if (write(STDERR_FILENO, line, len + 1) < 0)
		return;
}

void log_err(enum log_level level, const struct err *e, const char *words)
{
	log_line(level, "%s: %s %s", words, err_row(e->code)->code, e->what);
}
