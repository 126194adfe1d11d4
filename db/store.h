/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the ledger, for the files of this room only: the connection, its cached statements, and who may use them when.
 *
 * The connection is used by one thread at a time: the one that is in a transaction (ledger_begin) or in a reading. A function that
 * reads opens a reading first, which inside of the caller's own transaction is only a mark:
 *	AUTO(reading) struct reading r = {0};
 *	AUTO(query) struct query q = {0};
 *	if (!reading_open(l, &r, e) || !query_open(l, "SELECT …", &q, e))
 *		return false;
 * Every return code of SQLite goes through store_fail, the translator. */
#ifndef DB_STORE_H
#define DB_STORE_H

#include "db/ledger.h"
#include "station/base/merkle.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#define STORE_STATEMENTS 96
#define ORIGIN_MAX 256

struct ledger {
	sqlite3 *db;
	int lock_fd;	/* the writer's, on the file beside the ledger; -1 for a reader */
	int file_fd;	/* the writer's, on the ledger itself, whatever path led to it; -1 for a reader */
	bool writer;
	bool in_transaction;	/* of the owner, by ledger_begin */
	pthread_mutex_t mutex;	/* held by the owner */
	_Atomic(uintptr_t) owner;	/* the thread that holds the mutex; 0 if none */
	char origin[ORIGIN_MAX];
	struct merkle_edge edge;	/* of the writer: the tree with what the transaction appended so far */
	struct merkle_edge edge_before;	/* as it was at ledger_begin, for a rollback */
	struct group {	/* transaction.c */
		atomic_uint coming;	/* threads that wait to begin */
		struct member *member;	/* who waits to be on disk, the last first; NULL if nobody does */
		unsigned count;
		bool nested;	/* the owner's transaction is a savepoint behind theirs */
		struct merkle_edge edge_before;	/* as it was before the first of them */
		struct err undone_by;	/* after which SQLite undid it all by itself */
	} group;
	struct statement {
		const char *sql;	/* static text; its address is the key */
		sqlite3_stmt *stmt;
	} statement[STORE_STATEMENTS];
};

/* Says what SQLite's code means: E_DB_FULL, E_DB_LOCKED, E_DB_CORRUPT, E_NOMEM, else E_DB. Returns false. */
bool store_fail(struct ledger *l, int rc, const char *doing, struct err *e);
/* Runs statements that answer nothing. */
WARN_UNUSED bool store_exec(struct ledger *l, const char *sql, struct err *e);

/* The same for a literal, which is parsed once: BEGIN and its like. By the owner. */
WARN_UNUSED bool store_run(struct ledger *l, const char *sql, struct err *e);

/* Makes the calling thread the owner, and ends that. */
void store_take(struct ledger *l);
void store_give(struct ledger *l);
bool store_is_owner(struct ledger *l);
/* By an owner that is not in a transaction: puts on disk what others wait for, so that nobody sees what is not. (transaction.c) */
void transaction_settle(struct ledger *l);
/* False where SQLite undid the transaction by itself: says after which error. (transaction.c) */
WARN_UNUSED bool transaction_is_open(struct ledger *l, struct err *e);

/* True if the calling thread is between ledger_begin and ledger_commit. */
bool store_in_transaction(struct ledger *l);

struct reading {
	struct ledger *l;	/* NULL: inside of a transaction or another reading of this thread, which end by themselves */
};
WARN_UNUSED bool reading_open(struct ledger *l, struct reading *r, struct err *e);
void reading_fini(struct reading *r);
AUTO_DEFINE(reading, struct reading)

struct query {
	struct ledger *l;
	sqlite3_stmt *stmt;
};
/* Takes a statement from the cache; `sql` must be a literal. It must not be open already. A writing one belongs into a
 * transaction: E_DB if SQLite undid that by itself after an error. */
WARN_UNUSED bool query_open(struct ledger *l, const char *sql, struct query *q, struct err *e);
void query_fini(struct query *q);
AUTO_DEFINE(query, struct query)

/* Parameters are numbered from 1; text and blobs are lent until the query ends. */
void query_int(struct query *q, int at, int64_t value);
void query_text(struct query *q, int at, const char *value);
void query_blob(struct query *q, int at, const void *value, size_t len);

/* The text of a column into `out`; false where it is no text, or longer than there is room. */
WARN_UNUSED bool query_take_text(struct query *q, int at, char *out, size_t room);
/* The same for a blob of exactly this size. */
WARN_UNUSED bool query_take_blob(struct query *q, int at, void *out, size_t size);

/* The next row; *ret_row false at the end. */
WARN_UNUSED bool query_next(struct query *q, bool *ret_row, struct err *e);
/* Runs a statement that answers no rows. */
WARN_UNUSED bool query_run(struct query *q, struct err *e);

/* The edge of the tree of the first `size` entries, from the stored nodes. E_DB_CORRUPT. (audit.c) */
WARN_UNUSED bool audit_load_edge(struct ledger *l, uint64_t size, struct merkle_edge *ret, struct err *e);
/* The number of entries, by the last index. (audit.c) */
WARN_UNUSED bool audit_stored_size(struct ledger *l, uint64_t *ret, struct err *e);

#endif
