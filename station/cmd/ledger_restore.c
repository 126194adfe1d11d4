/* SPDX-License-Identifier: Apache-2.0 */
/* station ledger restore: a copy takes the ledger's place, after it was said what it lacks. What was there is kept. */
#include "db/audit.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/base/lockdown.h"
#include "station/cmd/audit.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/cmd/two_people.h"
#include "station/rollback.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>

struct restoring {
	const char *config_path, *checkpoint, *vkey_path, *lose, *badge, *copy;
	struct config *config;
	char path[PATH_MAX], prepared[PATH_MAX], aside[PATH_MAX];
	struct person two[2];	/* empty where the configuration names no people */
	struct rollback found;
};

static bool make_paths(struct restoring *r, struct err *e)
{
	char name[64], when[CLOCK_TEXT];
	clock_text(clock_wall_ms(), when);
	snprintf(name, sizeof(name), "before-restore-%s", when);
	return config_state_path(r->config, "ledger.db", r->path, sizeof(r->path), e) &&
	       config_state_path(r->config, "ledger.db.restored", r->prepared, sizeof(r->prepared), e) &&
	       config_state_path(r->config, name, r->aside, sizeof(r->aside), e);
}

/* The key that stands beside the log's own, where none is given. */
static bool read_vkey(const struct restoring *r, struct bytes *ret, struct err *e)
{
	char copy[PATH_MAX], path[PATH_MAX + 16];
	snprintf(copy, sizeof(copy), "%s", r->config->ca_log_key);
	snprintf(path, sizeof(path), "%s/log.vkey", dirname(copy));
	return audit_read_vkey(r->vkey_path ? r->vkey_path : path, ret, e);
}

/* The old ledger as a witness; NULL where it cannot be one. */
static struct ledger *open_old(const char *path)
{
	struct ledger *l = NULL;
	struct err why = {0};
	struct audit_report report;
	if (ledger_open_reader(path, &l, &why) && ledger_check(l, &why) && audit_verify(l, NULL, NULL, &report, &why) &&
	    report.fits)
		return l;
	printf("the ledger here is no witness: %s\n", why.code ? why.what : l ? report.why : "?");
	ledger_close(l);
	return NULL;
}

static void say(void *ctx, const char *line)
{
	(void)ctx;
	printf("%s\n", line);
}

static bool find(struct restoring *r, struct err *e)
{
	struct ledger *copy = NULL, *old = NULL;
	struct checkpoint brought;
	AUTO(bytes) struct bytes vkey = {0};
	bool ok = ledger_open_reader(r->prepared, &copy, e) && read_vkey(r, &vkey, e) &&
		  (!r->checkpoint || audit_read_checkpoint(r->checkpoint, r->vkey_path, &brought, e));
	if (ok && access(r->path, F_OK) == 0)
		old = open_old(r->path);
	ok = ok && rollback_find(copy, old, r->config, bytes_text(&vkey), r->checkpoint ? &brought : NULL, say, NULL, &r->found, e);
	ledger_close(old);
	ledger_close(copy);
	return ok;
}

/* What is lost is named by number, so that nobody loses more than he was told. */
static bool loss_is_accepted(const struct restoring *r, struct err *e)
{
	uint64_t lost = r->found.known - r->found.size;
	char *end = NULL;
	printf("the copy has %" PRIu64 " entries and %" PRIu64 " are known of, by %" PRIu64 " checkpoints%s: %" PRIu64
	       " are rolled back, with %" PRIu64 " units and %" PRIu64 " lots\n", r->found.size, r->found.known, r->found.checkpoints,
	       r->found.old_read ? " and the ledger here" : "", lost, r->found.units, r->found.lots);
	if (!lost || (r->lose && strtoull(r->lose, &end, 10) == lost && !*end))
		return true;
	return err_set(e, E_DB_BEHIND, "%" PRIu64 " entries would be rolled back; if that is meant: --lose %" PRIu64, lost, lost);
}

