/* SPDX-License-Identifier: Apache-2.0 */
#include "station/training.h"
#include "certs/ca.h"
#include "drivers/driver.h"
#include "station/base/auto.h"
#include "station/base/file.h"
#include "station/base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

/* The longest that there is: a training CA that ends would only be in the way. */
#define CA_DAYS 18250
#define ORDER_COUNT 100000
#define OWN_PLACE "finish = no\nkey_handle = " TRAINING_KEY_HANDLE "\nexisting_key = replace\n"

bool training_path(const struct config *real, const char *name, char *out, size_t room, struct err *e)
{
	int len = snprintf(out, room, "%s/training%s%s", real->state_dir, *name ? "/" : "", name);
	return (len > 0 && (size_t)len < room) || err_set(e, E_FILE, "%s is too long", real->state_dir);
}

/* ---- what it has of its own ---- */

static bool make_folder(const struct config *real, const char *name, mode_t mode, struct err *e)
{
	char path[PATH_MAX];
	if (!training_path(real, name, path, sizeof(path), e))
		return false;
	return mkdir(path, mode) == 0 || errno == EEXIST || err_errno(e, E_FILE, "making %s", path);
}

static bool is_there(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0;
}

static bool make_passphrase(const char *path, struct err *e)
{
	uint8_t random[32];
	char text[2 * sizeof(random) + 1];
	if (is_there(path))
		return true;
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_errno(e, E_FILE, "random numbers");
	hex_encode(random, sizeof(random), text);
	bool ok = file_write_atomic(path, text, strlen(text), 0600, e);
	wipe(random, sizeof(random));
	wipe(text, sizeof(text));
	return ok;
}

/* Made beside its place and moved there whole; the root's key is removed before, so that a training root signs one line CA and is
 * never anything else. */
static bool make_ca(const struct config *real, const char *passphrase_path, struct err *e)
{
	char place[PATH_MAX], fresh[PATH_MAX], name[128], reference[PATH_MAX + 8], origin[128], root[PATH_MAX + 16], below[32];
	if (!training_path(real, "ca", place, sizeof(place), e) || is_there(place))
		return !e->code;
	snprintf(name, sizeof(name), "TRAINING %.40s", real->name);
	snprintf(origin, sizeof(origin), "%.100s.training", real->name);
	snprintf(reference, sizeof(reference), "file:%s", passphrase_path);
	snprintf(below, sizeof(below), "ca.%d", (int)getpid());
	if (!training_path(real, below, fresh, sizeof(fresh), e))
		return false;
	const struct ca_init init = {.dir = fresh, .name = name, .log_origin = origin, .passphrase = reference, .line_days = CA_DAYS};
	if (!ca_init(&init, e))
		return false;
	snprintf(root, sizeof(root), "%s/root.key", fresh);
	return (unlink(root) == 0 && rename(fresh, place) == 0) || err_errno(e, E_FILE, "making %s", place);
}

static bool make_order(const struct config *real, const struct config_profile *p, struct err *e)
{
	char name[80], path[PATH_MAX], text[256];
	snprintf(name, sizeof(name), "orders/TRAINING-%s.json", p->name);
	if (!training_path(real, name, path, sizeof(path), e) || is_there(path))
		return !e->code;
	int len = snprintf(text, sizeof(text), "{\"order\":\"TRAINING-%s\",\"product\":\"training\",\"profile\":\"%s\",\"count\":%d}\n",
			   p->name, p->name, ORDER_COUNT);
	return file_write_atomic(path, text, (size_t)len, 0640, e);
}

bool training_prepare(const struct config *real, struct err *e)
{
	char passphrase[PATH_MAX];
	if (!make_folder(real, "", 0750, e) || !make_folder(real, "orders", 0750, e) || !make_folder(real, "secrets", 0700, e) ||
	    !training_path(real, "secrets/passphrase", passphrase, sizeof(passphrase), e) || !make_passphrase(passphrase, e) ||
	    !make_ca(real, passphrase, e))
		return false;
	for (size_t i = 0; i < real->profile_count; i++)
		if (!make_order(real, &real->profile[i], e))
			return false;
	return true;
}

/* The lock that the real line takes on its ledger (db/ledger.c). */
bool training_lock(const struct config *real, int *ret, struct err *e)
{
	char path[PATH_MAX];
	if (!config_state_path(real, "ledger.db.lock", path, sizeof(path), e))
		return false;
	if (mkdir(real->state_dir, 0750) < 0 && errno != EEXIST)
		return err_errno(e, E_FILE, "making %s", real->state_dir);
	*ret = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (*ret < 0)
		return err_errno(e, E_FILE, "opening %s", path);
	if (flock(*ret, LOCK_EX | LOCK_NB) == 0)
		return true;
	err_errno(e, errno == EWOULDBLOCK ? E_DB_LOCKED : E_FILE, "the line runs: %s", path);
	close(*ret);
	*ret = -1;
	return false;
}

/* ---- its configuration ---- */

/* Sections that are taken over, without these names: what belongs to the real service, and what is written anew below. */
static const struct taken {
	const char *section;
	const char *const *without;
} taken[] = {
	{"jig", (const char *const[]){NULL}},
	{"people", (const char *const[]){"file", NULL}},
	{"scanner", (const char *const[]){NULL}},
	{"lots", (const char *const[]){"orders", "trays", "handover", NULL}},
	{"profile", (const char *const[]){"hub", "allocation", "rehearse_here", "keep_registration", "twin", "ek_roots", "finish",
					  "key_handle", "existing_key", "order", NULL}},
	{"slot", (const char *const[]){NULL}},
};

