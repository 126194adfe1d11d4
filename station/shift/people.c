/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/people.h"
#include "certs/hmac.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/base/json.h"
#include "station/base/text.h"
#include "station/shift/pin.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#define FILE_MAX ((size_t)1 << 20)
#define KEY 32
#define BADGE_MOST 256
#define BADGE_WORD "BADGE:"	/* in front of a code (scan.c), and no part of the badge */

/* ---- roles ---- */

static const struct {
	const char *name;
	bool may[DO_COUNT];
} roles[] = {
	[ROLE_OPERATOR] = {"operator", {[DO_WORK] = true, [DO_OPEN_LOT] = true}},
	[ROLE_LEAD] = {"lead", {[DO_WORK] = true, [DO_OPEN_LOT] = true, [DO_CLOSE_LOT] = true, [DO_OVERRIDE] = true, [DO_REVERT] = true,
				  [DO_REVOKE] = true, [DO_CUSTODY] = true}},
	[ROLE_MAINTAINER] = {"engineer", {[DO_WORK] = true, [DO_OPEN_LOT] = true, [DO_REVERT] = true, [DO_REVOKE] = true,
					    [DO_CUSTODY] = true}},
};
static const char *const doings[] = {
	[DO_WORK] = "work", [DO_OPEN_LOT] = "open a lot", [DO_CLOSE_LOT] = "close a lot", [DO_OVERRIDE] = "release what the MES holds",
	[DO_REVERT] = "revert a lot", [DO_REVOKE] = "revoke an identity", [DO_CUSTODY] = "stand for clock and count",
};

const char *role_name(enum role role)
{
	return roles[role].name;
}

bool role_named(const char *name, enum role *ret)
{
	for (size_t i = 0; i < COUNT_OF(roles); i++) {
		if (strcmp(roles[i].name, name) != 0)
			continue;
		*ret = (enum role)i;
		return true;
	}
	return false;
}

const char *doing_name(enum doing doing)
{
	return doings[doing];
}

bool role_may(enum role role, enum doing doing)
{
	return roles[role].may[doing];
}

/* ---- the file ---- */

struct people {
	char path[PATH_MAX];
	pthread_mutex_t lock;	/* what follows */
	struct stat seen;	/* of the file as it was read */
	json_t *file;
	struct {
		char id[PERSON_ID];
		int wrong;	/* in a row */
		int64_t locked_until_ms;	/* steady */
	} tries[PEOPLE_MAX];
};

static bool is_person(const json_t *j)
{
	enum role role;
	const char *id = json_text_or(j, "id", ""), *name = json_text_or(j, "name", "");
	return json_object_size(j) == 5 && *id && strlen(id) < PERSON_ID && *name && strlen(name) < PERSON_NAME &&
	       role_named(json_text_or(j, "role", ""), &role) && json_is_string(json_object_get(j, "badge")) &&
	       json_is_string(json_object_get(j, "pin"));
}

static bool check_form(const json_t *file, struct err *e)
{
	size_t i;
	const json_t *person, *list = json_object_get(file, "people");
	if (json_int_or(file, "version", 0) != 1 || strlen(json_text_or(file, "badge_key", "")) != 2 * KEY || !json_is_array(list) ||
	    json_array_size(list) > PEOPLE_MAX)
		return err_set(e, E_PEOPLE, "it is no file of `station people`");
	json_array_foreach(list, i, person)
		if (!is_person(person))
			return err_set(e, E_PEOPLE, "person %zu of the file is not of the form", i + 1);
	return true;
}

static bool check_rights(const char *path, struct stat *st, struct err *e)
{
	if (stat(path, st) < 0)
		return err_errno(e, E_FILE, "%s", path);
	if (!S_ISREG(st->st_mode) || (st->st_mode & 077))
		return err_set(e, E_SECRET, "%s must be a file of mode 0600", path);
	return true;
}

static bool read_file(const char *path, json_t **ret, struct stat *st, struct err *e)
{
	AUTO(bytes) struct bytes text = {.max = FILE_MAX, .secret = true};
	AUTO(json) json_t *file = NULL;
	struct err why = {0};
	if (!check_rights(path, st, e) || !file_read(path, &text, e))
		return false;
	if (!json_parse(bytes_text(&text), text.len, &file, &why))
		return err_set(e, E_PEOPLE, "it is not JSON");
	if (!check_form(file, e))
		return false;
	*ret = json_incref(file);
	return true;
}

/* A file that is written anew is another inode, also within one tick of the clock. */
static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_mode == b->st_mode;
}

/* With the lock held: the file as it is now. */
static bool refresh(struct people *p, struct err *e)
{
	struct stat st;
	json_t *file = NULL;
	if (p->file && stat(p->path, &st) == 0 && is_same(&st, &p->seen))
		return true;
	if (!read_file(p->path, &file, &st, e))
		return false;
	json_decref(p->file);
	p->file = file;
	p->seen = st;
	return true;
}

