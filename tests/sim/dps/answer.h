/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One answer: status, JSON body, headers. Operations say only *which* error (the service's six-digit
 * code, whose first three digits are the HTTP status, and a sentence); the form that an error has on
 * the wire differs by plane and is made in one place, answer_finish().
 */
#ifndef SIM_DPS_ANSWER_H
#define SIM_DPS_ANSWER_H

#include "request.h"

#include <jansson.h>
#include <stdint.h>

#define ANSWER_HEADERS 12

struct answer {
	int status;
	json_t *body;   /* owned; NULL: no body */
	int64_t error;  /* six digits; 0: no error */
	char *message;
	const char *name; /* the hub's and ARM's word for the error; NULL: by the status */
	json_t *info;
	struct {
		const char *name;
		char *value;
	} header[ANSWER_HEADERS];
	size_t headers;
	char *text; /* the body on the wire, after answer_finish() */
};

/* The body is taken; NULL for none. */
void answer_with(struct answer *a, int status, json_t *take);

/* Replaces whatever the answer was. Returns false, so a check can end with it. */
bool answer_error(struct answer *a, int64_t code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same, with the word that IoT Hub or ARM uses for it ("DeviceNotFound"). */
bool answer_named(struct answer *a, int64_t code, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

void answer_header(struct answer *a, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Gives the error its plane's form, adds the headers every answer has, prints the body. */
void answer_finish(struct answer *a, enum plane plane);
void answer_fini(struct answer *a);

#endif
