/* SPDX-License-Identifier: Apache-2.0 */
/* The console: a client of the line that never ends because the line does. It shows what it last
 * knew, says that the line cannot be reached, and tries again every second. It ends when the
 * operator leaves or the terminal goes. */
#ifndef UI_APP_H
#define UI_APP_H

#include "station/base/err.h"

struct app_options {
	const char *socket_path;
	bool mono, ascii;
};

/* The screen. True when the operator left; E_USAGE without a terminal, E_NOMEM. */
WARN_UNUSED bool app_run(const struct app_options *o, struct err *e);

/* The same as lines of text on standard output, for a terminal without a screen, a pipe or a
 * braille display. Returns only when nobody reads any more: E_FILE. */
WARN_UNUSED bool plain_run(const struct app_options *o, struct err *e);

#endif