/* The log goes on with what was done, so that every later checkpoint tells of it. */
static bool put_on_record(const struct restoring *r, struct err *e)
{
	struct ledger *l = NULL;
	uint64_t index;
	AUTO(json) json_t *body = json_pack("{s:I, s:I, s:[s, s]}", "entries", (json_int_t)r->found.size, "known",
					    (json_int_t)r->found.known,
					    "people", r->two[0].id, r->two[1].id);
	if (!body)
		return err_set(e, E_NOMEM, "audit entry");
	bool ok = ledger_open(r->prepared, r->config->log_origin, &l, e) && ledger_begin(l, e);
	if (ok && !audit_append(l, "ledger.restored", "", body, clock_wall_ms(), &index, e)) {
		ledger_rollback(l);
		ok = false;
	}
	ok = ok && ledger_commit(l, e);
	ledger_close(l);
	return ok;
}

/* The copy of a station before its update is walked forward, as the line would have done with its ledger. */
static bool bring_forward(const struct restoring *r, struct err *e)
{
	struct ledger *l = NULL;
	struct err old = {0};
	bool ok = ledger_open_reader(r->prepared, &l, &old) || ledger_open(r->prepared, r->config->log_origin, &l, e);
	ledger_close(l);
	return ok;
}

static void drop_prepared(const struct restoring *r)
{
	char lock[PATH_MAX + 8];
	snprintf(lock, sizeof(lock), "%s.lock", r->prepared);
	unlink(r->prepared);
	unlink(lock);
}

/* All of it is in the one file: closing wrote the WAL back and removed it. */
static bool is_one_file(const char *path, struct err *e)
{
	char wal[PATH_MAX + 8];
	snprintf(wal, sizeof(wal), "%s-wal", path);
	return access(wal, F_OK) < 0 || err_set(e, E_DB, "%s was not written back", wal);
}

/* What the rolled back part of the log had pinned goes with it: it would contradict the log that begins here. */
static void keep_files_aside(const struct restoring *r)
{
	const char *all = (const char *)r->found.ahead.data;
	for (size_t at = 0; at < r->found.ahead.len; at += strlen(all + at) + 1) {
		char to[PATH_MAX + NAME_MAX + 2];
		const char *name = strrchr(all + at, '/');
		snprintf(to, sizeof(to), "%s%s", r->aside, name);
		if (rename(all + at, to) < 0)
			printf("%s is of the log as it was, and should be kept elsewhere: %s\n", all + at, strerror(errno));
	}
}

static bool restore(struct restoring *r, struct err *e)
{
	AUTO(ledger_hold) struct ledger_hold hold = {-1, -1};
	if (!make_paths(r, e) || !file_make_directory(r->config->state_dir, 0750, e) || !ledger_hold(r->path, &hold, e))
		return false;
	if (unlink(r->prepared) < 0 && errno != ENOENT)
		return err_errno(e, E_FILE, "removing %s", r->prepared);
	bool ok = ledger_backup(r->copy, r->prepared, e) && ledger_has_its_form(r->prepared, e) && bring_forward(r, e) &&
		  is_one_file(r->prepared, e) && find(r, e) && loss_is_accepted(r, e) &&
		  (!r->config->people_file[0] || command_two_people(r->config, r->badge, DO_CUSTODY, r->two, e)) &&
		  put_on_record(r, e) && is_one_file(r->prepared, e) && ledger_put_in_place(r->prepared, r->path, r->aside, e);
	if (!ok) {
		drop_prepared(r);
		return false;
	}
	keep_files_aside(r);
	printf("%s is in place; what was there is in %s\n"
	       "The signer's memory was not touched. If it knows more than the copy, the line does not start (E-CA-007): "
	       "docs/spare-station.md.\n",
	       r->path, r->aside);
	return true;
}

static int run(int argc, char **argv, struct err *e)
{
	struct restoring r = {0};
	const struct command_option options[] = {{"config", &r.config_path, NULL}, {"checkpoint", &r.checkpoint, NULL},
						 {"vkey", &r.vkey_path, NULL},
						 {"lose", &r.lose, NULL}, {"badge", &r.badge, NULL}, {0}};
	bool ok = command_options(&argc, argv, options, e) && (argc == 1 || err_set(e, E_USAGE, "which copy?")) &&
		lockdown_no_core(e);
	r.copy = argc ? argv[0] : NULL;
	ok = ok && command_config(r.config_path, &r.config, e) && restore(&r, e);
	config_free(r.config);
	rollback_fini(&r.found);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command ledger_restore_command = {
	"ledger restore", "--config FILE [--checkpoint FILE] [--vkey FILE] [--lose N] [--badge FILE|-] COPY",
	"put a copy in the ledger's place, after it was said what it lacks", run};
