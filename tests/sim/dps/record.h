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

/* What became of a request beside its answer. */
struct outcome {
	enum cut cut;       /* no answer left */
	bool had_effect;
	const char *chance; /* the kind of a random fault, or NULL */
};

/* Appends the line. */
void record_write(struct record *rec, const struct request *r, const struct answer *a,
	const struct outcome *o);

/* The request's body for a record: parsed and masked, or its beginning as text, or null. */
json_t *record_body(const struct request *r);

/* A copy with what stands under the names of secrets masked. */
json_t *record_masked(const json_t *doc);

#endif
