/* SPDX-License-Identifier: Apache-2.0 */
/* A canvas as a picture for the documents: the theme's colours on a dark ground, cell by cell on a grid, so that it does not depend
 * on the fonts of whoever looks at it. */
#ifndef TESTS_UI_SVG_H
#define TESTS_UI_SVG_H

#include "ui/theme.h"

/* Appends the whole file. E_NOMEM, E_TEXT. */
WARN_UNUSED bool svg_of_canvas(const struct canvas *c, enum theme theme, const char *title, struct bytes *ret, struct err *e);

#endif
