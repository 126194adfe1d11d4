/* SPDX-License-Identifier: Apache-2.0 */
/* The way to the MES: drains the spool to the configured adapters in a thread of its own, each at its own pace, and asks the MES
 * for a unit's release. What is to be told is put into the spool in the transaction of what it tells, so that an event is neither
 * lost nor invented; after an outage the relay goes on by itself, at growing distances of at most a minute. */
#ifndef STATION_RELAY_H
#define STATION_RELAY_H

#include "db/spool.h"
#include "station/job.h"
#include "station/mes/mes.h"

struct relay;

/* What the adapters need of the configuration; lent from it. */
void relay_setup(const struct config *c, struct mes_setup *ret);

struct relay_view {
	size_t count;
	struct relay_adapter_view {
		char name[17];
		struct spool_counts counts;
		bool offline;
		struct err why;
		int64_t since_ms;
	} adapter[SPOOL_ADAPTERS_MAX];
};
typedef void relay_changed(void *ctx, const struct relay_view *view);

/* Without a configured adapter the relay is there and does nothing. Before the slots start. */
WARN_UNUSED bool relay_start(struct line *line, relay_changed *changed, void *ctx, struct relay **ret, struct err *e);
void relay_stop(struct relay *r);
void relay_free(struct relay *r);
void relay_look(struct relay *r, struct relay_view *ret);
/* There is something new, or somebody asks to try at once; what is aside waits again with `again`. Not from inside a
 * transaction. */
WARN_UNUSED bool relay_wake(struct relay *r, bool again, struct err *e);

/* Inside a transaction: puts the event into the spool of each configured adapter; nothing where none is. Takes the body. `l->relay`
 * may be NULL, as for verbs without a line: then it goes by the configuration alone. */
WARN_UNUSED bool relay_put(struct line *l, const char *type, const char *unit, const char *lot, const char *person, json_t *body,
			   struct err *e);

/* Stage admit asks the MES: E_MES_HOLD, E_MES_SKIP, E_MES_ERROR with the MES's reason in the text; where it is silent the policy
 * decides: E_MES_SILENT, or true. True at once where nobody is to be asked, or a lead's override stands for the unit. What the
 * answer carries (variant, profile, lot, id, group) is kept in the job, and must fit what the unit began with (E_MES_OTHER). */
WARN_UNUSED bool relay_check_in(struct job *j, struct err *e);
/* Inside the transaction of the job's verdict: "unit.result". */
WARN_UNUSED bool relay_put_result(struct job *j, struct err *e);

/* False, E_SPOOL_FULL, while more events wait than [mes] events allows. */
bool relay_may_begin(struct line *line, struct err *e);

/* {"adapters":[{"name","waiting","aside","oldest_ms","offline","code","sentence","what","since_ms"}]}. A new object. */
json_t *relay_view_json(const struct relay_view *view);

#endif
