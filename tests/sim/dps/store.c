/* SPDX-License-Identifier: Apache-2.0 */
#include "store.h"

#include "util.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_ROOM 200

static const char *const shelf_dir[SHELVES] = {
	[SHELF_GROUPS] = "groups",
	[SHELF_ENROLLMENTS] = "enrollments",
	[SHELF_REGISTRATIONS] = "registrations",
	[SHELF_OPERATIONS] = "operations",
	[SHELF_CERTIFICATES] = "certificates",
	[SHELF_DEVICES] = "devices",
	[SHELF_TWINS] = "twins",
	[SHELF_CHALLENGES] = "challenges",
	[SHELF_COUNTS] = "counts",
};

const char *store_shelf_name(enum shelf shelf)
{
	return shelf_dir[shelf];
}

/* The key where a file system takes it as it is, percent-encoded else; a hash when too long. */
static char *file_name(const char *key)
{
	char name[3 * 512 + 1];
	size_t n = 0;
	for (const char *c = key; *c && n < sizeof name - 4; c++) {
		bool plain = isalnum((unsigned char)*c) || (strchr("-_:.", *c) && c != key);
		n += (size_t)snprintf(name + n, 4, plain ? "%c" : "%%%02X", (unsigned char)*c);
	}
	name[n] = '\0';
	if (n <= NAME_ROOM)
		return text_of("%s.json", name);
	uint8_t hash[SHA256_DIGEST_LENGTH];
	SHA256((const uint8_t *)key, strlen(key), hash);
	AUTO_TEXT hex = hex_of(hash, sizeof hash);
	return text_of("%s.json", hex);
}

/* Makes the directory and those above it. */
static bool make_dir(const char *path)
{
	AUTO_TEXT above = text_of("%s", path);
	for (char *slash = strchr(above + 1, '/'); *above && slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(above, 0700);
		*slash = '/';
	}
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return true;
	fprintf(stderr, "dps-emulator: cannot make %s: %s\n", path, strerror(errno));
	return false;
}

static bool load_record(json_t *shelf, const char *path)
{
	json_error_t why;
	json_auto_t *doc = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
	const char *key = json_string_value(json_object_get(doc, "key"));
	json_t *value = json_object_get(doc, "value");
	if (!key || !json_is_object(value)) {
		fprintf(stderr, "dps-emulator: %s is not a record: %s\n", path, why.text);
		return false;
	}
	return json_object_set(shelf, key, value) == 0;
}

static bool load_shelf(struct store *s, enum shelf shelf)
{
	AUTO_TEXT path = text_of("%s/%s", s->dir, shelf_dir[shelf]);
	s->shelf[shelf] = must(json_object());
	if (!make_dir(path))
		return false;
	DIR *d = opendir(path);
	if (!d)
		return false;
	bool ok = true;
	for (struct dirent *f = readdir(d); ok && f; f = readdir(d)) {
		if (f->d_name[0] == '.' || !text_ends(f->d_name, ".json"))
			continue;
		AUTO_TEXT file = text_of("%s/%s", path, f->d_name);
		ok = load_record(s->shelf[shelf], file);
	}
	closedir(d);
	return ok;
}

bool store_open(struct store *s, const char *dir)
{
	s->dir = text_of("%s", dir);
	if (!make_dir(dir))
		return false;
	for (enum shelf i = 0; i < SHELVES; i++)
		if (!load_shelf(s, i))
			return false;
	return true;
}

void store_close(struct store *s)
{
	for (enum shelf i = 0; i < SHELVES; i++)
		json_decref(s->shelf[i]);
	free(s->dir);
	*s = (struct store){0};
}

json_t *store_get(const struct store *s, enum shelf shelf, const char *key)
{
	return json_object_get(s->shelf[shelf], key);
}

static bool write_json(const char *dir, const char *name, const json_t *doc)
{
	AUTO_TEXT text = must(json_dumps(doc, JSON_INDENT(2)));
	return file_write(dir, name, 0600, text, strlen(text));
}

bool store_put(struct store *s, enum shelf shelf, const char *key, json_t *take)
{
	json_auto_t *doc = must(json_pack("{s:s, s:o}", "key", key, "value", must(take)));
	AUTO_TEXT dir = text_of("%s/%s", s->dir, shelf_dir[shelf]);
	AUTO_TEXT name = file_name(key);
	if (!write_json(dir, name, doc))
		return false;
	return json_object_set(s->shelf[shelf], key, take) == 0;
}

void store_remove(struct store *s, enum shelf shelf, const char *key)
{
	AUTO_TEXT name = file_name(key);
	AUTO_TEXT path = text_of("%s/%s/%s", s->dir, shelf_dir[shelf], name);
	unlink(path);
	json_object_del(s->shelf[shelf], key);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

const char **store_keys(const struct store *s, enum shelf shelf, size_t *ret_n)
{
	const char **keys = must(calloc(json_object_size(s->shelf[shelf]) + 1, sizeof *keys));
	const char *key = NULL;
	json_t *value = NULL;
	size_t n = 0;
	json_object_foreach(s->shelf[shelf], key, value)
		keys[n++] = key;
	qsort(keys, n, sizeof *keys, by_text);
	*ret_n = n;
	return keys;
}

json_t *store_read_document(const struct store *s, const char *name)
{
	AUTO_TEXT path = text_of("%s/%s", s->dir, name);
	return json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
}

bool store_write_document(const struct store *s, const char *name, const json_t *doc)
{
	return write_json(s->dir, name, doc);
}
