/* SPDX-License-Identifier: Apache-2.0 */
/* A unit that misbehaves exactly as told: fault(MOMENT.WHEN.KIND[.SEED][.once]).
 *
 * MOMENT is a function of the vtable. WHEN is
 *   before    instead of what the unit would do: its state stays as it was
 *   during    with the first evidence on its way; where a moment has none, between effect and answer. Only evidence is changed
 *   after     when the unit has done it, and has said so: evidence and result are changed
 * KIND is
 *   vanish    the unit is pulled, and stays away
 *   stall     nothing comes until the deadline
 *   slow      it takes a tenth of its time longer
 *   short     half of each piece of evidence, and a result of zeros
 *   garbage   bytes of SEED's in place of evidence and result
 *   lie       what is plausible and wrong: one bit of the evidence or the result, another serial number; a success that did nothing
 *   twin      the serial number SIM and four digits of SEED, whoever it is
 *   kill      the driver's process ends
 * once: the first time only. That it struck, and in which process, stands in the file that the launcher gives (STATE/faults/PLAN):
 * so a fresh process of the same line knows it, and so does whoever waits for the moment. */
#include "drivers/wrap.h"
#include "station/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum when { BEFORE, DURING, AFTER };
enum kind { VANISH, STALL, SLOW, SHORT, GARBAGE, LIE, TWIN, KILL };
static const char *const when_names[] = {"before", "during", "after"};
static const char *const kind_names[] = {"vanish", "stall", "slow", "short", "garbage", "lie", "twin", "kill"};

struct fault {
	enum moment moment;
	enum when when;
	enum kind kind;
	uint64_t seed;
	bool once;
	int file;	/* of once */
	bool over;	/* it struck, once */
	bool gone;
	bool struck;	/* in this call */
};

/* A call whose evidence passes through here. */
struct tampering {
	struct fault *f;
	const struct driver_call *call;
};

/* ---- the plan ---- */

static bool word_find(const char *const *words, size_t count, const char **text, int *ret)
{
	size_t len = strcspn(*text, ".");
	for (size_t i = 0; i < count; i++) {
		if (strlen(words[i]) != len || memcmp(words[i], *text, len) != 0)
			continue;
		*text += len + ((*text)[len] == '.');
		*ret = (int)i;
		return true;
	}
	return false;
}

static bool plan_parse(const char *args, struct fault *ret, struct err *e)
{
	const char *p = args;
	int when, kind;
	char *end = NULL;
	size_t len = strcspn(p, ".");
	ret->moment = moment_find(p, len);
	p += len + (p[len] == '.');
	if (ret->moment == MOMENT_COUNT || !word_find(when_names, COUNT_OF(when_names), &p, &when) ||
	    !word_find(kind_names, COUNT_OF(kind_names), &p, &kind))
		return err_set(e, E_CONFIG, "\"%s\" is no MOMENT.WHEN.KIND of drivers/fault.c", args);
	ret->when = (enum when)when;
	ret->kind = (enum kind)kind;
	ret->seed = strtoull(p, &end, 10);
	end += end > p && *end == '.';
	ret->once = !strcmp(end, "once");
	return !*end || ret->once || err_set(e, E_CONFIG, "\"%s\" is neither a seed nor \"once\"", p);
}

static bool fault_args(const char *args, struct err *e)
{
	struct fault ignored = {0};
	return plan_parse(args, &ignored, e);
}

static bool fault_begin(struct wrap *w, const char *args, struct err *e)
{
	struct fault *f = w->own;
	char struck;
	if (!plan_parse(args, f, e))
		return false;
	f->file = w->port.file;
	if (f->once && f->file < 0)
		return err_set(e, E_CAPTURE, "a fault that is to strike once has no file to keep that in");
	f->over = f->once && pread(f->file, &struck, 1, 0) == 1;
	return true;
}

/* ---- what it does to bytes ---- */

/* splitmix64: the same bytes for the same seed. */
static uint8_t next_byte(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15ull;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (uint8_t)(z >> 24);
}

