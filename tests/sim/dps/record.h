/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the service was asked: DIR/requests.jsonl, one line of JSON per request, for tests to compare.
 * Never holds an Authorization header; values under names of secrets in bodies are masked.
 */
#ifndef SIM_DPS_RECORD_H
#define SIM_DPS_RECORD_H

#include "answer.h"
#include "request.h"
#include "rules.h"

#include <stdbool.h>
#include <stdint.h>

struct record {
	int fd;
	int64_t seq; /* of the last line; goes on over a restart */
};

bool record_open(struct record *rec, const char *dir);
void record_close(struct record *rec);

/* Appends the line; `cut` says that no answer left. */
void record_write(struct record *rec, const struct request *r, const struct answer *a, enum cut cut,
	bool had_effect);

#endif
