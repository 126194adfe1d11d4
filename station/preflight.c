/* SPDX-License-Identifier: Apache-2.0 */
#include "station/preflight.h"
#include "certs/ca.h"
#include "drivers/driver.h"
#include "station/base/clock.h"
#include "station/base/text.h"
#include "station/ca_revocation.h"
#include "station/way.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define CLOUD_MS 30000
#define DISK_MIN_BYTES (64u << 20)
#define CLOCK_EARLIEST_MS 1767225600000	/* 2026-01-01: a clock before this program was written is wrong */

static bool drivers_exist(const struct config *c, struct err *e)
{
	for (size_t i = 0; i < c->profile_count; i++)
		if (!driver_find(c->profile[i].driver))
			return err_set(e, E_CONFIG, "profile %s: there is no driver \"%s\"", c->profile[i].name, c->profile[i].driver);
	return true;
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;
	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Where a line's keys lie, no further private key may lie: it would be the root's, or another line's. */
static bool directory_holds_no_other_key(const struct config *c, const char *of, struct err *e)
{
	char copy[PATH_MAX], path[2 * PATH_MAX];
	snprintf(copy, sizeof(copy), "%s", of);
	const char *name = dirname(copy);
	DIR *dir = opendir(name);
	struct dirent *entry;
	bool ok = true;
	if (!dir)
		return err_errno(e, E_FILE, "looking into %s", name);
	while (ok && (entry = readdir(dir))) {
		bool key_here = false;
		struct stat st;
		struct err ignored = {0};
		snprintf(path, sizeof(path), "%s/%s", name, entry->d_name);
		if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > 65536)
			continue;
		if (same_file(path, c->ca_key) || same_file(path, c->ca_log_key))
			continue;
		if (cert_key_is_readable(path, &key_here, &ignored) && key_here)
			ok = err_set(e, E_CA_ROOT_HERE, "%s holds a private key that a line does not need", path);
	}
	closedir(dir);
	return ok;
}

static bool no_root_key_is_readable(const struct config *c, struct err *e)
{
	return directory_holds_no_other_key(c, c->ca_key, e) && directory_holds_no_other_key(c, c->ca_chain, e);
}

static bool clock_is_sane(const struct config *c, struct err *e)
{
	(void)c;
	char now[CLOCK_TEXT];
	clock_text(clock_wall_ms(), now);
	return clock_wall_ms() >= CLOCK_EARLIEST_MS || err_set(e, E_CLOCK, "it is not %s", now);
}

/* The state's directory, or the one in which it will be made. */
static bool disk_has_room(const struct config *c, struct err *e)
{
	struct statvfs fs;
	char parent[PATH_MAX];
	snprintf(parent, sizeof(parent), "%s", c->state_dir);
	if (statvfs(c->state_dir, &fs) < 0 && (errno != ENOENT || statvfs(dirname(parent), &fs) < 0))
		return err_errno(e, E_FILE, "%s", c->state_dir);
	unsigned long long free_bytes = (unsigned long long)fs.f_bavail * fs.f_frsize;
	return free_bytes >= DISK_MIN_BYTES ||
	       err_set(e, E_DB_FULL, "%llu MiB are free at %s, %u are needed", free_bytes >> 20, c->state_dir, DISK_MIN_BYTES >> 20);
}

const struct preflight_claim preflight_claims[] = {
	{"drivers", "every profile's driver is in this build", drivers_exist},
	{"root key", "no root's private key is readable here", no_root_key_is_readable},
	{"clock", "the clock is sane", clock_is_sane},
	{"disk", "the disk has room", disk_has_room},
};
const size_t preflight_claim_count = COUNT_OF(preflight_claims);

bool preflight_local(const struct config *c, preflight_row *row, void *ctx, struct err *e)
{
	for (size_t i = 0; i < preflight_claim_count; i++) {
		bool ok = preflight_claims[i].holds(c, e);
		row(ctx, preflight_claims[i].name, ok, ok ? preflight_claims[i].claim : e->what);
		if (!ok)
			return false;
	}
	return true;
}

/* ---- the cloud ---- */

struct rows {
	preflight_row *row;
	void *ctx;
};

static void pass_on(void *ctx, const struct check_row *r)
{
	const struct rows *rows = ctx;
	rows->row(rows->ctx, r->name, r->ok, r->text);
}

static bool report(const struct rows *rows, const char *name, const char *claim, bool ok, const struct err *e)
{
	rows->row(rows->ctx, name, ok, ok ? claim : e->what);
	return ok;
}

