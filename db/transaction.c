/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions, and how those of several threads share one sync.
 *
 * To SQLite a group of them is one transaction. The first opens it; each that follows is a savepoint, so that it can be undone by
 * itself. Who is complete looks whether another thread waits to begin: if so, it leaves its work open and waits until that is on
 * disk; if not, it commits for all. So nobody ever waits for somebody who might come, a single thread pays nothing, and
 * ledger_commit still returns only when the caller's own work is on disk.
 *
 * Where SQLite undoes it all after an error of one (the disk is full, or fails), all of the group are told so. */
#include "db/store.h"

#include <assert.h>
#include <errno.h>
#include <semaphore.h>

#define GROUP_MAX 64	/* one does not wait for more than these */

/* A thread whose transaction is complete. */
struct member {
	struct member *next;
	sem_t done;
	bool ok;
	struct err e;
};

static bool somebody_comes(struct ledger *l)
{
	return atomic_load(&l->group.coming) > 0 && l->group.count < GROUP_MAX;
}

/* Tells all members how it ended; each may be gone as soon as it is told. */
static void dismiss(struct ledger *l, bool ok, const struct err *why)
{
	struct member *next;
	for (struct member *m = l->group.member; m; m = next) {
		next = m->next;
		m->ok = ok;
		if (!ok)
			m->e = *why;
		sem_post(&m->done);
	}
	l->group.member = NULL;
	l->group.count = 0;
}

/* Undoes what the group did, and what the owner did behind it. */
static void undo_all(struct ledger *l, const struct err *why)
{
	if (!sqlite3_get_autocommit(l->db))
		sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL);
	l->edge = l->group.edge_before;
	dismiss(l, false, why);
}

bool transaction_is_open(struct ledger *l, struct err *e)
{
	const struct err *why = &l->group.undone_by;
	return !sqlite3_get_autocommit(l->db) ||
	       err_native(e, why->code ? why->code : E_DB, why->native, "undone after an error: %s", why->what);
}

static bool commit_all(struct ledger *l, struct err *e)
{
	struct err why = {0};
	if (transaction_is_open(l, &why) && store_run(l, "COMMIT", &why)) {
		dismiss(l, true, NULL);
		return true;
	}
	undo_all(l, &why);
	return err_native(e, why.code, why.native, "%s", why.what);
}

void transaction_settle(struct ledger *l)
{
	struct err told_to_the_members = {0};
	if (l->group.member && !commit_all(l, &told_to_the_members))
		return;
}

/* Whose own transaction is over goes; the group is the business of who comes, if anybody does. */
static void leave(struct ledger *l)
{
	l->in_transaction = false;
	if (!somebody_comes(l))
		transaction_settle(l);
	store_give(l);
}

bool ledger_begin(struct ledger *l, struct err *e)
{
	assert(l->writer && !store_is_owner(l));
	atomic_fetch_add(&l->group.coming, 1);
	store_take(l);
	atomic_fetch_sub(&l->group.coming, 1);
	l->group.nested = l->group.member != NULL;
	if (!store_run(l, l->group.nested ? "SAVEPOINT own" : "BEGIN IMMEDIATE", e)) {
		leave(l);
		return false;
	}
	if (!l->group.nested) {
		l->group.edge_before = l->edge;
		l->group.undone_by = (struct err){0};
	}
	l->edge_before = l->edge;
	l->in_transaction = true;
	return true;
}

/* Undoes the owner's part only; false if it cannot be told from the rest any more. */
static bool undo_own(struct ledger *l, struct err *e)
{
	if (!l->group.nested || !transaction_is_open(l, e) || !store_run(l, "ROLLBACK TO own", e) || !store_run(l, "RELEASE own", e))
		return false;
	l->edge = l->edge_before;
	return true;
}

void ledger_rollback(struct ledger *l)
{
	struct err why = {0};
	assert(store_in_transaction(l));
	if (!undo_own(l, &why))
		undo_all(l, &why);
	leave(l);
}

/* Gives the ledger to who comes, and waits. */
static bool join_group(struct ledger *l, struct err *e)
{
	struct member own = {.next = l->group.member};
	sem_init(&own.done, 0, 0);
	l->group.member = &own;
	l->group.count++;
	store_give(l);
	while (sem_wait(&own.done) < 0)
		assert(errno == EINTR);
	sem_destroy(&own.done);
	return own.ok || err_native(e, own.e.code, own.e.native, "%s", own.e.what);
}

bool ledger_commit(struct ledger *l, struct err *e)
{
	assert(store_in_transaction(l));
	if (!transaction_is_open(l, e) || (l->group.nested && !store_run(l, "RELEASE own", e))) {
		ledger_rollback(l);
		return false;
	}
	l->in_transaction = false;
	if (somebody_comes(l))
		return join_group(l, e);
	bool ok = commit_all(l, e);
	store_give(l);
	return ok;
}

bool ledger_end(struct ledger *l, bool ok, struct err *e)
{
	if (ok)
		return ledger_commit(l, e);
	ledger_rollback(l);
	return false;
}
