/* SPDX-License-Identifier: Apache-2.0 */
#include "chance.h"

#include <stddef.h>

/* Rows: what may go wrong, each as likely as the others. */
static const struct {
	const char *kind;
	enum effect effect;
	int64_t value;
} kinds[] = {
	{"status_500", EFFECT_STATUS, 500},
	{"status_503", EFFECT_STATUS, 503},
	{"reset_before", EFFECT_CUT_BEFORE, CUT_RESET},
	{"reset_after", EFFECT_CUT_AFTER, CUT_RESET},
	{"close_before", EFFECT_CUT_BEFORE, CUT_CLOSE},
	{"close_after", EFFECT_CUT_AFTER, CUT_CLOSE},
};

#define KINDS (sizeof kinds / sizeof kinds[0])

/* Numbers that look random: a counter, mixed (SplitMix64). */
static uint64_t next(struct chance *c)
{
	uint64_t z = c->state += 0x9e3779b97f4a7c15u;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

const char *chance_meet(struct chance *c, struct fault *f)
{
	if (c->rate <= 0 || (double)(next(c) >> 11) / (double)(UINT64_C(1) << 53) >= c->rate)
		return NULL;
	size_t i = next(c) % KINDS;
	f->is_set[kinds[i].effect] = true;
	f->value[kinds[i].effect] = kinds[i].value;
	return kinds[i].kind;
}
