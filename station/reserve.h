/* SPDX-License-Identifier: Apache-2.0 */
/* What a stage puts on record before it goes on: who the unit is, whose key this is, the intent to sign, what was left
 * in the cloud. Each is one transaction; each refuses an identity that another unit has (promise 3). */
#ifndef STATION_RESERVE_H
#define STATION_RESERVE_H

#include "certs/intent.h"
#include "station/job.h"
#include "station/regid.h"

/* Finds the unit by its judged endorsement key (a unit without a TPM by its serial number) and takes its row over, or
 * makes a row. E_CLONE if the key, or the serial number, belongs to another unit or is in another slot now; E_UNIT_BUSY
 * (line.h); E_UNIT_PROFILE if its certificate was intended under another profile; E_UNIT_CLOSED for a closed unit that
 * this ledger did not close. */
WARN_UNUSED bool reserve_unit(struct job *j, struct err *e);

/* Puts the attested leaf key into the row. E_CLONE if another unit has it, or if this unit had another one when its
 * leaf was intended. */
WARN_UNUSED bool reserve_leaf_key(struct job *j, struct err *e);

/* Puts the registration id into the row. E_CLONE if another unit has it, or if this unit had another one before. */
WARN_UNUSED bool reserve_id(struct job *j, const char id[static REGID_ROOM], struct err *e);

/* The intent to give this key an identity: the one on record, or a new one with a fresh serial number. */
WARN_UNUSED bool reserve_intent(struct job *j, enum intent_kind kind, const struct key_public *key, struct intent *ret,
				struct err *e);

/* Queues the enrollment (individual_body) in the outbox, with "enroll.queued" on the audit log. E_CONFLICT: this
 * station enrolled the unit otherwise before. */
WARN_UNUSED bool reserve_enrollment(struct job *j, const struct bytes *body, struct err *e);

/* Keeps what the rehearsal left in the cloud: a registration record and a device in the hub. */
WARN_UNUSED bool reserve_traces(struct job *j, const struct registration *state, struct err *e);

/* The registration record was removed again. */
WARN_UNUSED bool reserve_no_registration(struct job *j, struct err *e);

#endif
