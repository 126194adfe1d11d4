/* SPDX-License-Identifier: Apache-2.0 */
/* A CA of its own for one test, in a directory that goes away with it, and a log in memory that
 * gives honest receipts. */
#ifndef TESTS_CERTS_DESK_H
#define TESTS_CERTS_DESK_H

#include "certs/signer.h"

#include <openssl/evp.h>

#include <limits.h>

#define DESK_ORIGIN "line-1.example/station"
#define LOG_MAX 64

struct desk {
	char dir[64];
	char passphrase[128];	/* its reference */
	char chain[128], key[128], log_key[128], state[128];
	struct signer_profile profiles[3];	/* "sensor" 365 days, "gateway" 30 days, and "tracker" by permit */
	struct signer_setup setup;
};

void desk_open(struct desk *d);
/* The same desk, seen from another process: fills paths and setup, makes nothing. */
void desk_at(struct desk *d, const char *dir);
void desk_close(struct desk *d);

/* A path in the desk's directory; lent until the next call. */
const char *desk_path(const struct desk *d, const char *file);

/* Runs a shell command and gives its exit status; what it prints goes to `out` (may be NULL). */
int desk_shell(char *out, size_t room, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* An entry-by-entry log. */
struct fake_log {
	struct merkle_edge edge;
	struct merkle_hash node[8][LOG_MAX];
};

uint64_t log_add(struct fake_log *log, const void *entry, size_t len);
/* Adds the intent and fills the receipt for a signer that last saw `head` entries. */
void log_receipt(struct fake_log *log, const struct intent *intent, uint64_t head, struct receipt *ret);
void log_prove(struct fake_log *log, uint64_t index, uint64_t head, struct receipt *ret);

/* A fresh P-256 key; ret_pkey may be NULL. */
void key_make(struct key_public *ret, EVP_PKEY **ret_pkey);

/* An intent for profile "sensor" with a fresh key and a random serial number; and one for a permit of profile "tracker", whose
 * key has an endorsement key's form. */
void intent_make(struct intent *ret, const char *id);
void intent_make_permit(struct intent *ret, const char *id);

/* A signer in this process on a desk of its own, with a log: setup and teardown of a test, *state is the office. */
struct office {
	struct desk desk;
	struct signer *signer;
	struct fake_log log;
};

int office_open(void **state);
int office_close(void **state);
void office_restart(struct office *o);
uint64_t office_head(struct office *o);	/* what the signer remembers */
uint64_t office_count(struct office *o);

#endif
