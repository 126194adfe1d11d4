/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs: one row per unit, from the moment its key was read until it is done; what resuming needs and what a report
 * shows.
 *
 * A unit that comes back is recognised by its endorsement key (as a key), and finds its row. Serial number, endorsement
 * key, leaf key and registration id are each unique over all jobs: the guard against clones (promise 3) is a constraint
 * of the schema, and jobs_put says E_CLONE. */
#ifndef DB_JOBS_H
#define DB_JOBS_H

#include "db/ledger.h"
#include "station/base/sha256.h"

#define JOB_ID 33	/* 32 hex digits and NUL */
#define CERT_SERIAL 16

enum job_verdict { VERDICT_NONE, VERDICT_PASS, VERDICT_BUILT, VERDICT_HOLD, VERDICT_FAIL };
/* "PASS" and so on; "" for VERDICT_NONE. */
const char *verdict_name(enum job_verdict verdict);
/* By its name, not ""; false if there is none of that. */
WARN_UNUSED bool verdict_named(const char *name, enum job_verdict *ret);

/* What is not known yet is zero or empty. Fixed size but for leaf, which is the holder's to bytes_fini. */
struct job_row {
	char id[JOB_ID];
	char slot[33], driver[33], profile[33], order[65];
	char serial[65], model[65], revision[65];
	char stage[17];		/* the last stage that was completed */
	enum job_verdict verdict;
	char error[16];		/* stable code of the last failure, "" if none */
	char error_what[256];
	uint8_t ek_sha256[SHA256_SIZE];	/* of TPM2B_PUBLIC */
	uint8_t ek_spki_sha256[SHA256_SIZE];
	uint8_t leaf_spki_sha256[SHA256_SIZE];
	char registration_id[129];
	uint8_t cert_serial[CERT_SERIAL];	/* reserved before signing */
	int64_t intent_index;	/* audit entry of the sign intent; -1 if none */
	struct bytes leaf;	/* DER, once signed */
	uint8_t permitted;	/* of a unit that gets no leaf: the signer has counted it */
	uint8_t bundle_sha256[SHA256_SIZE];	/* what was installed */
	char hub[129], device_id[129];	/* what the rehearsal was answered */
	uint8_t closed;		/* factory mode was closed by us */
	int64_t started_ms, updated_ms;	/* wall clock */
	uint32_t visits;	/* times the unit was plugged in */
};

void job_row_fini(struct job_row *row);
AUTO_DEFINE(job_row, struct job_row)

/* Who it is stays, with its keys and its history; all that was made of it under an order goes, so that it may begin again. */
void job_row_forget_identity(struct job_row *row, int64_t now_ms);

/* Inside a transaction: inserts or updates by id. E_CLONE when another job holds its serial, keys or id; the text names
 * the field and the other unit's serial. A certificate serial number that exists is E_DB. */
WARN_UNUSED bool jobs_put(struct ledger *l, const struct job_row *row, struct err *e);

enum job_key { JOB_BY_ID, JOB_BY_SERIAL, JOB_BY_EK, JOB_BY_LEAF, JOB_BY_REGISTRATION };

/* Finds by id or serial or registration id (text), or by ek_spki_sha256 or leaf_spki_sha256 (32 bytes). *ret_found
 * false if there is none. */
WARN_UNUSED bool jobs_find(struct ledger *l, enum job_key by, const void *value, struct job_row *ret, bool *ret_found,
			   struct err *e);

/* Calls `each` for every job, oldest first; stops when it returns false. */
typedef bool jobs_each(void *ctx, const struct job_row *row);
WARN_UNUSED bool jobs_scan(struct ledger *l, jobs_each *each, void *ctx, struct err *e);

/* The same for jobs that began behind the job of this id ("": from the start), at most `most`. */
WARN_UNUSED bool jobs_behind(struct ledger *l, const char *id, uint32_t most, jobs_each *each, void *ctx, struct err *e);

struct job_counts { uint64_t pass, built, hold, fail, open; };
WARN_UNUSED bool jobs_count(struct ledger *l, struct job_counts *ret, struct err *e);

/* What a rehearsal left in the cloud, for the hand-over: kept until it is removed on purpose. Inside a transaction.
 * `what` is "registration" or "hub device". */
WARN_UNUSED bool jobs_keep_trace(struct ledger *l, const char *job, const char *what, const char *where, const char *name,
				 int64_t time_ms, struct err *e);
/* Inside a transaction: forgets it, because it was removed. What is not kept is forgotten already. */
WARN_UNUSED bool jobs_drop_trace(struct ledger *l, const char *job, const char *what, const char *where, const char *name,
				 struct err *e);
typedef bool traces_each(void *ctx, const char *job, const char *what, const char *where, const char *name, int64_t time_ms);
WARN_UNUSED bool traces_scan(struct ledger *l, traces_each *each, void *ctx, struct err *e);

#endif
