/* SPDX-License-Identifier: Apache-2.0 */
/* Answers from a capture (drivers/capture.h) instead of from a unit, strictly in its order. What was left out of it as a secret
 * is answered with zeros: so a replayed unit fails its challenge, as it must (promise 1), and what failed before that fails again
 * in the same words. */
#include "drivers/capture.h"
#include "station/base/text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tape {
	struct bytes text;
	char *next;	/* in text: the next line */
};

/* The next line that is not for people, cut into its mark and the rest; NULL at the end. */
static char *line_next(struct tape *t)
{
	while (t->next && *t->next) {
		char *line = t->next, *end = strchr(line, '\n');
		t->next = end ? end + 1 : line + strlen(line);
		if (end)
			*end = '\0';
		if (*line && *line != '#')
			return line;
	}
	return NULL;
}

/* "X name rest": the rest, or NULL. */
static char *after(char *line, const char *name)
{
	size_t len = strlen(name);
	return strlen(line) >= 2 + len && line[1] == ' ' && !strncmp(line + 2, name, len) && (line[2 + len] == ' ' || !line[2 + len])
		       ? line + 2 + len + (line[2 + len] == ' ') : NULL;
}

static bool bytes_of(const char *text, uint8_t *out, size_t room, size_t *ret_len, struct err *e)
{
	bool secret = !strcmp(text, "-");
	*ret_len = secret ? SHA256_SIZE : strlen(text) / 2;
	if (*ret_len > room)
		return err_set(e, E_CAPTURE, "a line of %zu bytes", *ret_len);
	memset(out, 0, *ret_len);
	struct err why = {0};
	return secret || hex_decode(text, out, *ret_len, &why) || err_set(e, E_CAPTURE, "what should be hex: %.40s", text);
}

static bool give_evidence(char *line, const struct driver_call *call, struct err *e)
{
	uint8_t data[EVIDENCE_MAX];
	size_t len;
	char *name = line + 2, *text = strchr(name, ' ');
	if (!text)
		return err_set(e, E_CAPTURE, "evidence without bytes: %.40s", line);
	*text++ = '\0';
	enum evidence_kind kind = evidence_find(name);
	if (!kind)
		return err_set(e, E_CAPTURE, "no kind of evidence: %.40s", name);
	return bytes_of(text, data, sizeof(data), &len, e) &&
	       (!call->evidence || call->evidence(call->evidence_ctx, kind, data, len, e));
}

/* Not only 0 and 1: what a unit says is kept as it is. */
static bool number_of(const char *text, uint8_t *out, struct err *e)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);
	*out = (uint8_t)number;
	return (*text >= '0' && *text <= '9' && !*end && number <= UINT8_MAX) || err_set(e, E_CAPTURE, "no number of a byte: %.40s", text);
}

static bool field_set(const struct capture_field *f, const char *text, uint8_t *result, struct err *e)
{
	size_t len;
	struct err why = {0};
	switch (f->form) {
	case CAPTURE_TEXT:
		return text_copy((char *)result + f->offset, f->size, text, &why) || err_set(e, E_CAPTURE, "a text of %zu bytes", strlen(text));
	case CAPTURE_BOOL:
		return number_of(text, result + f->offset, e);
	case CAPTURE_HEX: case CAPTURE_SECRET:
		return bytes_of(text, result + f->offset, f->size, &len, e);
	}
	return true;
}

static bool give_field(char *line, const struct wrap_call *c, struct err *e)
{
	for (const struct capture_field *f = capture_fields; f->name; f++) {
		const char *text = f->moment == c->moment ? after(line, f->name) : NULL;
		if (text)
			return field_set(f, text, c->result, e);
	}
	return err_set(e, E_CAPTURE, "%s has no such result: %.40s", moment_name(c->moment), line);
}

static bool give_end(char *line, struct err *e)
{
	if (after(line, "ok"))
		return true;
	char *words = strchr(line + 2, ' ');
	if (words)
		*words++ = '\0';
	enum err_code code = err_find(line + 2);
	return code == E_NONE ? err_set(e, E_CAPTURE, "no code of an error: %.40s", line + 2)
			      : err_set(e, code, "%s", words ? words : "");
}

static bool replay_around(struct wrap *w, const struct wrap_call *c, struct err *e)
{
	struct tape *t = w->own;
	char *line = line_next(t);
	if (!line || *line != '>' || !after(line, moment_name(c->moment)))
		return err_set(e, E_CAPTURE, "the station asks to %s, in the capture stands \"%.40s\"", moment_name(c->moment),
			       line ? line : "nothing more");
	while ((line = line_next(t)) && strlen(line) > 2) {
		if (*line == '.')
			return give_end(line, e);
		bool ok = *line == '*' ? give_evidence(line, c->call, e)
			: *line == '=' ? give_field(line, c, e)
				       : err_set(e, E_CAPTURE, "not a line of a capture: %.40s", line);
		if (!ok)
			return false;
	}
	return err_set(e, E_CAPTURE, "%s has no end in the capture", moment_name(c->moment));
}

static bool replay_begin(struct wrap *w, const char *args, struct err *e)
{
	struct tape *t = w->own;
	uint8_t portion[4096];
	ssize_t got;
	struct err why = {0};
	t->text.max = CAPTURE_MAX;
	while ((got = pread(w->port.file, portion, sizeof(portion), (off_t)t->text.len)) > 0)
		if (!bytes_add(&t->text, portion, (size_t)got, &why))
			return err_set(e, E_CAPTURE, "the capture: %s", why.what);
	if (got < 0)
		return err_errno(e, E_CAPTURE, "reading the capture");
	if (!bytes_text(&t->text) || memchr(t->text.data, '\0', t->text.len) ||
	    strncmp(bytes_text(&t->text), CAPTURE_FIRST_LINE "\n", strlen(CAPTURE_FIRST_LINE) + 1) != 0)
		return err_set(e, E_CAPTURE, "the file does not begin with \"" CAPTURE_FIRST_LINE "\"");
	t->next = (char *)t->text.data;
	return true;
}

static void replay_end(struct wrap *w)
{
	bytes_fini(&((struct tape *)w->own)->text);
}

static bool replay_args(const char *args, struct err *e)
{
	return *args == '/' || err_set(e, E_CONFIG, "replay wants the absolute path of a capture: replay(/PATH):DRIVER");
}

const struct wrapper replay_wrapper = {
	.name = "replay",
	.own_size = sizeof(struct tape),
	.args_are_good = replay_args,
	.begin = replay_begin,
	.around = replay_around,
	.end = replay_end,
};
