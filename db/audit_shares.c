/* SPDX-License-Identifier: Apache-2.0 */
/* A long log is verified in shares, one per processor, each with a connection of its own. All must see the log at the same
 * moment; where one does not, because the line wrote in between, the log is read by one. */
#include "db/audit_range.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#define SHARES_MAX 16
#define SHARE_MIN 4096	/* entries: below that, opening a connection is not worth while */

/* What tells two moments of a ledger apart: entries and checkpoints are only ever added, and archiving takes bodies away. */
struct moment {
	uint64_t entries;
	int64_t last_checkpoint, archived;
};

struct share {
	const char *path;
	const struct moment *moment;
	struct audit_range range;
	struct audit_found found;
	struct err e;
	bool same;	/* it saw that moment */
	bool ok;	/* it was read to its end */
	bool started;
	pthread_t thread;
};

static bool see(struct ledger *l, struct moment *ret, struct err *e)
{
	bool row = false;
	AUTO(query) struct query q = {0};
	if (!audit_stored_size(l, &ret->entries, e) ||
	    !query_open(l, "SELECT (SELECT ifnull(max(id), 0) FROM checkpoint), (SELECT ifnull(sum(entries), 0) FROM archive)", &q, e) ||
	    !query_next(&q, &row, e))
		return false;
	ret->last_checkpoint = sqlite3_column_int64(q.stmt, 0);
	ret->archived = sqlite3_column_int64(q.stmt, 1);
	return true;
}

static void read_share(struct share *s, struct ledger *l)
{
	struct moment now = {0};
	AUTO(reading) struct reading r = {0};
	s->same = reading_open(l, &r, &s->e) && see(l, &now, &s->e) && now.entries == s->moment->entries &&
		  now.last_checkpoint == s->moment->last_checkpoint && now.archived == s->moment->archived;
	s->ok = s->same && audit_verify_range(l, &s->range, &s->found, &s->e);
}

static void *run_share(void *arg)
{
	struct share *s = arg;
	struct ledger *l = NULL;
	if (ledger_open_reader(s->path, &l, &s->e))
		read_share(s, l);
	ledger_close(l);
	return NULL;
}

/* The processors that this process may use, but no more than there is work for. A writer sees what no other connection does. */
static unsigned count_shares(const struct ledger *l, uint64_t entries)
{
	cpu_set_t set;
	unsigned count = sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
	if (count > SHARES_MAX)
		count = SHARES_MAX;
	if (count > entries / SHARE_MIN)
		count = (unsigned)(entries / SHARE_MIN);
	return l->writer || count < 2 ? 1 : count;
}

static bool edges_are_equal(const struct merkle_edge *a, const struct merkle_edge *b)
{
	return a->size == b->size && !memcmp(a->peak, b->peak, (size_t)__builtin_popcountll(a->size) * sizeof(a->peak[0]));
}

/* What the shares found, as one finds it who reads on from the first; *ret_done false where they do not make one log. */
static bool join_found(const struct share *s, unsigned count, struct audit_report *ret, bool *ret_done, struct err *e)
{
	struct audit_report sum = {.fits = true};
	*ret_done = false;
	for (unsigned i = 0; i < count && sum.fits; i++) {
		if (!s[i].same || (i && s[i].ok && !edges_are_equal(&s[i - 1].found.end, &s[i].found.begin)))
			return true;
		if (!s[i].ok) {
			*e = s[i].e;
			return false;
		}
		uint64_t checkpoints = sum.checkpoints, archived = sum.archived;
		sum = s[i].found.report;
		sum.checkpoints += checkpoints;
		sum.archived += archived;
	}
	*ret = sum;
	*ret_done = true;
	return true;
}

/* The first share is read here, the others beside it. */
static void run_shares(struct share *s, unsigned count, struct ledger *l)
{
	for (unsigned i = 1; i < count; i++)
		s[i].started = pthread_create(&s[i].thread, NULL, run_share, &s[i]) == 0;
	s[0].same = true;
	s[0].ok = audit_verify_range(l, &s[0].range, &s[0].found, &s[0].e);
	for (unsigned i = 1; i < count; i++)
		if (s[i].started)
			pthread_join(s[i].thread, NULL);
}

static bool verify_shared(struct ledger *l, const struct audit_range *whole, const struct moment *moment, unsigned count,
			  struct audit_report *ret, bool *ret_done, struct err *e)
{
	const char *path = sqlite3_db_filename(l->db, "main");
	uint64_t each = moment->entries / count;
	struct share *share = calloc(count, sizeof(*share));
	*ret_done = false;
	if (!share)
		return err_set(e, E_NOMEM, "verifying the audit log");
	for (unsigned i = 0; i < count; i++) {
		share[i] = (struct share){.path = path, .moment = moment, .range = *whole};
		share[i].range.from = i * each;
		share[i].range.to = i + 1 < count ? (i + 1) * each : AUDIT_END;
	}
	run_shares(share, count, l);
	bool ok = join_found(share, count, ret, ret_done, e);
	free(share);
	return ok;
}

static bool verify_alone(struct ledger *l, const struct audit_range *whole, struct audit_report *ret, struct err *e)
{
	struct audit_found found;
	bool ok = audit_verify_range(l, whole, &found, e);
	*ret = found.report;
	return ok;
}

/* Bodies are missing only where an archive on record has them. */
static void compare_archives(const struct moment *moment, struct audit_report *r)
{
	if ((uint64_t)moment->archived == r->archived)
		return;
	r->fits = false;
	r->first_bad = UINT64_MAX;
	snprintf(r->why, sizeof(r->why), "%llu entries have no body, and archives on record have %llu", (unsigned long long)r->archived,
		 (unsigned long long)moment->archived);
}

bool audit_verify(struct ledger *l, const uint64_t *outside_size, const struct merkle_hash *outside_root, struct audit_report *ret,
		  struct err *e)
{
	const struct audit_range whole = {0, AUDIT_END, outside_size, outside_root};
	struct moment moment = {0};
	bool done = false;
	AUTO(reading) struct reading r = {0};
	*ret = (struct audit_report){.fits = true};
	if (!reading_open(l, &r, e) || !see(l, &moment, e))
		return false;
	unsigned count = count_shares(l, moment.entries);
	if (count > 1 && !verify_shared(l, &whole, &moment, count, ret, &done, e))
		return false;
	if (!done && !verify_alone(l, &whole, ret, e))
		return false;
	if (ret->fits)
		compare_archives(&moment, ret);
	return true;
}
