/* SPDX-License-Identifier: Apache-2.0 */
/* What all slots of a running line share: the doors to ledger, signer, launcher and cloud, who is being worked on right now, and whether
 * the line is fit. Made by line_open before the first device, ended by line_close after the last worker. */
#ifndef STATION_LINE_H
#define STATION_LINE_H

#include "db/audit.h"
#include "db/jobs.h"
#include "station/config.h"
#include "station/dps/dps.h"
#include "station/launcher.h"
#include "station/signing.h"

#include <stdatomic.h>

struct line {
	const struct config *config;
	struct launcher launcher;
	struct ledger *ledger;
	struct signing signing;
	struct dps_setup dps_setup;
	struct dps *dps;
	int64_t started_ms;

	pthread_mutex_t lock;	/* what follows */
	struct {
		uint8_t ek_spki[SHA256_SIZE];
		char slot[33];	/* "" = free row */
	} active[CONFIG_SLOTS_MAX];
	struct err unfit;	/* code E_NONE: fit */
	atomic_bool stopping;

	char stop_at[40];	/* "STAGE:before" or "STAGE:after": the line stops itself there (SIGSTOP), for tests of power cuts; "" never */
};

/* The cloud's setup out of the configuration; texts are lent from it. */
void line_dps_setup(const struct config *c, struct dps_setup *ret);

/* Opens ledger, signer and cloud client. The launcher runs already. Errors of those doors. */
WARN_UNUSED bool line_open(struct line *l, const struct config *config, const struct launcher *launcher, struct err *e);
void line_close(struct line *l);

/* The unit with this endorsement key is worked on in `slot` from now on. E_CLONE if it is being worked on in another slot at this moment. */
WARN_UNUSED bool line_claim_unit(struct line *l, const uint8_t ek_spki[static SHA256_SIZE], const char *slot, struct err *e);
void line_release_unit(struct line *l, const char *slot);

/* The line is not fit: no slot starts another stage. The first cause stays. */
void line_set_unfit(struct line *l, const struct err *cause);
/* False with that cause (or E_STOPPING) when no further stage may start. */
bool line_may_go_on(struct line *l, struct err *e);

#endif
