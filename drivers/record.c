/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the conversation with a unit down (drivers/capture.h), into the file that the launcher opened. A file that takes no
 * more, or that is full, ends the recording and not the unit's job. */
#include "drivers/capture.h"
#include "station/base/clock.h"
#include "station/base/text.h"

#include <string.h>
#include <unistd.h>

struct recording {
	size_t written;
	bool over;
};

/* A call whose evidence is written down on its way. */
struct tap {
	struct wrap *w;
	const struct driver_call *call;
};

static void put(struct wrap *w, const struct bytes *line)
{
	struct recording *r = w->own;
	if (r->over || w->port.file < 0)
		return;
	r->over = r->written + line->len > CAPTURE_MAX || write(w->port.file, line->data, line->len) != (ssize_t)line->len;
	r->written += line->len;
}

/* One line: a word, a name, and bytes in hex, or "-". */
static void put_bytes(struct wrap *w, char mark, const char *name, const void *data, size_t len, bool secret)
{
	char hex[2 * EVIDENCE_MAX + 1] = "-";
	AUTO(bytes) struct bytes line = {0};
	struct err ignored = {0};
	if (len > EVIDENCE_MAX)
		return;
	if (!secret)
		hex_encode(data, len, hex);
	if (bytes_printf(&line, &ignored, "%c %s %s\n", mark, name, hex))
		put(w, &line);
}

static bool listen_in(void *ctx, enum evidence_kind kind, const void *data, size_t len, struct err *e)
{
	const struct tap *t = ctx;
	if (evidence_name(kind))
		put_bytes(t->w, '*', evidence_name(kind), data, len, evidence_is_secret(kind));
	return !t->call->evidence || t->call->evidence(t->call->evidence_ctx, kind, data, len, e);
}

static void put_field(struct wrap *w, const struct capture_field *f, const uint8_t *result)
{
	AUTO(bytes) struct bytes line = {0};
	struct err ignored = {0};
	const uint8_t *p = result + f->offset;
	bool ok = false;
	switch (f->form) {
	case CAPTURE_TEXT:
		/* What is no text is refused by the line; here it must not break a line. */
		ok = bytes_printf(&line, &ignored, "= %s %.*s\n", f->name,
				  text_is_printable((const char *)p, strnlen((const char *)p, f->size)) ? (int)f->size : 0, (const char *)p);
		break;
	case CAPTURE_BOOL:
		ok = bytes_printf(&line, &ignored, "= %s %u\n", f->name, *p);
		break;
	case CAPTURE_HEX: case CAPTURE_SECRET:
		put_bytes(w, '=', f->name, p, f->size, f->form == CAPTURE_SECRET);
		break;
	}
	if (ok)
		put(w, &line);
}

static void put_end(struct wrap *w, bool ok, int64_t took_ms, const struct err *e)
{
	AUTO(bytes) struct bytes line = {0};
	struct err ignored = {0};
	bool said = ok ? bytes_printf(&line, &ignored, ". ok %lld ms\n", (long long)took_ms)
		       : bytes_printf(&line, &ignored, ". %s %s\n", err_row(e->code)->code,
				      text_is_printable(e->what, strlen(e->what)) ? e->what : "?");
	if (said)
		put(w, &line);
}

static bool record_around(struct wrap *w, const struct wrap_call *c, struct err *e)
{
	AUTO(bytes) struct bytes line = {0};
	struct err ignored = {0};
	struct tap tap = {w, c->call};
	struct driver_call call = *c->call;
	struct wrap_call tapped = *c;
	int64_t began_ms = clock_steady_ms();
	call.evidence = listen_in;
	call.evidence_ctx = &tap;
	tapped.call = &call;
	if (bytes_printf(&line, &ignored, "> %s\n", moment_name(c->moment)))
		put(w, &line);
	bool ok = wrap_inner(w, &tapped, e);
	for (const struct capture_field *f = capture_fields; ok && f->name; f++)
		if (f->moment == c->moment)
			put_field(w, f, c->result);
	put_end(w, ok, clock_steady_ms() - began_ms, e);
	return ok;
}

static bool record_begin(struct wrap *w, const char *args, struct err *e)
{
	AUTO(bytes) struct bytes line = {0};
	if (!bytes_printf(&line, e, CAPTURE_FIRST_LINE "\n# of a unit behind %s\n", w->inner->name))
		return false;
	put(w, &line);
	return true;
}

static bool record_args(const char *args, struct err *e)
{
	return !*args || err_set(e, E_CONFIG, "record takes nothing in parentheses");
}

const struct wrapper record_wrapper = {
	.name = "record",
	.own_size = sizeof(struct recording),
	.args_are_good = record_args,
	.begin = record_begin,
	.around = record_around,
};
