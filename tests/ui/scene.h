/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: a model made of recorded events, and a picture compared with a file. */
#ifndef TESTS_UI_SCENE_H
#define TESTS_UI_SCENE_H

#include "ui/screen.h"

/* The model after every line of events/NAME.jsonl. The caller frees it. */
struct model *scene_model(const char *name);
/* Every line of events/NAME.jsonl on top of what the model knows. */
void scene_add(struct model *m, const char *name);

/* answers/NAME.json: what a line answers to what a screen wants. A new object. */
json_t *scene_answer(const char *name);

/* Fails unless the screen, drawn of the model, is expected/NAME-COLSxROWS.txt. With
 * $UI_WRITE_EXPECTED set the file is written. */
void scene_check(const char *name, const char *screen, const struct model *m, struct view *v, int cols, int rows, bool ascii);

#endif
