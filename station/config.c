/* SPDX-License-Identifier: Apache-2.0 */
#include "station/config.h"
#include "station/config_table.h"

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
#define MISTAKES_MAX 100
#define SECTIONS_MAX (3 + CONFIG_PROFILES_MAX + CONFIG_SLOTS_MAX)

/* libinih tells nothing of a section's start, and no line numbers. The reader below counts lines, and behind each "[…]" it adds
 * a line with this name: so the handler hears of empty and repeated sections too. No line of the file can hold the name, as lines
 * with control characters are not handed on. */
#define SECTION_STARTS "\x01"

struct mistakes {
	struct mistake {
		int line;
		size_t order;	/* in which it was found */
		char text[320];
	} list[MISTAKES_MAX];
	size_t count, more;
};

struct reading {
	struct config *c;
	struct mistakes *m;
	char dir[PATH_MAX];
	const char *next, *end;	/* what libinih has not read yet */
	int line;
	bool section_starts;
	struct config_seen seen[SECTIONS_MAX], *now;	/* now: the section that names belong to; NULL: they are skipped */
};

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

/* The next line without leading white space, which would make it a continuation; "\n" in place of one that cannot be. */
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

/* ---- did you mean ---- */

/* Edits between two short words, counting a swap of neighbours as one; large when a word is long. */
static int distance(const char *a, const char *b)
{
	int d[34][34];
	int n = (int)strlen(a), m = (int)strlen(b);
	if (n > 32 || m > 32)
		return 99;
	for (int i = 0; i <= n; i++)
		for (int k = 0; k <= m; k++) {
			if (!i || !k) {
				d[i][k] = i + k;
				continue;
			}
			int same = d[i - 1][k - 1] + (a[i - 1] != b[k - 1]);
			int skip = 1 + (d[i - 1][k] < d[i][k - 1] ? d[i - 1][k] : d[i][k - 1]);
			d[i][k] = same < skip ? same : skip;
			bool swap = i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1];
			if (swap && d[i - 2][k - 2] + 1 < d[i][k])
				d[i][k] = d[i - 2][k - 2] + 1;
		}
	return d[n][m];
}

/* Of one of the words: the nearest one that may be meant; NULL for none. */
static const char *nearer(const char *word, const char *candidate, const char *best)
{
	int d = distance(word, candidate);
	if (d > 3 || d * 2 >= (int)strlen(candidate) + 1)
		return best;
	return !best || d < distance(word, best) ? candidate : best;
}

/* Only what looks like a name is repeated in a message: anything else could be the torn-off half of a secret. */
static bool looks_like_name(const char *text)
{
	size_t n = strlen(text);
	return n > 0 && n <= 32 && strspn(text, "abcdefghijklmnopqrstuvwxyz_-") == n;
}

static void unknown_name(struct reading *r, const char *name)
{
	const char *best = NULL, *elsewhere = NULL;
	const char *section = config_section_names[r->now->section];
	if (!looks_like_name(name)) {
		mistake_add(r->m, r->line, "this is no name of [%s]", section);
		return;
	}
	for (size_t i = 0; i < config_row_count; i++) {
		const struct config_row *row = &config_rows[i];
		if (row->section == r->now->section)
			best = nearer(name, row->name, best);
		else if (!strcmp(row->name, name))
			elsewhere = config_section_names[row->section];
	}
	if (elsewhere)
		mistake_add(r->m, r->line, "[%s] has no \"%s\"; it belongs to [%s]", section, name, elsewhere);
	else if (best)
		mistake_add(r->m, r->line, "[%s] has no \"%s\"; did you mean %s?", section, name, best);
	else
		mistake_add(r->m, r->line, "[%s] has no \"%s\"", section, name);
}

/* ---- sections ---- */

static void unknown_section(struct reading *r, const char *text)
{
	const char *best = NULL;
	char word[33] = "";
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(text, " \t:"), text);
	for (int i = 0; i < SECTION_KINDS; i++)
		best = nearer(word, config_section_names[i], best);
	if (best && looks_like_name(word))
		mistake_add(r->m, r->line, "there is no section [%s]; did you mean [%s]?", word, best);
	else
		mistake_add(r->m, r->line, "there is no such section; known are [station] [ca] [dps] [profile NAME] [slot NAME]");
}

static bool member_name_is_good(const char *name)
{
	size_t n = strlen(name);
	return n > 0 && n <= 32 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") == n;
}

/* The place of a section: fixed for the first three, the next free one for profiles and slots. NULL when there are too many. */
static struct config_seen *section_place(struct reading *r, enum config_section kind, const char *name)
{
	struct config *c = r->c;
	if (kind == SECTION_PROFILE) {
		for (size_t i = 0; i < c->profile_count; i++)
			if (!strcmp(c->profile[i].name, name))
				return &r->seen[3 + i];
		if (c->profile_count == CONFIG_PROFILES_MAX)
			return NULL;
		memcpy(c->profile[c->profile_count].name, name, strlen(name) + 1);
		return &r->seen[3 + c->profile_count++];
	}
	if (kind == SECTION_SLOT) {
		for (size_t i = 0; i < c->slot_count; i++)
			if (!strcmp(c->slot[i].name, name))
				return &r->seen[3 + CONFIG_PROFILES_MAX + i];
		if (c->slot_count == CONFIG_SLOTS_MAX)
			return NULL;
		memcpy(c->slot[c->slot_count].name, name, strlen(name) + 1);
		return &r->seen[3 + CONFIG_PROFILES_MAX + c->slot_count++];
	}
	return &r->seen[kind];
}

