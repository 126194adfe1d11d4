/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of this room share: a directory of their own with a ledger in it, and other hands on that ledger (the sqlite3 command). */
#ifndef TESTS_DB_SCRATCH_H
#define TESTS_DB_SCRATCH_H

#include "db/audit.h"
#include "db/jobs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define ORIGIN "line-1.example/station"

struct scratch {
	char dir[64];
	char path[96];
	struct ledger *l;	/* open at the start of a test; NULL once it closed it */
};

/* cmocka's setup and teardown: a fresh directory with an open ledger; all removed again. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

void scratch_close(struct scratch *s);
void scratch_reopen(struct scratch *s);
/* Closes it and removes its files. */
void scratch_remove(struct scratch *s);

/* Runs SQL on the file with the sqlite3 command, as someone with the file in hands would. Its answer is cut at the room. */
void scratch_sql(struct scratch *s, const char *sql, char *ret, size_t room);

/* Asserts that the call succeeded, showing the error if not. */
#define OK(call) do { struct err e = {0}; bool ok_ = (call); if (!ok_) fail_msg("%s: %s", err_row(e.code)->code, e.what); } while (0)
/* Asserts that the call fails with this code. */
#define REFUSED(expected, call) do { struct err e = {0}; assert_false(call); if (e.code != (expected)) \
	fail_msg("%s: %s", err_row(e.code)->name, e.what); } while (0)

/* Appends so many entries, each with its number in the body, each in a transaction of its own. */
void scratch_append(struct scratch *s, unsigned count);

/* Keeps a checkpoint of the current head, with a note in the form that a signer gives it. */
void scratch_checkpoint(struct scratch *s);

#endif
