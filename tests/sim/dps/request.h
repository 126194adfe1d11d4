/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request as it came: raw target, decoded path segments, the headers that matter, the body and
 * the certificates that the client proved in the TLS handshake.
 *
 * The path is cut at its slashes before anything is percent-decoded, so "%2F" never makes a segment;
 * a trailing slash is forgiven. /hubs/{hostName}/... means the same as /... with that Host header,
 * for clients that cannot name another host than localhost.
 */
#ifndef SIM_DPS_REQUEST_H
#define SIM_DPS_REQUEST_H

#include <jansson.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#define REQUEST_SEGMENTS 16
#define REQUEST_ARGS 6
/* The service's documented limit of a message is 96 KB; ten of the largest make a bulk call. */
#define REQUEST_BODY_MAX (1u << 20)

enum plane { PLANE_NONE, PLANE_SERVICE, PLANE_DEVICE, PLANE_HUB, PLANE_ARM, PLANE_EMULATOR, PLANES };

struct operation;
struct fault;

struct request {
	char *method;
	char *target; /* as sent: path and query */
	char *segment[REQUEST_SEGMENTS];
	size_t segments;
	bool malformed;
	char *query;
	const char *authority; /* the Host header, lent by the connection, or NULL */
	char *hub;  /* set when an IoT Hub is addressed, lower case */
	/* Headers, lent by the connection; NULL when absent. */
	const char *authorization, *if_match, *content_type, *max_items, *continuation;
	char *body;
	size_t body_len;
	bool too_long;
	json_t *json; /* the body parsed, or NULL */
	STACK_OF(X509) *peers; /* leaf first, or NULL; possession proved, nothing else */
	/* Set by the route. */
	const struct operation *op;
	const char *arg[REQUEST_ARGS];
	const struct fault *fault; /* what a rule does to it; set while the operation runs */
};

/* `target` is copied. */
struct request *request_new(const char *target);
void request_free(struct request *r);

/* The Host header's value, with or without port. Decides whether a hub is addressed. */
void request_set_host(struct request *r, const char *host);

/* Appends to the body; past the limit only too_long is set. */
void request_append(struct request *r, const char *bytes, size_t n);

/* The decoded value of a query parameter (name without case), or NULL; the caller frees. */
char *request_parameter(const struct request *r, const char *name);

/* The client's own certificate, or NULL. */
X509 *request_leaf(const struct request *r);

#endif