/* The first word of "[WORD …]", and the rest of it. */
static const struct taken *section_of(const char *line, size_t len, char name[static 33])
{
	char word[16] = "";
	name[0] = 0;
	char copy[80];
	snprintf(copy, sizeof(copy), "%.*s", (int)len, line);
	if (sscanf(copy, "[%15[a-z-]%*[ \t]%32[^] \t]", word, name) < 1)
		return NULL;
	for (size_t i = 0; i < COUNT_OF(taken); i++)
		if (!strcmp(taken[i].section, word))
			return &taken[i];
	return NULL;
}

static bool is_without(const struct taken *section, const char *line, size_t len)
{
	size_t name = 0;
	while (name < len && !strchr("=: \t", line[name]))
		name++;
	for (const char *const *w = section->without; *w; w++)
		if (strlen(*w) == name && !memcmp(*w, line, name))
			return true;
	return false;
}

static bool add_path(struct bytes *ret, const char *name, const char *path, struct err *e)
{
	return !path[0] || bytes_printf(ret, e, "%s = %s\n", name, path);
}

/* What a profile has in training. A key of its own place may be replaced, one that a unit without a TPM has may not. */
static bool add_profile(const struct config *real, const char *name, struct bytes *ret, struct err *e)
{
	const struct config_profile *p = NULL;
	for (size_t i = 0; i < real->profile_count; i++)
		if (!strcmp(real->profile[i].name, name))
			p = &real->profile[i];
	const struct driver *driver = p ? driver_real(p->driver) : NULL;
	bool own_place = driver && driver->proof == PROOF_TPM && p->attestation != ATTEST_TPM;
	return !p || (bytes_add_text(ret, own_place ? OWN_PLACE : "finish = no\n", e) &&
		      add_path(ret, "ek_roots", p->ek_roots_path, e) && add_path(ret, "twin", p->twin_path, e));
}

static bool add_section(const struct config *real, const struct taken *section, const char *name, struct bytes *ret, struct err *e)
{
	if (!strcmp(section->section, "profile"))
		return add_profile(real, name, ret, e);
	if (!strcmp(section->section, "people"))
		return add_path(ret, "file", real->people_file, e);
	return true;
}

static bool add_head(const struct config *real, const struct training_service *s, struct bytes *ret, struct err *e)
{
	char dir[PATH_MAX];
	return training_path(real, "", dir, sizeof(dir), e) &&
	       bytes_printf(ret, e,
			    "# Written by `station training` at each start. Nothing here is real.\n"
			    "[station]\nname = %s\nrole = line\nstate_dir = %s\nlog_origin = %.100s.training\n\n"
			    "[ca]\nchain = %s/ca/chain.pem\nkey = %s/ca/line.key\nlog_key = %s/ca/log.key\npassphrase = file:%s/secrets/passphrase\n"
			    "issue_until = 2099-12-31\n\n"
			    "[dps]\nendpoint = %s\nglobal_endpoint = %s\nid_scope = %s\nca_file = %s\npolicy = %s\n"
			    "policy_key = file:%s/secrets/dps-key\narm_endpoint = %s\narm_id = %s\narm_token = file:%s/secrets/arm-token\n",
			    real->name, dir, real->name, dir, dir, dir, dir, s->url, s->url, s->id_scope, s->ca_file, s->policy, dir,
			    s->url, s->arm_id, dir);
}

/* Where the file has no section of lots, its trays lie in the real line's state all the same. */
static bool add_lots(const struct config *real, struct bytes *ret, struct err *e)
{
	return bytes_printf(ret, e, "\n[lots]\ntrays = %s\nrequired = %s\n", real->trays_dir, real->lot_required ? "yes" : "no");
}

bool training_config(const struct config *real, const char *text, size_t len, const struct training_service *service,
		     struct bytes *ret, struct err *e)
{
	const struct taken *section = NULL;
	char name[33];
	bool ok = add_head(real, service, ret, e) && add_lots(real, ret, e);
	for (const char *end = text + len; ok && text < end;) {
		const char *feed = memchr(text, '\n', (size_t)(end - text)), *next = feed ? feed + 1 : end;
		while (text < next && (*text == ' ' || *text == '\t'))
			text++;
		size_t width = (size_t)(next - text);
		if (width && *text == '[') {
			section = section_of(text, width, name);
			ok = !section || !strcmp(section->section, "lots") ||
			     (bytes_add_text(ret, "\n", e) && bytes_add(ret, text, width, e) && add_section(real, section, name, ret, e));
		} else if (section && strcmp(section->section, "lots") != 0 && !is_without(section, text, width)) {
			ok = bytes_add(ret, text, width, e);
		}
		text = next;
	}
	return ok;
}

bool training_write(const struct config *real, const struct training_service *service, struct err *e)
{
	AUTO(bytes) struct bytes text = {0};
	AUTO(bytes) struct bytes made = {0};
	char path[PATH_MAX];
	return file_read(real->path, &text, e) && training_config(real, bytes_text(&text), text.len, service, &made, e) &&
	       training_path(real, "station.conf", path, sizeof(path), e) && file_write_atomic(path, made.data, made.len, 0640, e);
}
