/* SPDX-License-Identifier: Apache-2.0 */
/* What all slots of a running line share: the doors to ledger, signer, launcher and cloud, who is being worked on right
 * now, and whether the line is fit. Made by line_open before the first device, ended by line_close after the last
 * worker. */
#ifndef STATION_LINE_H
#define STATION_LINE_H

#include "db/audit.h"
#include "db/jobs.h"
#include "station/config.h"
#include "station/dps/dps.h"
#include "station/issuers.h"
#include "station/launcher.h"
#include "station/signing.h"

#include <stdatomic.h>

struct uplink;
struct relay;
struct shift;
struct slots;
struct current_lot;

/* Training works against the emulated service with a CA and a ledger of its own; re-check reads and proves, and writes nothing. */
enum line_mode { MODE_PRODUCTION, MODE_TRAINING, MODE_RECHECK };
/* "production", "training", "recheck". */
const char *line_mode_name(enum line_mode mode);

struct line {
	const struct config *config;
	struct launcher launcher;
	struct ledger *ledger;
	struct signing signing;
	struct issuers issuers;
	struct dps_setup dps_setup;
	struct dps *dps;
	enum line_mode mode;
	struct uplink *uplink;	/* NULL before it is started; so are the others */
	struct relay *relay;
	struct shift *shift;
	struct slots *slots;
	struct current_lot *lot;
	int64_t started_ms;

	pthread_mutex_t lock;	/* what follows */
	pthread_cond_t released;
	struct {
		bool there;	/* the unit that is worked on, or was, has not been pulled */
		bool claimed;
		uint8_t name[SHA256_SIZE];	/* if claimed */
	} unit[CONFIG_SLOTS_MAX];	/* as config->slot */
	struct err unfit;	/* code E_NONE: fit */
	atomic_bool stopping;
	atomic_int jobs;	/* units that are worked on */

	int64_t stage_limit_ms;	/* no stage takes longer, for tests of units that say nothing; 0 without */
	char stop_at[40];	/* "STAGE:before" or "STAGE:after": the line stops itself there (SIGSTOP), for tests of power cuts; "" never */
};

/* The cloud's setup out of the configuration; texts are lent from it. */
void line_dps_setup(const struct config *c, struct dps_setup *ret);

/* Opens ledger, signer and cloud client; in re-check the ledger alone. The launcher runs already. Errors of those doors. */
WARN_UNUSED bool line_open(struct line *l, const struct config *config, const struct launcher *launcher, struct err *e);
void line_close(struct line *l);

/* A unit's time in a slot: it arrives, is claimed by its name (a hash of its endorsement key once that was judged, of
 * its serial number where it has no TPM), leaves when it is pulled, and is released by the slot's worker when that has
 * let go of it. So a unit is in one slot only, from its claim until it was pulled: E_CLONE if a unit that has not been
 * pulled holds it in another slot. A unit that was pulled there in mid-work and came here is no clone, but two workers
 * must not have it: waits until the other has let go, E_UNIT_BUSY after the deadline. `slot` is one of config->slot. */
void line_unit_arrives(struct line *l, const struct config_slot *slot);
WARN_UNUSED bool line_claim_unit(struct line *l, const uint8_t name[static SHA256_SIZE], const struct config_slot *slot,
				 int64_t deadline_ms, struct err *e);
void line_unit_leaves(struct line *l, const struct config_slot *slot);
void line_release_unit(struct line *l, const struct config_slot *slot);

/* True while any unit is worked on. */
bool line_works(struct line *l);

/* The line is not fit: no slot starts another stage. The first cause stays. */
void line_set_unfit(struct line *l, const struct err *cause);
/* False with that cause (or E_STOPPING) when no further stage may start. */
bool line_may_go_on(struct line *l, struct err *e);

#endif
