/* SPDX-License-Identifier: Apache-2.0 */
/* The log for engineers: free text on stderr, one line per event, "time level name: text". The audit trail for the customer is
 * another thing (db/audit.h). Secrets are refused by type: there is no way to print a struct bytes here. */
#ifndef STATION_BASE_LOG_H
#define STATION_BASE_LOG_H

#include "station/base/err.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* The sink: everything at or above `least` goes to stderr, under this process's name ("line", "launcher", "signer"). Forked
 * children inherit it and may rename themselves. */
void log_setup(const char *name, enum log_level least);

void log_line(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)

/* "words: E-USB-001 what" at the given level. */
void log_err(enum log_level level, const struct err *e, const char *words);

#endif
