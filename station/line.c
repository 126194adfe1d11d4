/* SPDX-License-Identifier: Apache-2.0 */
#include "station/line.h"
#include "station/base/clock.h"
#include "station/base/file.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void line_dps_setup(const struct config *c, struct dps_setup *ret)
{
	*ret = (struct dps_setup){
		.endpoint = c->dps_endpoint, .global_endpoint = c->dps_global_endpoint, .id_scope = c->dps_id_scope,
		.ca_file = c->dps_ca_file, .proxy = c->dps_proxy, .proxy_secret = c->dps_proxy_secret,
		.arm_endpoint = c->arm_endpoint, .arm_id = c->arm_id, .arm_secret = c->arm_token,
		.policy = c->dps_policy, .per_minute = c->dps_per_minute, .in_flight = c->dps_in_flight,
	};
	const struct { const char *secret, *auth; } kinds[] = {
		{c->dps_policy_key, "policy-key"}, {c->dps_sas_token, "sas-token"}, {c->dps_bearer_token, "bearer-token"},
	};
	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		if (!kinds[i].secret[0])
			continue;
		ret->auth = kinds[i].auth;
		ret->secret = kinds[i].secret;
	}
}

const char *line_mode_name(enum line_mode mode)
{
	static const char *const names[] = {"production", "training", "recheck"};
	return names[mode];
}

bool line_open(struct line *l, const struct config *config, const struct launcher *launcher, struct err *e)
{
	char path[PATH_MAX];
	l->config = config;
	l->launcher = *launcher;
	l->started_ms = clock_wall_ms();
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->released, &attr);
	pthread_condattr_destroy(&attr);
	line_dps_setup(config, &l->dps_setup);
	if (!file_make_directory(config->state_dir, 0750, e) ||
	    !config_state_path(config, "ledger.db", path, sizeof(path), e) || !ledger_open(path, config->log_origin, &l->ledger, e))
		return false;
	return l->mode == MODE_RECHECK ||
	       (signing_open(&l->signing, &l->launcher, l->ledger, e) &&
		issuers_open(&l->issuers, config, &l->signing, l->ledger, e) && dps_open(&l->dps_setup, &l->dps, e));
}

void line_close(struct line *l)
{
	if (!l || !l->config)
		return;
	dps_close(l->dps);
	issuers_close(&l->issuers);
	signing_close(&l->signing);
	ledger_close(l->ledger);
	pthread_cond_destroy(&l->released);
	pthread_mutex_destroy(&l->lock);
	l->config = NULL;
}

static size_t index_of(const struct line *l, const struct config_slot *slot)
{
	return (size_t)(slot - l->config->slot);
}

void line_unit_arrives(struct line *l, const struct config_slot *slot)
{
	pthread_mutex_lock(&l->lock);
	l->unit[index_of(l, slot)].there = true;
	pthread_mutex_unlock(&l->lock);
}

void line_unit_leaves(struct line *l, const struct config_slot *slot)
{
	pthread_mutex_lock(&l->lock);
	l->unit[index_of(l, slot)].there = false;
	pthread_mutex_unlock(&l->lock);
}

/* The other slot that holds this key, or slot_count. With the lock held. */
static size_t holder(const struct line *l, const uint8_t name[static SHA256_SIZE], size_t mine)
{
	size_t i = 0;
	while (i < l->config->slot_count &&
	       (i == mine || !l->unit[i].claimed || memcmp(l->unit[i].name, name, SHA256_SIZE) != 0))
		i++;
	return i;
}

static bool claim(struct line *l, const uint8_t name[static SHA256_SIZE], size_t mine, int64_t deadline_ms, struct err *e)
{
	for (size_t other; (other = holder(l, name, mine)) < l->config->slot_count;) {
		struct timespec end;
		if (l->unit[other].there)
			return err_set(e, E_CLONE, "the same unit, by its endorsement key or serial number, is in slot %s at this moment",
				       l->config->slot[other].name);
		if (!clock_left_ms(deadline_ms))
			return err_set(e, E_UNIT_BUSY, "slot %s has not let go of this unit", l->config->slot[other].name);
		clock_gettime(CLOCK_MONOTONIC, &end);
		end.tv_sec += 1;
		pthread_cond_timedwait(&l->released, &l->lock, &end);
	}
	l->unit[mine].claimed = true;
	memcpy(l->unit[mine].name, name, SHA256_SIZE);
	return true;
}

bool line_claim_unit(struct line *l, const uint8_t name[static SHA256_SIZE], const struct config_slot *slot, int64_t deadline_ms,
		     struct err *e)
{
	pthread_mutex_lock(&l->lock);
	bool ok = claim(l, name, index_of(l, slot), deadline_ms, e);
	pthread_mutex_unlock(&l->lock);
	return ok;
}

void line_release_unit(struct line *l, const struct config_slot *slot)
{
	pthread_mutex_lock(&l->lock);
	l->unit[index_of(l, slot)].claimed = false;
	pthread_cond_broadcast(&l->released);
	pthread_mutex_unlock(&l->lock);
}

bool line_works(struct line *l)
{
	return atomic_load(&l->jobs) > 0;
}

void line_set_unfit(struct line *l, const struct err *cause)
{
	pthread_mutex_lock(&l->lock);
	if (l->unfit.code == E_NONE)
		l->unfit = *cause;
	pthread_mutex_unlock(&l->lock);
}

bool line_may_go_on(struct line *l, struct err *e)
{
	if (atomic_load(&l->stopping))
		return err_set(e, E_STOPPING, "the line is stopping");
	pthread_mutex_lock(&l->lock);
	struct err unfit = l->unfit;
	pthread_mutex_unlock(&l->lock);
	return unfit.code == E_NONE || err_native(e, unfit.code, unfit.native, "%s", unfit.what);
}
