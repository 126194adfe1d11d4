/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of operations: every call that the emulator knows, by the name that
 * the OpenAPI file gives it. A row without a function is a call of the real service that this
 * emulator does not offer; it answers 405, never a made-up success.
 */
#ifndef SIM_DPS_ROUTE_H
#define SIM_DPS_ROUTE_H

#include "answer.h"
#include "request.h"

#include <stdbool.h>

struct service;

struct operation {
	const char *name;
	enum plane plane;
	const char *method;
	const char *path;    /* segments; {} is a variable */
	const char *right;   /* what the caller's policy or role must hold; NULL: see the operation */
	const char *subject; /* what the record calls variable number subject_arg; NULL: nothing */
	unsigned subject_arg;
	void (*handle)(struct service *svc, const struct request *r, struct answer *a);
};

/* "service", "device", "hub", "arm", "emulator" or "none". */
const char *operation_plane(const struct operation *op);

/*
 * Sets r->op and r->arg. False with the answer (404 for an unknown path, 405 for a path that has no
 * such method) when there is nothing to run; r->op is then NULL or the row that is not offered.
 */
bool route_find(struct request *r, struct answer *a);

#endif
