/* SPDX-License-Identifier: Apache-2.0 */
/* The door to the network: one HTTPS request at a time through libcurl, and nobody else in the project knows libcurl.
 *
 * A `struct http` is one identity talking: it keeps its connection for the next request to the same host, and shares
 * nothing with another one, since libcurl cannot see that two client keys differ. What changes something is sent once:
 * on a kept connection that died libcurl may send a request again by itself only as long as nothing of its body went
 * out. It belongs to one thread at a time; threads that talk at once have one each. TLS is always verified, name
 * included, version 1.2 or later; only https; redirects are never followed; proxies come from the configuration, never
 * from the environment. Whatever the service says, an answer with a status is success here: judging it is answer.h's.
 * What libcurl says of a failure becomes: E_NET (name, connect, time, reset, cut short), E_TLS (the peer is not trusted,
 * no common TLS), E_PROXY (the proxy refused), E_REHEARSAL (the peer refused our client certificate in the handshake),
 * E_DPS_ANSWER (a body over the cap, not HTTP). Where a client key in a device failed, its own error wins. No text here
 * ever holds a header that we sent. */
#ifndef STATION_NET_HTTP_H
#define STATION_NET_HTTP_H

#include "certs/remote_key.h"

#define HTTP_BODY_MAX ((size_t)1 << 20)
#define HTTP_CONNECT_MS 10000

/* How to reach the world; strings are lent to http_open, which copies them. */
struct http_setup {
	const char *ca_file;	/* PEM of what is trusted, instead of the system's store; NULL: the system's */
	const char *proxy;	/* "http://HOST:PORT"; NULL: none */
	const struct bytes *proxy_login;	/* secret "USER:PASSWORD"; NULL or empty: none */
	const char *certificate, *key;	/* PEM files, for mutual TLS with a key of this machine; NULL: none */
	bool plain;		/* http:// is allowed too: what it carries has proofs of its own */
	int connect_ms;		/* greatest time for name, TCP and TLS; 0: HTTP_CONNECT_MS */
};

/* Who we are in the handshake; lent for the life of the struct http. */
struct http_identity {
	const struct remote_key *key;
	const void *leaf;	/* DER */
	size_t leaf_len;
	const struct bytes *chain;	/* DER, from the leaf's issuer upwards */
	size_t chain_count;
};

struct http_request {
	const char *method;	/* GET, PUT, POST, DELETE */
	const char *url;
	const struct bytes *authorization;	/* value of the header, secret; NULL: none */
	const char *const *headers;	/* more of them, "Name: value", NULL at the end; NULL: none */
	const char *if_match;	/* value of the header; NULL: none */
	const char *body;	/* JSON, NULL: none */
	size_t body_len;
	bool want_hops;		/* fill response->hops with certificates too */
	int64_t deadline_ms;	/* steady */
};

/* How far a request came, for people; filled as far as known, also when it failed. Times in microseconds from its start,
 * 0: not reached. */
struct http_hops {
	int64_t name_us, connect_us, tls_us, first_byte_us;
	char address[64];	/* of the peer we are connected to (the proxy, if there is one); "": not connected */
	int proxy_status;	/* of CONNECT; 0 without proxy */
	char subject[256], issuer[256];	/* of the peer's certificate, with want_hops */
};

struct http_response {
	int status;
	int64_t retry_after_ms;	/* from now (RFC 9110, 10.2.3; a date counts against the peer's own Date); -1: none */
	int64_t date_ms;	/* wall clock of the peer; -1: none */
	int64_t ahead_ms;	/* how far this machine's clock is ahead of it; 0 where the peer does not say, exact to a second */
	char etag[128];
	char error_code[64];	/* x-ms-error-code */
	char request_id[128];	/* x-ms-request-id */
	char location[512];
	struct bytes body;
	struct http_hops hops;
};
void http_response_fini(struct http_response *r);
AUTO_DEFINE(http_response, struct http_response)

/* Before the first thread: sets libcurl up, loads the remote-key provider, and has SIGPIPE ignored, which TLS on a cut connection
 * would raise. E_NET, E_TLS. http_stop() after the last thread. */
WARN_UNUSED bool http_start(struct err *e);
void http_stop(void);

struct http;

/* identity NULL: no client certificate. E_NOMEM. */
WARN_UNUSED bool http_open(const struct http_setup *setup, const struct http_identity *identity, struct http **ret, struct err *e);
void http_close(struct http *h);

/* Sends and takes the whole answer, by the deadline. `ret` is zeroed or was used before. True with any status; else as
 * said above, and ret->hops tells how far it came. Whether the request took effect is not known after E_NET. */
WARN_UNUSED bool http_send(struct http *h, const struct http_request *request, struct http_response *ret, struct err *e);

#endif
