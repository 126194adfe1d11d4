/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/barcode.h"
#include "station/base/text.h"

#include <string.h>
#include <zint.h>

#define QUIET 10	/* modules */
#define HEIGHT 45	/* modules */
#define MODULE_MM 0.3

static void symbol_delete(struct zint_symbol **symbol)
{
	ZBarcode_Delete(*symbol);
}

/* The symbol's vector is in units of its own; the element's size says what they are. */
static bool write_svg(const struct zint_symbol *s, struct bytes *ret, struct err *e)
{
	const struct zint_vector *v = s->vector;
	bool ok = bytes_printf(ret, e, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.1fmm\" height=\"%.1fmm\" "
			       "viewBox=\"0 0 %g %g\" preserveAspectRatio=\"none\"><path d=\"", (s->width + 2 * QUIET) * MODULE_MM, HEIGHT * MODULE_MM,
			       (double)v->width, (double)v->height);
	for (const struct zint_vector_rect *r = v->rectangles; r && ok; r = r->next)
		ok = bytes_printf(ret, e, "M%g %gh%gv%gh-%gz", (double)r->x, (double)r->y, (double)r->width, (double)r->height,
				  (double)r->width);
	return ok && bytes_add_text(ret, "\"/></svg>", e);
}

bool barcode_svg(const char *code, struct bytes *ret, struct err *e)
{
	size_t len = strlen(code);
	if (len < 1 || len > BARCODE_MOST || !text_is_printable(code, len))
		return err_set(e, E_TEXT, "no barcode: a code has 1 to %d printable characters", BARCODE_MOST);
	__attribute__((cleanup(symbol_delete))) struct zint_symbol *s = ZBarcode_Create();
	if (!s)
		return err_set(e, E_NOMEM, "barcode");
	s->symbology = BARCODE_CODE128;
	s->whitespace_width = QUIET;
	s->height = HEIGHT;
	s->show_hrt = 0;
	if (ZBarcode_Encode_and_Buffer_Vector(s, (const unsigned char *)code, (int)len, 0) >= ZINT_ERROR)
		return err_set(e, E_TEXT, "no barcode: %.90s", s->errtxt);
	return write_svg(s, ret, e);
}