static void section_start(struct reading *r, const char *text)
{
	size_t word = strcspn(text, " \t");
	const char *name = text + word + strspn(text + word, " \t");
	int kind = 0;
	while (kind < SECTION_KINDS &&
	       (strlen(config_section_names[kind]) != word || strncmp(text, config_section_names[kind], word)))
		kind++;
	r->now = NULL;
	if (kind == SECTION_KINDS) {
		unknown_section(r, text);
		return;
	}
	bool named = kind == SECTION_PROFILE || kind == SECTION_SLOT;
	if (named && !member_name_is_good(name)) {
		mistake_add(r->m, r->line, "[%s NAME] needs a name of at most 32 letters, digits, - . _",
			    config_section_names[kind]);
		return;
	}
	if (!named && *name) {
		mistake_add(r->m, r->line, "[%s] takes no name", config_section_names[kind]);
		return;
	}
	struct config_seen *place = section_place(r, (enum config_section)kind, name);
	if (!place) {
		mistake_add(r->m, r->line, "more than %d sections [%s …]",
			    kind == SECTION_SLOT ? CONFIG_SLOTS_MAX : CONFIG_PROFILES_MAX, config_section_names[kind]);
		return;
	}
	if (place->line)
		mistake_add(r->m, r->line, "this section is here twice; the first is on line %d", place->line);
	else
		*place = (struct config_seen){.section = (enum config_section)kind, .line = r->line};
	r->now = place;
}

/* ---- names and values ---- */

/* The struct that the section's rows count their offsets in. */
static void *section_struct(struct reading *r, const struct config_seen *s)
{
	ptrdiff_t i = s - r->seen;
	if (s->section == SECTION_PROFILE)
		return &r->c->profile[i - 3];
	if (s->section == SECTION_SLOT)
		return &r->c->slot[i - 3 - CONFIG_PROFILES_MAX];
	return r->c;
}

static void take_value(struct reading *r, struct config_seen *s, const struct config_row *row, const char *text, int line)
{
	struct err e = {0};
	struct config_value v = {row, text, r->dir, (char *)section_struct(r, s) + row->offset};
	if (!row->take(&v, &e))
		mistake_add(r->m, line, "%s", e.what);
	if (row->take == value_profile && !TEXT_COPY(s->profile_name, text, &e))
		mistake_add(r->m, line, "profile: no name is that long");
}

/* An ini_handler; 1 goes on. */
static int name_given(void *ctx, const char *section, const char *name, const char *value)
{
	struct reading *r = ctx;
	if (!strcmp(name, SECTION_STARTS)) {
		section_start(r, section);
		return 1;
	}
	if (!*section)
		mistake_add(r->m, r->line, "this stands before the first [section]");
	if (!r->now)
		return 1;
	size_t i = 0;
	while (i < config_row_count && (config_rows[i].section != r->now->section || strcmp(config_rows[i].name, name)))
		i++;
	if (i == config_row_count)
		unknown_name(r, name);
	else if (r->now->at[i])
		mistake_add(r->m, r->line, "%s is here twice; the first is on line %d", name, r->now->at[i]);
	else if (!value || !*value)
		mistake_add(r->m, r->line, "%s has no value", name);
	else
		take_value(r, r->now, &config_rows[i], value, r->line);
	if (i < config_row_count && !r->now->at[i])
		r->now->at[i] = r->line;
	return 1;
}

/* What was not given: the default, or a mistake. */
static void take_defaults(struct reading *r, struct config_seen *s)
{
	for (size_t i = 0; i < config_row_count; i++) {
		const struct config_row *row = &config_rows[i];
		if (row->section != s->section || s->at[i])
			continue;
		if (!row->otherwise)
			mistake_add(r->m, s->line, "%s is missing", row->name);
		else if (row->otherwise[0])
			take_value(r, s, row, row->otherwise, s->line);
	}
}

static void check_all(struct reading *r)
{
	struct config *c = r->c;
	for (int kind = 0; kind < 3; kind++)
		if (!r->seen[kind].line)
			mistake_add(r->m, r->line ? r->line : 1, "section [%s] is missing", config_section_names[kind]);
	for (size_t i = 0; i < SECTIONS_MAX; i++)
		if (r->seen[i].line)
			take_defaults(r, &r->seen[i]);
	if (c->slot_count == 0)
		mistake_add(r->m, r->line ? r->line : 1, "there is no [slot NAME]");
	config_check_dps(c, &r->seen[SECTION_DPS], r->m);
	for (size_t i = 0; i < c->profile_count; i++) {
		c->profile[i].line = r->seen[3 + i].line;
		config_check_profile(&c->profile[i], &r->seen[3 + i], r->m);
	}
	for (size_t i = 0; i < c->slot_count; i++)
		c->slot[i].line = r->seen[3 + CONFIG_PROFILES_MAX + i].line;
	config_check_slots(c, r->seen + 3 + CONFIG_PROFILES_MAX, r->m);
	if (!c->log_origin[0])
		snprintf(c->log_origin, sizeof(c->log_origin), "%s.station", c->name);
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
	if (ini_parse_stream(line_read, r, name_given, r) < 0)
		return err_set(e, E_NOMEM, "reading %s", path);
	check_all(r);
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
	}
	free(c);
}

bool config_state_path(const struct config *c, const char *name, char *out, size_t room, struct err *e)
{
	if (snprintf(out, room, "%s/%s", c->state_dir, name) >= (int)room)
		return err_set(e, E_CONFIG, "path too long: %.64s…/%s", c->state_dir, name);
	return true;
}
