/* SPDX-License-Identifier: Apache-2.0 */
/* What a person who sets up a line, or wonders about it, wants to know before the first unit: all of it, row by row, each with what
 * to do. The gate of a line that starts is preflight.h, which stops at the first row that fails; its claims are among these.
 * Nothing here changes anything. */
#ifndef STATION_READINESS_H
#define STATION_READINESS_H

#include "station/base/json.h"
#include "station/line.h"

struct ready_row {
	const char *name;
	bool ok;
	const char *text;	/* what was found */
	const char *todo;	/* "" where ok */
};
typedef void ready_told(void *ctx, const struct ready_row *row);

/* {"name","ok","text","todo"}. A new object. */
json_t *ready_row_json(const struct ready_row *row);

/* Each returns true if all its rows are ok. */

/* What configuration, machine and files say; does not wait for anybody. */
bool readiness_station(const struct config *c, ready_told *told, void *ctx);

/* What only a station that does not run can ask: whether this user may keep the state and open the units that are plugged in,
 * whether the API's place is free, whether the MES answers. Takes some seconds. */
bool readiness_alone(const struct config *c, ready_told *told, void *ctx);
/* Whether the state directory is, or can be, this user's: a ledger that another user made could not be opened by the line. */
bool readiness_may_open(const struct config *c, struct err *e);

/* How long the CA issues. */
bool readiness_ca(struct line *l, ready_told *told, void *ctx);
/* What the service says: preflight_cloud's rows up to the first that fails. Up to minutes. */
bool readiness_cloud(struct line *l, ready_told *told, void *ctx);

#endif
