/* SPDX-License-Identifier: Apache-2.0 */
/* The line without its devices, in one process: the real ledger and the real signer beside it, and a unit's life as the pipeline and
 * the uplink write it down, one transaction per step, each of which may be done again. What is told to be done is promised to torn. */
#ifndef TESTS_DB_SHOP_H
#define TESTS_DB_SHOP_H

#include "db/jobs.h"
#include "tests/certs/desk.h"
#include "tests/db/scratch.h"

#define SHOP_UNITS 4

struct shop {
	char dir[80];	/* the state's directory */
	struct ledger *l;
	struct signer *signer;
	struct signer_setup setup;
	char signer_state[112];
	struct intent intent[SHOP_UNITS];	/* with the key of each unit, which survives whatever happens to the line */
};

/* What torn_promise is told: the log has so many entries, and the signer counted so many identities. */
uint64_t shop_promise(uint64_t entries, uint64_t counted);
uint64_t shop_entries(uint64_t promise);
uint64_t shop_counted(uint64_t promise);

/* Fills the setup: a shop of this directory with the desk's keys, and makes the units. */
void shop_at(struct shop *s, const struct desk *desk, const char *dir);
/* The same shop in another directory. */
void shop_move(struct shop *s, const char *dir);
/* Starts the line: ledger, signer. */
void shop_open(struct shop *s);
void shop_close(struct shop *s);

/* Identities that the signer counted. */
uint64_t shop_signed(struct shop *s);

/* One visit of unit n, from plug to verdict. */
void shop_unit(struct shop *s, unsigned n);
/* Entries of nothing in particular, so that the WAL comes near to its automatic checkpoint. */
void shop_fill(struct shop *s, unsigned transactions, unsigned entries);

/* The job row agrees with what the audit log says of the unit, and so do place, outbox, visits and checkpoints. */
void shop_agrees(struct shop *s, unsigned n);
/* True if the unit is finished, once: one intent, one leaf, one enrollment, PASS. */
bool shop_is_finished_once(struct shop *s, unsigned n);

#endif
