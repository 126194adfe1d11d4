/* SPDX-License-Identifier: Apache-2.0 */
#include "tty_model.h"

#include <stddef.h>
#include <stdlib.h>

static bool number_of(const char *text, unsigned long max, unsigned *ret, struct why *w)
{
	char *end;
	errno = 0;
	unsigned long v = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || v > max)
		return why_set(w, "\"%s\" is no number up to %lu", text, max);
	*ret = (unsigned)v;
	return true;
}

/* `WORD`, `WORD:N`, or `N` for any request. 0 switches it off. */
static bool trigger_of(const char *text, struct trigger *ret, struct why *w)
{
	size_t len = strcspn(text, ":");
	struct trigger t = { .type = (uint8_t)tty_word_by_name(text, len), .n = 1 };
	if (!t.type && text[len])
		return why_set(w, "\"%s\" begins with no request", text);
	const char *count = t.type ? (text[len] ? text + len + 1 : "1") : text;
	if (!number_of(count, 1000000, &t.n, w))
		return false;
	*ret = t;
	return true;
}

static bool name_of(const char *text, const char *const *names, int count, int *ret, struct why *w)
{
	for (int i = 0; i < count; i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = i;
			return true;
		}
	}
	return why_set(w, "\"%s\" is not known here", text);
}

static bool tty_lie_of(const char *text, enum tty_lie *ret, struct why *w)
{
	static const char *const names[LIES] = { "none", "key", "nonce", "serial", "readback", "silent" };
	int n = 0;
	bool ok = name_of(text, names, LIES, &n, w);
	*ret = (enum tty_lie)n;
	return ok;
}

static bool cut_of(const char *text, enum store_cut *ret, struct why *w)
{
	static const char *const names[] = { "never", "before-rename", "after-rename" };
	int n = 0;
	bool ok = name_of(text, names, 3, &n, w);
	*ret = (enum store_cut)n;
	return ok;
}

const struct tty_knobs tty_knobs_default = { .banner = 1, .dtr_reset = 1, .version = 1 };

#define AT(member) offsetof(struct tty_knobs, member)
static const struct {
	const char *name;
	size_t at;
	unsigned long max;
} numbers[] = {
	{ "banner", AT(banner), 1 }, { "echo", AT(echo), 1 }, { "dtr_reset", AT(dtr_reset), 1 }, { "boot_ms", AT(boot_ms), 60000 },
	{ "tty_late_ms", AT(tty_late_ms), 10000 },
	{ "noise", AT(noise), 1000 }, { "flood", AT(flood), 1 }, { "loss", AT(loss), 1000 }, { "damage", AT(damage), 1000 },
	{ "baud", AT(baud), 4000000 }, { "delay_ms", AT(delay_ms), 600000 }, { "busy", AT(busy), 1000000 },
	{ "stall", AT(stall), 1 }, { "garbage", AT(garbage), 1000000 }, { "version", AT(version), 1000 },
	{ "storage_full", AT(storage_full), 1 },
};

static bool knob_set(struct tty_knobs *k, const char *name, const char *value, struct why *w)
{
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		if (strcmp(name, numbers[i].name) == 0)
			return number_of(value, numbers[i].max, (unsigned *)(void *)((char *)k + numbers[i].at), w);
	if (strcmp(name, "all") == 0 && strcmp(value, "default") == 0) {
		*k = tty_knobs_default;
		return true;
	}
	if (strcmp(name, "reset_before") == 0)
		return trigger_of(value, &k->reset_before, w);
	if (strcmp(name, "cut_before") == 0)
		return trigger_of(value, &k->cut_before, w);
	if (strcmp(name, "cut_after") == 0)
		return trigger_of(value, &k->cut_after, w);
	if (strcmp(name, "cut_commit") == 0)
		return cut_of(value, &k->cut_commit, w);
	if (strcmp(name, "lie") == 0)
		return tty_lie_of(value, &k->lie, w);
	if (strcmp(name, "serial_inside") != 0)
		return why_set(w, "no such knob: %s", name);
	if (strlen(value) >= sizeof k->serial_inside)
		return why_set(w, "serial_inside is at most 64 characters long");
	strcpy(k->serial_inside, strcmp(value, "-") == 0 ? "" : value);
	return true;
}

bool tty_model_knob(struct tty_model *m, const char *name, const char *value, struct why *w)
{
	pthread_mutex_lock(&m->lock);
	struct tty_knobs k = m->knobs;
	bool ok = knob_set(&k, name, value, w);
	if (ok)
		m->knobs = k;
	pthread_mutex_unlock(&m->lock);
	return ok;
}

void tty_model_stats(struct tty_model *m, char *text, size_t room)
{
	pthread_mutex_lock(&m->lock);
	struct tty_stats s = m->stats;
	pthread_mutex_unlock(&m->lock);

	size_t at = (size_t)snprintf(text, room,
		"lines=%u refused=%u busy=%u skipped=%u lost=%u damaged=%u noise=%u resets=%u keys_made=%u power_ons=%u power_cuts=%u",
		s.lines, s.refused, s.busy, s.skipped, s.lost, s.damaged, s.noise, s.resets, s.keys_made, s.power_ons, s.power_cuts);
	for (int i = 1; i < TTY_WORDS && at < room; i++)
		if (s.by_word[i])
			at += (size_t)snprintf(text + at, room - at, " %s=%u", tty_word_name((enum tty_word)i), s.by_word[i]);
}
