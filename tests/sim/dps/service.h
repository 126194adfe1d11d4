/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The emulated service: one DPS instance, its linked IoT Hubs and its ARM resource.
 *
 * A request comes in as bytes of one connection (server.c) and goes through service_answer(): find
 * the operation in the route's table, look up what shall go wrong, check version, media type, rights and
 * limits, run the operation under the lock, give the answer its plane's form, write the record.
 */
#ifndef SIM_DPS_SERVICE_H
#define SIM_DPS_SERVICE_H

#include "answer.h"
#include "chance.h"
#include "counts.h"
#include "record.h"
#include "request.h"
#include "rules.h"
#include "store.h"
#include "throttle.h"
#include "traffic.h"

#include <jansson.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define OPTION_LIST_MAX 64

struct options {
	char listen_host[64];
	uint16_t port;
	const char *state;
	const char *rules;
	const char *traffic; /* directory, or NULL */
	const char *ca[OPTION_LIST_MAX];
	size_t cas;
	const char *group[OPTION_LIST_MAX]; /* ID=FILE */
	size_t groups;
	int64_t polls;      /* how often a registration says "assigning" before it is done; -1: done at once */
	bool strict_etags;  /* an If-Match without quotes is 400 */
	struct throttle_options throttle;
	struct chance chance; /* rate and seed */
	bool bulk_lists_all; /* a bulk answer has a row for what succeeded too */
};

struct service {
	struct options options;
	struct store store;
	json_t *instance; /* name, idScope, policies, hubs, tokens: made once, kept in instance.json */
	struct rules rules;
	struct record record;
	struct traffic traffic;
	struct throttle throttle;
	struct chance chance;
	json_t *holders; /* see holders.h */
	json_t *counts;  /* see counts.h */
	bool counts_changed;
	pthread_mutex_t lock;
	pthread_cond_t stop_called;
	bool stopping;
};

/* What the connection does with the answer. */
struct verdict {
	enum cut cut;       /* end the connection without an answer */
	bool truncate_body; /* promise all of the body, send half */
};

/* Opens the state, makes the instance when there is none. Says why not on stderr. */
bool service_open(struct service *svc, const struct options *o);
void service_close(struct service *svc);

/* Ends sleeping rules, before the server is stopped; the second lets them sleep again. */
void service_stop(struct service *svc);
void service_go_on(struct service *svc);

/* Writes endpoint.json, naming the port that was bound. */
bool service_announce(struct service *svc, uint16_t port);

struct verdict service_answer(struct service *svc, struct request *r, struct answer *a);

/* A text field of the instance document. */
const char *instance_text(const struct service *svc, const char *field);

/* The hub's entry (name, location, allocationWeight, ...), lent, or NULL. Name without case. */
json_t *instance_hub(const struct service *svc, const char *name);

#endif
