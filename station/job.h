/* SPDX-License-Identifier: Apache-2.0 */
/* Everything known about one device while it is in its slot. A job belongs to one worker; screens get copies (station/slots.h).
 * What must outlive the power is in `row`, which the runner writes to the ledger after every stage. */
#ifndef STATION_JOB_H
#define STATION_JOB_H

#include "certs/verifier.h"
#include "drivers/sandbox.h"
#include "drivers/usb.h"
#include "station/line.h"
#include "station/shift/ticket.h"

#define STAGES_MAX 16

enum job_state { JOB_NEW, JOB_WORKING, JOB_WAITING, JOB_DONE };

struct proof;
struct way;

struct job {
	struct line *line;
	const struct config_slot *slot;
	const struct config_profile *profile;
	struct usb_facts usb;
	struct ticket ticket;
	char question[37];		/* the check-in's id; "" if the MES was not asked */
	char check_in[16];		/* "go", "hold", …, "silent: go", "override"; "" if nobody was asked */
	char variant[65];		/* as the MES called it */
	int64_t begun_ms;		/* wall clock */

	struct job_row row;		/* row.id is "" until the unit is known by its key */
	int64_t first_entry, last_entry;	/* of this visit in the audit log */
	char visit[JOB_ID];		/* this time in the slot, in the audit before the job's id is known */
	enum job_state state;
	int stage;			/* index of the stage it is in */
	int try;			/* of that stage, from 1 */
	int64_t next_try_ms;		/* wall clock, while it waits */
	bool recognised;		/* the ledger knew it as done before */
	bool counted;			/* this visit stands in row.visits */
	enum job_verdict verdict;	/* of this visit: what the operator sees; row.verdict is what stays on record */
	struct err error;		/* why it ended, or why it waits */

	const struct driver *driver;	/* the real one: facts only */
	const struct proof *proof;	/* set by detect */
	const struct way *way;
	size_t issuer;			/* of its leaf (issuers.h), once that is known */
	struct sandbox device;		/* what the stages call, through sandbox_driver */
	struct children children;
	int64_t deadline_ms;		/* of the running stage; steady */
	int64_t patience_ms;		/* what the service asked to wait before the next try of this stage; 0: nothing */

	struct driver_identity identity;
	struct ek_verdict ek;
	struct attest_verdict attest;
	struct driver_bundle bundle;
	struct err unsent;		/* why its enrollment still waits in the outbox; E_NONE: it does not */
	char checkpoint[SIGNER_NOTE_MAX];	/* the one that leaves with the result */
	uint32_t took_ms[STAGES_MAX];
};

void job_init(struct job *j, struct line *line, const struct config_slot *slot, const struct ticket *ticket,
	      const struct usb_facts *usb);
void job_fini(struct job *j);

/* The only change of state. */
void job_enter(struct job *j, enum job_state state, int stage);

/* The call that a stage makes to the device: deadline filled in. */
struct driver_call job_call(const struct job *j);

const char *job_state_name(enum job_state state);

/* Factory mode is open: the unit can be written to. */
bool job_is_open(const struct job *j);

/* The name under which the job stands in the audit log: its id, or its visit before that. */
const char *job_audit_name(const struct job *j);

#endif
