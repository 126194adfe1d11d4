/* SPDX-License-Identifier: Apache-2.0 */
#include "station/offline.h"
#include "station/base/clock.h"
#include "station/base/log.h"
#include "station/base/text.h"
#include "station/preflight.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define MEMORY "preflight.passed"
#define MARK_ROOM (4 * SHA256_SIZE + 2)
#define FIRST_WAIT_MS 1000
#define LAST_WAIT_MS 60000

struct offline {
	struct line *line;
	offline_asked *asked;
	void *ctx;
	pthread_t thread;
	pthread_mutex_t lock;	/* what follows */
	pthread_cond_t news;
	bool ending;
};

bool offline_is_outage(enum err_code code)
{
	return code == E_NET || code == E_DPS_BUSY;
}

/* What was asked about: the configuration's bytes and the issuing CA's certificate. */
static void mark_of(struct line *l, char config[static 2 * SHA256_SIZE + 1], char ca[static 2 * SHA256_SIZE + 1])
{
	struct bytes chain[SIGNER_CHAIN_MAX];
	uint8_t hash[SHA256_SIZE] = {0};
	if (signing_chain(&l->signing, chain))
		sha256_of(chain[0].data, chain[0].len, hash);
	hex_encode(hash, SHA256_SIZE, ca);
	hex_encode(l->config->sha256, SHA256_SIZE, config);
}

static bool remember(struct line *l, const char *mark, const json_t *body, struct err *e)
{
	uint64_t index;
	if (!ledger_begin(l->ledger, e))
		return false;
	if (!ledger_remember(l->ledger, MEMORY, mark, e) ||
	    !audit_append(l->ledger, MEMORY, "", body, clock_wall_ms(), &index, e)) {
		ledger_rollback(l->ledger);
		return false;
	}
	return ledger_commit(l->ledger, e);
}

bool offline_remember(struct line *l, struct err *e)
{
	char config[2 * SHA256_SIZE + 1], ca[2 * SHA256_SIZE + 1], mark[MARK_ROOM];
	mark_of(l, config, ca);
	snprintf(mark, sizeof(mark), "%s %s", config, ca);
	AUTO(json) json_t *body = json_pack("{s:s, s:s, s:s}", "config_sha256", config, "ca_sha256", ca, "build", STATION_VERSION);
	return remember(l, mark, body, e) || err_in(e, "recording that preflight passed");
}

bool offline_may_start(struct line *l, const struct err *why, struct err *e)
{
	char config[2 * SHA256_SIZE + 1], ca[2 * SHA256_SIZE + 1], mark[MARK_ROOM];
	AUTO(bytes) struct bytes known = {0};
	if (!offline_is_outage(why->code) || !l->config->start_offline)
		return err_native(e, why->code, why->native, "%s", why->what);
	if (!ledger_recall(l->ledger, MEMORY, &known, e))
		return false;
	mark_of(l, config, ca);
	snprintf(mark, sizeof(mark), "%s %s", config, ca);
	return !strcmp(bytes_text(&known), mark) ||
	       err_native(e, E_OFFLINE_START, why->native, "%s: %s", err_row(why->code)->code, why->what);
}

/* ---- asking again ---- */

static void say_nothing(void *ctx, const char *name, bool ok, const char *text)
{
	(void)ctx;
	log_debug("preflight %s: %s %s", name, ok ? "ok" : "NOT", text);
}

/* False at the end. */
static bool wait_ms(struct offline *o, int64_t ms)
{
	int64_t until_ms = clock_steady_ms() + ms;
	struct timespec end = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
	pthread_mutex_lock(&o->lock);
	while (!o->ending && clock_left_ms(until_ms))
		pthread_cond_timedwait(&o->news, &o->lock, &end);
	bool ending = o->ending;
	pthread_mutex_unlock(&o->lock);
	return !ending;
}

static void *ask(void *arg)
{
	struct offline *o = arg;
	struct err e = {0};
	for (int64_t ms = FIRST_WAIT_MS; wait_ms(o, ms); ms = ms < LAST_WAIT_MS / 2 ? 2 * ms : LAST_WAIT_MS) {
		err_clear(&e);
		bool ok = preflight_cloud(o->line, say_nothing, NULL, &e) && offline_remember(o->line, &e);
		if (!ok && offline_is_outage(e.code))
			continue;
		if (!ok)
			line_set_unfit(o->line, &e);
		o->asked(o->ctx, ok ? NULL : &e);
		break;
	}
	return NULL;
}

bool offline_start(struct line *l, offline_asked *asked, void *ctx, struct offline **ret, struct err *e)
{
	pthread_condattr_t attr;
	struct offline *o = calloc(1, sizeof(*o));
	if (!o)
		return err_set(e, E_NOMEM, "offline");
	*o = (struct offline){.line = l, .asked = asked, .ctx = ctx};
	pthread_mutex_init(&o->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&o->news, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&o->thread, NULL, ask, o) != 0) {
		free(o);
		return err_set(e, E_NOMEM, "thread that asks the service again");
	}
	*ret = o;
	return true;
}

void offline_stop(struct offline *o)
{
	if (!o)
		return;
	pthread_mutex_lock(&o->lock);
	o->ending = true;
	pthread_cond_broadcast(&o->news);
	pthread_mutex_unlock(&o->lock);
	pthread_join(o->thread, NULL);
	pthread_cond_destroy(&o->news);
	pthread_mutex_destroy(&o->lock);
	free(o);
}
