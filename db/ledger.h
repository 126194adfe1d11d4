/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger: one SQLite file (WAL, synchronous=FULL, STRICT tables) that holds jobs, identities, certificates and the
 * audit log.
 *
 * A change is a transaction: ledger_begin takes the ledger's lock and ledger_commit returns only when it is on disk. Threads
 * that wait for each other share one sync (db/transaction.c); so between the two a thread waits for nobody, and takes no lock
 * that it still has at ledger_commit.
 * Everything that a step does (its job row, its audit entries) goes into one transaction. A ledger is used by many
 * threads of one process and by no other writing process (E_DB_LOCKED); readers such as `station audit verify` open it
 * read-only beside it. The schema is db/schema/NNN_*.sql, one file per version, walked forward at open; a newer version
 * is E_DB_NEWER. */
#ifndef DB_LEDGER_H
#define DB_LEDGER_H

#include "station/base/bytes.h"

struct ledger;

/* Opens or makes the ledger; `origin` is the log's name in checkpoints and is fixed at birth (E_DB_CORRUPT if another
 * one is found). Grows the WAL ahead so that the first commits are as fast as later ones. E_DB, E_DB_LOCKED,
 * E_DB_NEWER, E_DB_CORRUPT, E_DB_FULL. */
WARN_UNUSED bool ledger_open(const char *path, const char *origin, struct ledger **ret, struct err *e);
/* Read-only, for verification and reports, beside a running line or not. */
WARN_UNUSED bool ledger_open_reader(const char *path, struct ledger **ret, struct err *e);
void ledger_close(struct ledger *l);
/* Makes `to` anew, with all that is in the ledger `from`, which no line may have open meanwhile (E_DB_LOCKED) and which is
 * only read. Where `from` is not there, `to` is not there either. E_DB, E_DB_FULL, E_DB_CORRUPT, E_FILE. */
WARN_UNUSED bool ledger_copy(const char *from, const char *to, struct err *e);

/* Makes `to`, which must not be there, with all that is committed in the ledger `from` at this moment, beside a running
 * line or not: one file, without a WAL, whole and on disk when this returns. It is for people to verify
 * (ledger_open_reader) before they rely on it. E_DB, E_DB_FULL, E_DB_CORRUPT, E_FILE. */
WARN_UNUSED bool ledger_backup(const char *from, const char *to, struct err *e);

/* The place of a ledger's writer, without a ledger: nobody opens it for writing meanwhile. E_DB_LOCKED, E_FILE. */
struct ledger_hold { int lock_fd, file_fd; };	/* -1: not held */
WARN_UNUSED bool ledger_hold(const char *path, struct ledger_hold *ret, struct err *e);
void ledger_hold_fini(struct ledger_hold *hold);
AUTO_DEFINE(ledger_hold, struct ledger_hold)
/* By who holds it: `prepared`, a closed ledger in the same directory, takes the place of the one at `path`, which is
 * kept with its WAL in the new directory `aside`. After a cut in the middle it is called again. E_FILE. */
WARN_UNUSED bool ledger_put_in_place(const char *prepared, const char *path, const char *aside, struct err *e);

/* Reads every page and checks the file's structure, indexes and constraints (SQLite's integrity_check); as long as the file, so not
 * at every open. E_DB_CORRUPT says what is damaged. What the audit log says is audit_verify's business. */
WARN_UNUSED bool ledger_check(struct ledger *l, struct err *e);

/* True if the closed ledger at `path`, of whatever version, has the tables, indexes and triggers that this program makes, and no
 * others: for a file from elsewhere. E_DB_CORRUPT names the first that differs; E_DB, E_DB_NEWER. */
WARN_UNUSED bool ledger_has_its_form(const char *path, struct err *e);

const char *ledger_origin(const struct ledger *l);

/* A few facts that outlive the process, each under a name of the caller's ("origin" and "openings" are the ledger's own).
 * Remembering belongs into a transaction and replaces what was there. *ret is emptied where nothing is remembered. */
WARN_UNUSED bool ledger_remember(struct ledger *l, const char *name, const char *value, struct err *e);
WARN_UNUSED bool ledger_recall(struct ledger *l, const char *name, struct bytes *ret, struct err *e);

WARN_UNUSED bool ledger_begin(struct ledger *l, struct err *e);
/* On failure everything of the transaction is undone, and so are those that shared its sync: all are told. */
WARN_UNUSED bool ledger_commit(struct ledger *l, struct err *e);
/* Commits what went well, else undoes it and is false, with *e of the caller as it is. */
WARN_UNUSED bool ledger_end(struct ledger *l, bool ok, struct err *e);
/* Undoes; for error paths, so it keeps *e of the caller. */
void ledger_rollback(struct ledger *l);

#endif