bool people_open(const char *path, struct people **ret, struct err *e)
{
	struct people *p = calloc(1, sizeof(*p));
	if (!p)
		return err_set(e, E_NOMEM, "people");
	pthread_mutex_init(&p->lock, NULL);
	if (!TEXT_COPY(p->path, path, e) || !refresh(p, e)) {
		people_close(p);
		return false;
	}
	*ret = p;
	return true;
}

void people_close(struct people *p)
{
	if (!p)
		return;
	json_decref(p->file);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static void take_person(const json_t *j, struct person *ret)
{
	struct err ignored = {0};
	*ret = (struct person){.removed = !*json_text_or(j, "badge", "")};
	bool ok = TEXT_COPY(ret->id, json_text_or(j, "id", ""), &ignored) && TEXT_COPY(ret->name, json_text_or(j, "name", ""), &ignored) &&
		  role_named(json_text_or(j, "role", ""), &ret->role);
	if (!ok)
		*ret = (struct person){.removed = true};
}

/* ---- badges and PINs ---- */

static bool badge_hash(const json_t *file, const char *badge, char ret[static 2 * SHA256_SIZE + 1], struct err *e)
{
	uint8_t key[KEY], hash[SHA256_SIZE];
	/* A scanner gives the whole code, also where nothing routes it. */
	if (!strncmp(badge, BADGE_WORD, strlen(BADGE_WORD)))
		badge += strlen(BADGE_WORD);
	if (!*badge || strlen(badge) > BADGE_MOST)
		return err_set(e, E_BADGE, "a badge has 1 to %d characters", BADGE_MOST);
	if (!hex_decode(json_text_or(file, "badge_key", ""), key, sizeof(key), e))
		return false;
	hmac_sha256(key, sizeof(key), badge, strlen(badge), hash);
	hex_encode(hash, sizeof(hash), ret);
	wipe(key, sizeof(key));
	return true;
}

static bool same(const char *a, const char *b)
{
	unsigned char differ = strlen(a) != strlen(b);
	for (size_t i = 0; a[i] && b[i]; i++)
		differ |= (unsigned char)(a[i] ^ b[i]);
	return !differ;
}

/* The person of this member's value; NULL if there is none. Looks at all. */
static const json_t *find(const json_t *file, const char *member, const char *value)
{
	size_t i;
	const json_t *person, *found = NULL;
	json_array_foreach(json_object_get(file, "people"), i, person)
		if (same(json_text_or(person, member, ""), value))
			found = person;
	return found;
}

static bool by_badge(const json_t *file, const char *badge, struct person *ret, bool *ret_has_pin, struct err *e)
{
	char hash[2 * SHA256_SIZE + 1];
	if (!badge_hash(file, badge, hash, e))
		return false;
	const json_t *person = find(file, "badge", hash);
	if (!person)
		return err_set(e, E_BADGE, "it is nobody's");
	take_person(person, ret);
	*ret_has_pin = *json_text_or(person, "pin", "") != '\0';
	return true;
}

bool people_by_badge(struct people *p, const char *badge, struct person *ret, bool *ret_has_pin, struct err *e)
{
	pthread_mutex_lock(&p->lock);
	bool ok = refresh(p, e) && by_badge(p->file, badge, ret, ret_has_pin, e);
	pthread_mutex_unlock(&p->lock);
	return ok;
}

bool people_is_removed(struct people *p, const char *id)
{
	struct err ignored = {0};
	pthread_mutex_lock(&p->lock);
	const json_t *person = refresh(p, &ignored) ? find(p->file, "id", id) : NULL;
	bool removed = person && !*json_text_or(person, "badge", "");
	pthread_mutex_unlock(&p->lock);
	return removed;
}

static size_t tries_of(struct people *p, const char *id)
{
	struct err ignored = {0};
	size_t i = 0;
	while (i < PEOPLE_MAX - 1 && p->tries[i].id[0] && strcmp(p->tries[i].id, id) != 0)
		i++;
	if (!TEXT_COPY(p->tries[i].id, id, &ignored))
		p->tries[i].id[0] = '\0';
	return i;
}

static bool check_pin(struct people *p, const char *id, const struct bytes *pin, struct err *e)
{
	const json_t *person = find(p->file, "id", id);
	size_t i = tries_of(p, id);
	int64_t now = clock_steady_ms();
	if (now < p->tries[i].locked_until_ms)
		return err_set(e, E_PIN_LOCKED, "for %d s more", (int)((p->tries[i].locked_until_ms - now) / 1000) + 1);
	if (person && pin_fits(pin, json_text_or(person, "pin", ""))) {
		p->tries[i].wrong = 0;
		return true;
	}
	if (++p->tries[i].wrong < PIN_TRIES)
		return err_set(e, E_PIN, "%d tries are left", PIN_TRIES - p->tries[i].wrong);
	p->tries[i].wrong = 0;
	p->tries[i].locked_until_ms = now + PIN_LOCK_MS;
	return err_set(e, E_PIN_LOCKED, "%d were wrong", PIN_TRIES);
}

bool people_check_pin(struct people *p, const char *id, const struct bytes *pin, struct err *e)
{
	pthread_mutex_lock(&p->lock);
	bool ok = refresh(p, e) && check_pin(p, id, pin, e);
	pthread_mutex_unlock(&p->lock);
	return ok;
}

bool people_list(struct people *p, people_each *each, void *ctx, struct err *e)
{
	size_t i;
	const json_t *j;
	pthread_mutex_lock(&p->lock);
	bool ok = refresh(p, e);
	json_array_foreach(ok ? json_object_get(p->file, "people") : NULL, i, j) {
		struct person person;
		take_person(j, &person);
		if (!each(ctx, &person))
			break;
	}
	pthread_mutex_unlock(&p->lock);
	return ok;
}

/* ---- writing ---- */

static bool write_file(const char *path, const json_t *file, struct err *e)
{
	AUTO(bytes) struct bytes text = {.max = FILE_MAX, .secret = true};
	return json_canonical(file, &text, e) && bytes_add_text(&text, "\n", e) && file_write_atomic(path, text.data, text.len, 0600, e);
}

static bool random_hex(char *ret, size_t len, struct err *e)
{
	uint8_t data[KEY];
	if (getrandom(data, len, 0) != (ssize_t)len)
		return err_errno(e, E_FILE, "randomness");
	hex_encode(data, len, ret);
	return true;
}

bool people_create(const char *path, struct err *e)
{
	char key[2 * KEY + 1];
	struct stat st;
	if (lstat(path, &st) == 0)
		return err_set(e, E_FILE, "%s is there already", path);
	if (!random_hex(key, KEY, e))
		return false;
	AUTO(json) json_t *file = json_pack("{s:i, s:s, s:[]}", "version", 1, "badge_key", key, "people");
	wipe(key, sizeof(key));
	return file ? write_file(path, file, e) : err_set(e, E_NOMEM, "people");
}

static bool name_is_good(const char *name, struct err *e)
{
	size_t n = strlen(name);
	for (const char *p = name; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return err_set(e, E_TEXT, "the name holds a control character");
	return (n > 0 && n < PERSON_NAME) || err_set(e, E_TEXT, "a name has 1 to %d bytes", PERSON_NAME - 1);
}

bool people_add(const char *path, const char *name, enum role role, const char *badge, const struct bytes *pin, struct person *ret,
		struct err *e)
{
	AUTO(json) json_t *file = NULL;
	struct stat st;
	char id[PERSON_ID] = "p-", badge_hex[2 * SHA256_SIZE + 1], pin_text[PIN_HASH] = "";
	if (!name_is_good(name, e) || !read_file(path, &file, &st, e) || !badge_hash(file, badge, badge_hex, e))
		return false;
	if (find(file, "badge", badge_hex))
		return err_set(e, E_BADGE, "this badge is somebody's already");
	if (json_array_size(json_object_get(file, "people")) == PEOPLE_MAX)
		return err_set(e, E_PEOPLE, "it holds %d people", PEOPLE_MAX);
	if ((pin->len && !pin_hash(pin, pin_text, e)) || !random_hex(id + 2, 4, e))
		return false;
	json_t *person = json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", id, "name", name, "role", role_name(role), "badge", badge_hex, "pin",
				   pin_text);
	if (!person || json_array_append_new(json_object_get(file, "people"), person) < 0)
		return err_set(e, E_NOMEM, "people (or a name that is not UTF-8)");
	take_person(person, ret);
	return write_file(path, file, e);
}

/* Badge NULL: it stays. */
static bool change(const char *path, const char *id, const char *badge, const char *pin, struct err *e)
{
	AUTO(json) json_t *file = NULL;
	struct stat st;
	if (!read_file(path, &file, &st, e))
		return false;
	json_t *person = (json_t *)(uintptr_t)find(file, "id", id);
	if (!person || !*json_text_or(person, "badge", ""))
		return err_set(e, E_USAGE, "nobody who works here is \"%.19s\"", id);
	if ((badge && json_object_set_new(person, "badge", json_string(badge)) < 0) ||
	    json_object_set_new(person, "pin", json_string(pin)) < 0)
		return err_set(e, E_NOMEM, "people");
	return write_file(path, file, e);
}

bool people_remove(const char *path, const char *id, struct err *e)
{
	return change(path, id, "", "", e);
}

bool people_set_pin(const char *path, const char *id, const struct bytes *pin, struct err *e)
{
	char text[PIN_HASH] = "";
	return (!pin->len || pin_hash(pin, text, e)) && change(path, id, NULL, text, e);
}
