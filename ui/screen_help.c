/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/screen.h"
#include "ui/glyph.h"

#include <stdio.h>

/* What a word on the tray means, drawn with the sign and style that it has there. */
static const struct {
	struct model_slot like;
	const char *meaning;
} words[] = {
	{{.state = SLOT_EMPTY}, "Nothing is in this slot. Plug a unit in."},
	{{.state = SLOT_WORKING}, "The station works on the unit. The bar shows how far it is."},
	{{.state = SLOT_WAITING}, "For another try, or for a scan; the sentence says what. HOLD leaves it."},
	{{.state = SLOT_DONE, .verdict = SLOT_PASS}, "Proved: it has registered with the cloud by itself. Good."},
	{{.state = SLOT_DONE, .verdict = SLOT_BUILT}, "Complete, but not proved yet. Keep it apart, plug it in again later."},
	{{.state = SLOT_DONE, .verdict = SLOT_HOLD}, "A person must decide. Hold bin; read the sentence below the tray."},
	{{.state = SLOT_DONE, .verdict = SLOT_FAIL}, "This unit is bad. Red bin."},
};

static void draw(struct canvas *c, const struct model *m, struct view *v)
{
	int row = SCREEN_TOP, width = c->cols - 2;
	for (size_t i = 0; i < COUNT_OF(words); i++) {
		struct slot_face face = slot_face(&words[i].like);
		char sign[5] = "";
		sign[glyph_utf8(face.sign, sign)] = '\0';
		canvas_printf(c, row, 1, 10, face.style, "%s %s", sign, face.word);
		row += canvas_words(c, row, 13, 2, width - 13, STYLE_NORMAL, words[i].meaning);
	}
	row++;
	canvas_text(c, row, 1, 11, STYLE_ALARM, "DO NOT PULL");
	row += canvas_words(c, row, 13, 2, width - 13, STYLE_NORMAL,
			    "The unit is worked on. In a small place this is a ! behind the slot.");
	row++;
	row += canvas_words(c, row, 1, 3, width, STYLE_NORMAL,
			    "Cards: HOLD and then a slot, LOCK, LEAVE, CLOSE-LOT and then YES, NO, SCREEN. A code can also be written: / and "
			    "Enter.");
	row += canvas_words(c, row, 1, 4, width, STYLE_NORMAL,
			    "The arrows choose a slot, Enter opens it, Right shows what is on record, Esc goes back. Leaving this screen, or losing "
			    "it, never stops the line. When the line cannot be reached, it keeps trying.");
	row++;
	canvas_printf(c, row, 1, width, STYLE_DIM, "build %s  configuration %.16s", m->build, m->config_sha256);
	canvas_printf(c, row + 1, 1, width, STYLE_DIM, "audit as this console began: %lld entries, root %.32s",
		      (long long)m->audit_size, m->audit_root);
}

static struct next on_key(struct view *v, const struct model *m, int key)
{
	if (key == KEYS_ESCAPE || key == KEYS_ENTER)
		return (struct next){NEXT_SCREEN, "slots"};
	return (struct next){NEXT_STAY, NULL};
}

extern const struct screen screen_help;
const struct screen screen_help = {
	.name = "help", .title = "Help", .key = KEYS_F1, .key_name = "F1", .draw = draw, .on_key = on_key,
};
