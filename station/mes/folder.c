/* SPDX-License-Identifier: Apache-2.0 */
/* The folder adapter: result files out, each whole or not there, under a name that is the same when the event comes again; and
 * allow lists in. */
#include "station/mes/mes.h"
#include "station/base/file.h"
#include "station/base/text.h"
#include "station/mes/record.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIST_MAX ((size_t)32 << 20)

struct mes {
	char out[PATH_MAX], in[PATH_MAX], station[65];
	bool json, csv, openhtf;
};

static bool configured(const struct mes_setup *setup)
{
	return setup->folder_out && setup->folder_out[0];
}

/* What a power cut left half written: no reader takes it, and nobody else removes it. */
static void remove_halves(const struct mes *m)
{
	DIR *dir = opendir(m->out);
	size_t mine = strlen(m->station);
	for (struct dirent *d; dir && (d = readdir(dir));) {
		size_t n = strlen(d->d_name);
		if (!strncmp(d->d_name, m->station, mine) && d->d_name[mine] == '_' && n > 4 && !strcmp(d->d_name + n - 4, ".tmp"))
			unlinkat(dirfd(dir), d->d_name, 0);
	}
	if (dir)
		closedir(dir);
}

static bool open_folder(const struct mes_setup *setup, struct mes **ret, struct err *e)
{
	struct mes *m = calloc(1, sizeof(*m));
	if (!m)
		return err_set(e, E_NOMEM, "folder");
	m->json = strstr(setup->folder_format, "json") != NULL;
	m->csv = strstr(setup->folder_format, "csv") != NULL;
	m->openhtf = strstr(setup->folder_format, "openhtf") != NULL;
	if (TEXT_COPY(m->out, setup->folder_out, e) && TEXT_COPY(m->in, setup->folder_in ? setup->folder_in : "", e) &&
	    TEXT_COPY(m->station, setup->station, e)) {
		remove_halves(m);
		*ret = m;
		return true;
	}
	free(m);
	return false;
}

static void close_folder(struct mes *m)
{
	free(m);
}

/* Only what every file system and every importer takes. */
static void add_safe(char *out, size_t room, const char *text)
{
	size_t n = strlen(out);
	for (; *text && n + 1 < room; text++)
		out[n++] = isascii(*text) && (isalnum((unsigned char)*text) || strchr("-._", *text)) ? *text : '_';
	out[n] = '\0';
}

/* "2026-11-23T05:00:00.123Z" → "20261123T050000Z". */
static void add_basic_time(char *out, size_t room, const char *time)
{
	char basic[20] = "";
	size_t n = 0;
	for (const char *p = time; *p && *p != '.' && n + 2 < sizeof(basic); p++)
		if (*p != '-' && *p != ':')
			basic[n++] = *p;
	basic[n] = 'Z';
	add_safe(out, room, basic);
}

/* STATION_TIME_UNIT_ID.ext: the same for the same event, however often it is delivered. */
static void name_of(const struct mes *m, const json_t *event, const char *ext, char *out, size_t room)
{
	out[0] = '\0';
	add_safe(out, room, m->station);
	add_safe(out, room, "_");
	add_basic_time(out, room, json_text_or(event, "time", ""));
	add_safe(out, room, "_");
	add_safe(out, room, *json_text_or(event, "unit", "") ? json_text_or(event, "unit", "") : json_text_or(event, "type", ""));
	add_safe(out, room, "_");
	add_safe(out, room, json_text_or(event, "id", ""));
	add_safe(out, room, ext);
}

static bool write_one(const struct mes *m, const json_t *event, const char *ext, const struct bytes *text, struct err *e)
{
	char name[256], path[PATH_MAX + 256];
	struct err why = {0};
	name_of(m, event, ext, name, sizeof(name));
	snprintf(path, sizeof(path), "%s/%s", m->out, name);
	/* A full disk or a share that is away is the MES's outage, not the line's. */
	return file_write_atomic(path, text->data, text->len, 0644, &why) || err_native(e, E_MES, why.native, "%s", why.what);
}

/* Whatever keeps one event from being written keeps all: a folder judges no event. */
static bool deliver(struct mes *m, const json_t *event, int64_t deadline_ms, int64_t *ret_again_ms, struct err *e)
{
	AUTO(bytes) struct bytes json = {0}, csv = {0}, openhtf = {0};
	bool result = !strcmp(json_text_or(event, "type", ""), "unit.result");
	if (m->json || !result)
		if (!json_canonical(event, &json, e) || !bytes_add_text(&json, "\n", e) || !write_one(m, event, ".json", &json, e))
			return false;
	if (m->csv && result && (!record_csv(event, &csv, e) || !write_one(m, event, ".csv", &csv, e)))
		return false;
	return !m->openhtf || !result || (record_openhtf(event, &openhtf, e) && write_one(m, event, ".openhtf.json", &openhtf, e));
}

/* ---- allow lists ---- */

static bool line_is(const char *text, const char *label)
{
	size_t n = strlen(label);
	for (const char *p = text; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		size_t line = strcspn(p, "\r\n");
		if (line == n && !memcmp(p, label, n))
			return true;
	}
	return false;
}

/* A list is a file of labels, one per line. One that cannot be read lists nobody. */
static bool file_lists(const struct mes *m, const char *name, const char *label)
{
	char path[2 * PATH_MAX];
	struct err ignored = {0};
	AUTO(bytes) struct bytes text = {.max = LIST_MAX};
	size_t n = strlen(name);
	if (name[0] == '.' || n < 5 || strcmp(name + n - 4, ".txt") != 0)
		return false;
	snprintf(path, sizeof(path), "%s/allow/%s", m->in, name);
	return file_read(path, &text, &ignored) && line_is(bytes_text(&text), label);
}

static bool listed(struct mes *m, const char *label, struct err *e)
{
	char path[PATH_MAX + 8];
	bool found = false;
	if (!m->in[0])
		return false;
	snprintf(path, sizeof(path), "%s/allow", m->in);
	DIR *dir = opendir(path);
	for (struct dirent *d; dir && !found && (d = readdir(dir));)
		found = file_lists(m, d->d_name, label);
	if (dir)
		closedir(dir);
	return found;
}

extern const struct mes_adapter mes_folder;
const struct mes_adapter mes_folder = {
	.name = "folder", .configured = configured, .open = open_folder, .close = close_folder, .deliver = deliver, .listed = listed,
};