static void spoil(struct fault *f, enum moment m, void *data, size_t len)
{
	uint8_t *p = data;
	if (!len)
		return;
	if (f->kind == GARBAGE)
		for (size_t i = 0; i < len; i++)
			p[i] = next_byte(&f->seed);
	if (f->kind == SHORT)
		memset(p, 0, len);
	if (f->kind == LIE && m == MOMENT_IDENTIFY) {
		char *serial = ((struct driver_identity *)data)->serial;
		size_t end = strnlen(serial, DRIVER_TEXT - 1);
		serial[end ? end - 1 : 0] = serial[end ? end - 1 : 0] == 'X' ? 'Y' : 'X';
	} else if (f->kind == LIE) {
		p[len / 2] ^= 1;
	}
	if (f->kind == TWIN && m == MOMENT_IDENTIFY)
		snprintf(((struct driver_identity *)data)->serial, DRIVER_TEXT, "SIM%04u", (unsigned)(f->seed % 10000));
}

static bool gone(struct fault *f, struct err *e)
{
	f->gone = true;
	return err_set(e, E_USB_GONE, "a fault on order: the unit is away");
}

/* What ends a moment, or takes time. True: it goes on. */
static bool strike(struct fault *f, const struct driver_call *call, struct err *e)
{
	int64_t left = clock_left_ms(call->deadline_ms);
	f->struck = true;
	f->over = f->once;
	char mark[16];
	int len = snprintf(mark, sizeof(mark), "%d\n", (int)getpid());
	if (f->once && pwrite(f->file, mark, (size_t)len, 0) != len)
		return err_errno(e, E_CAPTURE, "keeping that the fault struck");
	switch (f->kind) {
	case VANISH:
		return gone(f, e);
	case STALL:
		clock_sleep_ms(left);
		return err_set(e, E_CHILD_SILENT, "a fault on order: nothing came");
	case SLOW:
		clock_sleep_ms(left / 10);
		return true;
	case KILL:
		_exit(137);
	case SHORT: case GARBAGE: case LIE: case TWIN:
		break;
	}
	return true;
}

static bool changes_bytes(enum kind kind)
{
	return kind == SHORT || kind == GARBAGE || kind == LIE;
}

static bool tamper(void *ctx, enum evidence_kind kind, const void *data, size_t len, struct err *e)
{
	const struct tampering *t = ctx;
	struct fault *f = t->f;
	uint8_t copy[EVIDENCE_MAX];
	if (!t->call->evidence)
		return true;
	if (f->when == DURING && !f->struck && !strike(f, t->call, e))
		return false;
	if (!changes_bytes(f->kind) || len > sizeof(copy))
		return t->call->evidence(t->call->evidence_ctx, kind, data, len, e);
	memcpy(copy, data, len);
	if (f->kind == SHORT)
		len /= 2;
	else
		spoil(f, MOMENT_COUNT, copy, len);
	return t->call->evidence(t->call->evidence_ctx, kind, copy, len, e);
}

/* ---- around a moment ---- */

/* Instead of what the unit would do. */
static bool instead(struct wrap *w, const struct wrap_call *c, struct err *e)
{
	struct fault *f = w->own;
	if (!strike(f, c->call, e))
		return false;
	/* Who has no result to spoil can still say that it was done; who is slow, or another one's twin, does it. */
	bool does_nothing = changes_bytes(f->kind) && c->moment != MOMENT_OPEN;
	if (!does_nothing || (f->kind == LIE && c->result_len && c->moment != MOMENT_MAKE_KEY)) {
		if (!wrap_inner(w, c, e))
			return false;
	}
	spoil(f, c->moment, c->result, c->result_len);
	return true;
}

static bool fault_around(struct wrap *w, const struct wrap_call *c, struct err *e)
{
	struct fault *f = w->own;
	struct tampering t = {f, c->call};
	struct driver_call call = *c->call;
	struct wrap_call tampered = *c;
	if (f->gone)
		return gone(f, e);
	if (c->moment != f->moment || f->over)
		return wrap_inner(w, c, e);
	f->struck = false;
	if (f->when == BEFORE)
		return instead(w, c, e);
	call.evidence = tamper;
	call.evidence_ctx = &t;
	tampered.call = &call;
	if (!wrap_inner(w, &tampered, e) || (!f->struck && !strike(f, c->call, e)))
		return false;
	if (f->when == AFTER || f->kind == TWIN)
		spoil(f, c->moment, c->result, c->result_len);
	return true;
}

const struct wrapper fault_wrapper = {
	.name = "fault",
	.own_size = sizeof(struct fault),
	.args_are_good = fault_args,
	.begin = fault_begin,
	.around = fault_around,
};
