/* SPDX-License-Identifier: Apache-2.0 */
#include "station/entry.h"
#include "db/outbox.h"
#include "station/base/clock.h"
#include "station/delivery.h"

#define TRIES_MAX 6		/* of one unit, when the service cannot be reached */
#define FIRST_WAIT_MS 1000	/* between them; doubles */

static int64_t deadline(void)
{
	return clock_steady_ms() + ENTRY_REQUEST_MS;
}

bool entry_block_body(const char *registration_id, const struct bytes *leaf, struct bytes *ret, struct err *e)
{
	const struct individual_wanted wanted = {.registration_id = registration_id, .leaf = leaf, .disabled = true};
	return individual_body(&wanted, ret, e);
}

/* Whether it is still what `body` says: E_CONFLICT if not. */
static bool is_ours(const struct bytes *body, const json_t *theirs, struct err *e)
{
	AUTO(json) json_t *ours = NULL;
	return json_parse((const char *)body->data, body->len, &ours, e) && individual_is_same(ours, theirs, NULL, e);
}

/* A block that an earlier try has put in its place. */
static bool is_block(const char *id, const struct bytes *leaf, const json_t *theirs)
{
	AUTO(bytes) struct bytes body = {.max = OUTBOX_BODY_MAX};
	struct err differs = {0};
	return leaf && entry_block_body(id, leaf, &body, &differs) && is_ours(&body, theirs, &differs);
}

bool entry_remove(struct dps *dps, const char *id, const struct bytes *body, const struct bytes *block, struct err *e)
{
	AUTO(json) json_t *theirs = NULL;
	bool found = false;
	if (!dps_get_individual(dps, id, deadline(), &found, &theirs, e))
		return false;
	return !found || is_block(id, block, theirs) ||
	       (is_ours(body, theirs, e) && dps_delete_individual(dps, id, json_text_or(theirs, "etag", NULL), deadline(), e));
}

/* What stands there holds the same key, whatever else it says. */
static bool replace(struct dps *dps, const char *id, const struct bytes *disabled, const json_t *theirs, struct err *e)
{
	AUTO(json) json_t *ours = NULL;
	return json_parse((const char *)disabled->data, disabled->len, &ours, e) && individual_is_same_proof(ours, theirs, e) &&
	       dps_replace_individual(dps, id, disabled, json_text_or(theirs, "etag", NULL), deadline(), e);
}

bool entry_disable(struct dps *dps, const char *id, const struct bytes *disabled, struct err *e)
{
	AUTO(json) json_t *theirs = NULL;
	struct err why = {0};
	bool found = false;
	if (dps_create_individual(dps, id, disabled, deadline(), &why))
		return true;
	if (why.code != E_CONFLICT)
		return err_native(e, why.code, why.native, "%s", why.what);
	if (!dps_get_individual(dps, id, deadline(), &found, &theirs, e))
		return false;
	if (!found)
		return err_set(e, E_CONFLICT, "%s", why.what);
	struct err differs = {0};
	return is_ours(disabled, theirs, &differs) || replace(dps, id, disabled, theirs, e);
}

bool entry_try_again(struct dps *dps, int tries, const struct err *why)
{
	int64_t wait_ms = (int64_t)FIRST_WAIT_MS << tries, pace_ms = dps_pace_left_ms(dps);
	if (!delivery_may_be_chance(why->code) || tries + 1 >= TRIES_MAX)
		return false;
	clock_sleep_ms(pace_ms > wait_ms ? pace_ms : wait_ms);
	return true;
}
