/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was said, both ways: DIR/traffic.jsonl, one line per request with its headers and body and those of
 * the answer, for a check against the OpenAPI files. Values under names of secrets are masked.
 */
#ifndef SIM_DPS_TRAFFIC_H
#define SIM_DPS_TRAFFIC_H

#include "answer.h"
#include "request.h"
#include "rules.h"

struct traffic {
	int fd; /* 0: nothing is kept */
};

/* `dir` may be NULL. Says why not on stderr. */
bool traffic_open(struct traffic *t, const char *dir);
void traffic_close(struct traffic *t);

/* Appends the line; `cut` says that no answer left. */
void traffic_write(struct traffic *t, const struct request *r, const struct answer *a, enum cut cut);

#endif
