/* SPDX-License-Identifier: Apache-2.0 */
#include "frames.h"

#include <stdlib.h>

static bool number_of(const char *text, unsigned long max, unsigned long *ret, struct why *w)
{
	char *end;
	errno = 0;
	unsigned long v = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || v > max)
		return why_set(w, "\"%s\" is no number up to %lu", text, max);
	*ret = v;
	return true;
}

/* `TYPE`, `TYPE:N`, or `N` for any type. 0 switches it off. */
static bool trigger_of(const char *text, struct trigger *ret, struct why *w)
{
	char name[32];
	unsigned long n = 1;
	struct trigger t = { 0 };
	const char *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);

	if (len >= sizeof name)
		return why_set(w, "\"%s\" is no frame type", text);
	memcpy(name, text, len);
	name[len] = 0;
	t.type = frame_by_name(name);
	if (!t.type && colon)
		return why_set(w, "\"%s\" is no frame type", name);
	const char *count = t.type ? (colon ? colon + 1 : "1") : text;
	if (!number_of(count, 1000000, &n, w))
		return false;
	t.n = (unsigned)n;
	*ret = t;
	return true;
}

static bool cut_commit_of(const char *text, enum store_cut *ret, struct why *w)
{
	static const char *const names[] = { "never", "before-rename", "after-rename" };
	for (int i = 0; i < 3; i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum store_cut)i;
			return true;
		}
	}
	return why_set(w, "cut_commit is never, before-rename or after-rename");
}

bool model_knob(struct model *m, const char *name, const char *value, struct why *w)
{
	unsigned long v = 0;
	bool ok;

	pthread_mutex_lock(&m->lock);
	struct knobs k = m->knobs;
	if (strcmp(name, "delay_ms") == 0) {
		ok = number_of(value, 600000, &v, w);
		k.delay_ms = (unsigned)v;
	} else if (strcmp(name, "busy") == 0) {
		ok = number_of(value, 1000000, &v, w);
		k.busy = (unsigned)v;
	} else if (strcmp(name, "max_payload") == 0) {
		ok = number_of(value, MODEL_PAYLOAD_MAX, &v, w);
		if (ok && v < TPM_COMMAND_MAX)
			ok = why_set(w, "max_payload is at least %d", TPM_COMMAND_MAX);
		k.max_payload = (uint32_t)v;
	} else if (strcmp(name, "cut_before") == 0) {
		ok = trigger_of(value, &k.cut_before, w);
	} else if (strcmp(name, "cut_after") == 0) {
		ok = trigger_of(value, &k.cut_after, w);
	} else if (strcmp(name, "cut_commit") == 0) {
		ok = cut_commit_of(value, &k.cut_commit, w);
	} else if (strcmp(name, "serial_inside") == 0) {
		ok = (size_t)snprintf(k.serial_inside, sizeof k.serial_inside, "%s", value) < sizeof k.serial_inside
			|| why_set(w, "serial_inside is at most %zu characters long", sizeof k.serial_inside - 1);
	} else if (strcmp(name, "lie") == 0) {
		ok = lie_of(value, &k.lie, w);
	} else {
		ok = why_set(w, "no such knob: %s", name);
	}
	if (ok)
		m->knobs = k;
	pthread_mutex_unlock(&m->lock);
	return ok;
}

__attribute__((format(printf, 3, 4)))
static void words_add(char *text, size_t room, const char *format, ...)
{
	size_t at = strlen(text);
	va_list args;
	va_start(args, format);
	vsnprintf(text + at, room - at, format, args);
	va_end(args);
}

void model_stats(struct model *m, char *text, size_t room)
{
	pthread_mutex_lock(&m->lock);
	struct stats s = m->stats;
	pthread_mutex_unlock(&m->lock);

	text[0] = 0;
	words_add(text, room, "frames=%u refused=%u busy=%u cancels=%u power_ons=%u power_cuts=%u", s.frames,
		s.refused, s.busy, s.cancels, s.power_ons, s.power_cuts);
	for (unsigned type = 0; type < 256; type++) {
		if (!s.by_type[type])
			continue;
		const char *name = frame_name((uint8_t)type);
		if (name)
			words_add(text, room, " %s=%u", name, s.by_type[type]);
		else
			words_add(text, room, " frame.%02x=%u", type, s.by_type[type]);
	}
	for (unsigned i = 0; i < TPM_CODE_COUNT; i++) {
		if (!s.by_tpm_code[i])
			continue;
		const char *name = tpm_code_name(TPM_CODE_FIRST + i);
		if (name)
			words_add(text, room, " tpm.%s=%u", name, s.by_tpm_code[i]);
		else
			words_add(text, room, " tpm.%03x=%u", TPM_CODE_FIRST + i, s.by_tpm_code[i]);
	}
}
