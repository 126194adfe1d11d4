/* SPDX-License-Identifier: Apache-2.0 */
#include "station/config.h"
#include "station/config_reading.h"

#include "station/base/file.h"
#include "station/base/sha256.h"
#include "station/base/text.h"

#include <ctype.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_LEN 2000
#define FILE_MAX_LEN ((size_t)256 << 10)

void mistake_add(struct mistakes *m, int line, const char *fmt, ...)
{
	va_list ap;
	if (m->count == MISTAKES_MAX) {
		m->more++;
		return;
	}
	struct mistake *x = &m->list[m->count];
	x->order = m->count++;
	x->line = line;
	va_start(ap, fmt);
	vsnprintf(x->text, sizeof(x->text), fmt, ap);
	va_end(ap);
}

/* ---- lines ---- */

static bool line_is_clean(const char *line, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (iscntrl((unsigned char)line[i]) && line[i] != '\t' && !(line[i] == '\r' && i + 1 == len))
			return false;
	return true;
}

/* The next line without leading white space, which would make it a continuation; "\n" in place
 * of one that cannot be. */
static void line_copy(struct reading *r, const char *line, size_t len, char *out)
{
	while (len && (*line == ' ' || *line == '\t')) {
		line++;
		len--;
	}
	const char *wrong = len > LINE_MAX_LEN ? "the line is too long" :
			    !line_is_clean(line, len) ? "the line holds control characters" :
			    len && line[0] == '[' && !memchr(line, ']', len) ? "the section's name lacks its ]" : NULL;
	if (wrong) {
		mistake_add(r->m, r->line, "%s", wrong);
		if (len && line[0] == '[')
			r->now = NULL;	/* what follows belongs to a section that is unknown */
		len = 0;
	}
	memcpy(out, line, len);
	memcpy(out + len, "\n", 2);
	r->section_starts = len && line[0] == '[';
}

/* An ini_reader. `room` is ini_max_line. */
static char *line_read(char *out, int room, void *ctx)
{
	struct reading *r = ctx;
	if (r->section_starts) {
		r->section_starts = false;
		snprintf(out, (size_t)room, SECTION_STARTS "=\n");
		return out;
	}
	if (r->next == r->end)
		return NULL;
	const char *newline = memchr(r->next, '\n', (size_t)(r->end - r->next));
	const char *stop = newline ? newline : r->end;
	r->line++;
	line_copy(r, r->next, (size_t)(stop - r->next), out);
	r->next = newline ? newline + 1 : r->end;
	return out;
}

/* ---- the file ---- */

static int by_line(const void *a, const void *b)
{
	const struct mistake *x = a, *y = b;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

static bool mistakes_print(struct mistakes *m, const char *path, struct bytes *ret, struct err *e)
{
	qsort(m->list, m->count, sizeof(m->list[0]), by_line);
	for (size_t i = 0; i < m->count; i++)
		if (!bytes_printf(ret, e, "%s:%d: %s\n", path, m->list[i].line, m->list[i].text))
			return false;
	if (m->more && !bytes_printf(ret, e, "%s: and %zu more\n", path, m->more))
		return false;
	if (!m->count)
		return true;
	return err_set(e, E_CONFIG, "%s: %zu mistake%s", path, m->count + m->more, m->count + m->more == 1 ? "" : "s");
}

static bool directory_of(const char *path, char out[static PATH_MAX], struct err *e)
{
	AUTO_FREE char *real = realpath(path, NULL);
	if (!real)
		return err_errno(e, E_FILE, "%s", path);
	*strrchr(real, '/') = '\0';
	return text_copy(out, PATH_MAX, real, e);
}

static bool read_file(struct reading *r, const char *path, struct bytes *ret_mistakes, struct err *e)
{
	AUTO(bytes) struct bytes text = {.max = FILE_MAX_LEN};
	if (!file_read(path, &text, e) || !directory_of(path, r->dir, e) || !TEXT_COPY(r->c->path, path, e))
		return false;
	sha256_of(text.data, text.len, r->c->sha256);
	r->next = bytes_text(&text);
	r->end = r->next + text.len;
	if (text.len >= 3 && !memcmp(r->next, "\xef\xbb\xbf", 3))
		r->next += 3;
	ini_max_line = LINE_MAX_LEN + 3;
	ini_allow_no_value = true;	/* else a line without "=" would be no more than the number of the first one */
	if (ini_parse_stream(line_read, r, config_name_given, r) < 0)
		return err_set(e, E_NOMEM, "reading %s", path);
	config_complete(r);
	return mistakes_print(r->m, path, ret_mistakes, e);
}

bool config_load(const char *path, struct config **ret, struct bytes *ret_mistakes, struct err *e)
{
	struct reading *r = calloc(1, sizeof(*r));
	struct mistakes *m = calloc(1, sizeof(*m));
	struct config *c = calloc(1, sizeof(*c));
	bool ok = (r && m && c) || err_set(e, E_NOMEM, "reading %s", path);
	if (ok) {
		r->c = c;
		r->m = m;
		ok = read_file(r, path, ret_mistakes, e);
	}
	free(r);
	free(m);
	if (!ok) {
		config_free(c);
		c = NULL;
	}
	*ret = c;
	return ok;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < CONFIG_PROFILES_MAX; i++) {
		for (size_t k = 0; k < CONFIG_ROOTS_MAX; k++) {
			bytes_fini(&c->profile[i].ek_roots[k]);
			bytes_fini(&c->profile[i].ek_intermediates[k]);
		}
		bytes_fini(&c->profile[i].twin);
	}
	free(c);
}

bool config_state_path(const struct config *c, const char *name, char *out, size_t room, struct err *e)
{
	if (snprintf(out, room, "%s/%s", c->state_dir, name) >= (int)room)
		return err_set(e, E_CONFIG, "path too long: %.64s…/%s", c->state_dir, name);
	return true;
}