static bool ca_may_issue(struct line *l, struct err *e)
{
	const struct signer_info *ca = &l->signing.info;
	char until[CLOCK_TEXT];
	int64_t end_ms = ca->issue_until_ms < ca->ca_not_after_ms ? ca->issue_until_ms : ca->ca_not_after_ms;
	uint8_t sha256[SHA256_SIZE];
	clock_text(end_ms, until);
	sha256_of(ca->chain[0], ca->chain_len[0], sha256);
	if (!ca_revocation_allows(l->ledger, sha256, e))
		return false;
	return clock_wall_ms() < end_ms || err_set(e, E_CA_EXPIRED, "issuing ended at %s", until);
}

static bool group_is_right(struct line *l, const struct config_profile *p, const struct check_chain *chain, struct err *e)
{
	AUTO(group) struct group group = {0};
	int64_t deadline_ms = clock_steady_ms() + CLOUD_MS;
	if (!check_group(l->dps, p->group, chain, deadline_ms, &group, e))
		return err_in(e, "profile %s", p->name);
	return p->rehearse_here || check_allocation(l->dps, &group, deadline_ms, e) || err_in(e, "profile %s", p->name);
}

/* An entry of the unit's own is not there yet; what the profile says of it decides where its devices go. */
static bool entry_is_right(struct line *l, const struct config_profile *p, struct err *e)
{
	struct group like = {.hub_count = p->hub[0] ? 1 : 0};
	return p->rehearse_here || (TEXT_COPY(like.id, "(none)", e) && TEXT_COPY(like.allocation, way_allocation(p), e) &&
				    check_allocation(l->dps, &like, clock_steady_ms() + CLOUD_MS, e)) || err_in(e, "profile %s", p->name);
}

static bool profiles_are_right(struct line *l, const struct check_chain *chain, const struct rows *rows, struct err *e)
{
	const struct config *c = l->config;
	for (size_t i = 0; i < c->profile_count; i++) {
		const struct config_profile *p = &c->profile[i];
		bool grouped = p->attestation == ATTEST_X509_GROUP;
		bool ok = grouped ? group_is_right(l, p, chain, e) : entry_is_right(l, p, e);
		if (!report(rows, grouped ? "group" : "profile", grouped ? p->group : p->name, ok, e))
			return false;
	}
	return true;
}

/* Asks to remove a record that cannot be there: what is refused is the right. */
static bool may_remove_registrations(struct line *l, struct err *e)
{
	return dps_delete_registration(l->dps, "station-preflight", clock_steady_ms() + CLOUD_MS, e);
}

static bool wants_removal(const struct config *c)
{
	for (size_t i = 0; i < c->profile_count; i++)
		if (!c->profile[i].keep_registration)
			return true;
	return false;
}

static bool wanted_has(const struct check_wanted *w, const char *group)
{
	for (size_t i = 0; i < w->group_count; i++)
		if (!strcmp(w->group[i], group))
			return true;
	return false;
}

void preflight_wanted(const struct config *c, struct check_wanted *ret)
{
	_Static_assert(CHECK_GROUPS_MAX >= CONFIG_PROFILES_MAX, "a group for each profile");
	*ret = (struct check_wanted){0};
	for (size_t i = 0; i < c->profile_count; i++) {
		const struct config_profile *p = &c->profile[i];
		if (p->attestation != ATTEST_X509_GROUP)
			ret->individual = true;
		else if (!wanted_has(ret, p->group))
			ret->group[ret->group_count++] = p->group;
	}
}

bool preflight_cloud(struct line *l, preflight_row *row, void *ctx, struct err *e)
{
	struct rows rows = {row, ctx};
	const struct config *c = l->config;
	struct bytes ca[SIGNER_CHAIN_MAX + 1];
	struct check_chain chain = {ca, signing_chain(&l->signing, ca)};
	const struct signer_info *info = &l->signing.info;
	if (info->root_len)
		ca[chain.count++] = (struct bytes){.data = (uint8_t *)(uintptr_t)info->root, .len = info->root_len};
	struct check_wanted wanted;
	preflight_wanted(c, &wanted);
	if (!report(&rows, "issuing", "the CA may issue", ca_may_issue(l, e), e) ||
	    !check_cloud(l->dps, &wanted, clock_steady_ms() + CLOUD_MS, pass_on, &rows, e))
		return false;
	/* Where every unit has an entry of its own, the service need not know our CA. */
	if (wanted.group_count && !report(&rows, "CA", "our CA is verified on this DPS",
		    check_ca_verified(l->dps, &chain, clock_steady_ms() + CLOUD_MS, e), e))
		return false;
	if (!profiles_are_right(l, &chain, &rows, e))
		return false;
	return !wants_removal(c) || report(&rows, "right", "registration records may be removed (keep_registration = no)",
					   may_remove_registrations(l, e), e);
}
