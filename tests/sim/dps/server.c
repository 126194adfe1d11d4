/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include "util.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define CHAIN_MAX 10

/* Runs before the handshake: ask for a certificate, send no list of acceptable issuers. */
static void on_connection(void *cls, struct MHD_Connection *conn, void **ctx,
	enum MHD_ConnectionNotificationCode code)
{
	(void)cls;
	(void)ctx;
	if (code != MHD_CONNECTION_NOTIFY_STARTED)
		return;
	const union MHD_ConnectionInfo *tls =
		MHD_get_connection_info(conn, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	const union MHD_ConnectionInfo *fd =
		MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
	int on = 1;
	if (fd)
		setsockopt(fd->connect_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (!tls)
		return;
	gnutls_certificate_server_set_request(tls->tls_session, GNUTLS_CERT_REQUEST);
	gnutls_certificate_send_x509_rdn_sequence(tls->tls_session, 1);
}

/* The raw target is only to be had here; the request is born with it. */
static void *on_target(void *cls, const char *target, struct MHD_Connection *conn)
{
	(void)cls;
	(void)conn;
	return request_new(target);
}

static void on_completed(void *cls, struct MHD_Connection *conn, void **ctx,
	enum MHD_RequestTerminationCode code)
{
	(void)cls;
	(void)conn;
	(void)code;
	request_free(*ctx);
	*ctx = NULL;
}

static STACK_OF(X509) *read_peers(struct MHD_Connection *conn)
{
	const union MHD_ConnectionInfo *tls =
		MHD_get_connection_info(conn, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	unsigned n = 0;
	const gnutls_datum_t *der = tls ? gnutls_certificate_get_peers(tls->tls_session, &n) : NULL;
	if (!der || !n || n > CHAIN_MAX)
		return NULL;
	STACK_OF(X509) *peers = must(sk_X509_new_null());
	for (unsigned i = 0; i < n; i++) {
		const unsigned char *at = der[i].data;
		X509 *cert = d2i_X509(NULL, &at, (long)der[i].size);
		if (!cert) {
			sk_X509_pop_free(peers, X509_free);
			return NULL;
		}
		sk_X509_push(peers, cert);
	}
	return peers;
}

static void read_head(struct MHD_Connection *conn, struct request *r, const char *method)
{
	const struct {
		const char *name;
		const char **value;
	} heads[] = {
		{"Authorization", &r->authorization}, {"If-Match", &r->if_match},
		{"Content-Type", &r->content_type}, {"x-ms-max-item-count", &r->max_items},
		{"x-ms-continuation", &r->continuation},
	};
	for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
		*heads[i].value = MHD_lookup_connection_value(conn, MHD_HEADER_KIND, heads[i].name);
	r->method = text_of("%s", method);
	text_clean(r->method);
	request_set_host(r, MHD_lookup_connection_value(conn, MHD_HEADER_KIND, "Host"));
	r->peers = read_peers(conn);
}

/* Aborts the connection with a true TCP reset; the descriptor stays MHD's to close. */
static void reset_connection(struct MHD_Connection *conn)
{
	const union MHD_ConnectionInfo *fd =
		MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	if (fd)
		(void)connect(fd->connect_fd, &none, sizeof none);
}

/* Gives the first half of the body, then breaks. */
static ssize_t half_body(void *cls, uint64_t at, char *to, size_t max)
{
	const char *text = cls;
	size_t half = strlen(text) / 2;
	if (at >= half)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	size_t n = half - (size_t)at < max ? half - (size_t)at : max;
	memcpy(to, text + at, n);
	return (ssize_t)n;
}

static struct MHD_Response *make_response(struct answer *a, bool truncate)
{
	char nothing[] = "";
	size_t n = a->text ? strlen(a->text) : 0;
	if (truncate && n)
		return MHD_create_response_from_callback(n, 1024, half_body, must(strdup(a->text)), free);
	return MHD_create_response_from_buffer(n, a->text ? a->text : nothing, MHD_RESPMEM_MUST_COPY);
}

static enum MHD_Result send_answer(struct MHD_Connection *conn, struct answer *a, bool truncate)
{
	struct MHD_Response *resp = must(make_response(a, truncate));
	for (size_t i = 0; i < a->headers; i++)
		MHD_add_response_header(resp, a->header[i].name, a->header[i].value);
	enum MHD_Result ok = MHD_queue_response(conn, (unsigned)a->status, resp);
	MHD_destroy_response(resp);
	return ok;
}

static enum MHD_Result finish(struct service *svc, struct MHD_Connection *conn, struct request *r)
{
	struct answer a = {0};
	if (r->body_len && !r->too_long)
		r->json = json_loadb(r->body, r->body_len, JSON_REJECT_DUPLICATES, NULL);
	struct verdict v = service_answer(svc, r, &a);
	enum MHD_Result ok = MHD_NO;
	if (v.cut == CUT_RESET)
		reset_connection(conn);
	if (!v.cut)
		ok = send_answer(conn, &a, v.truncate_body);
	answer_fini(&a);
	return ok;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *conn, const char *url,
	const char *method, const char *version, const char *data, size_t *data_len, void **ctx)
{
	(void)url;
	(void)version;
	struct request *r = *ctx;
	if (!r)
		return MHD_NO;
	if (!r->method) {
		read_head(conn, r, method);
		return MHD_YES;
	}
	if (*data_len) {
		request_append(r, data, *data_len);
		*data_len = 0;
		return MHD_YES;
	}
	return finish(cls, conn, r);
}

bool server_open(struct server *s, struct service *svc, const struct tls_identity *tls)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(svc->options.port)};
	if (inet_pton(AF_INET, svc->options.listen_host, &at.sin_addr) != 1) {
		fprintf(stderr, "dps-emulator: not an IPv4 address: %s\n", svc->options.listen_host);
		return false;
	}
	s->daemon = MHD_start_daemon(
		MHD_USE_TLS | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
			MHD_USE_POLL | MHD_USE_ERROR_LOG,
		0, NULL, NULL, on_request, svc,
		MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&at,
		MHD_OPTION_HTTPS_MEM_CERT, tls->cert_pem, MHD_OPTION_HTTPS_MEM_KEY, tls->key_pem,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, NULL,
		MHD_OPTION_URI_LOG_CALLBACK, on_target, NULL,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
		MHD_OPTION_CONNECTION_TIMEOUT, 120u, MHD_OPTION_LISTENING_ADDRESS_REUSE, 1u,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)65536, MHD_OPTION_END);
	if (!s->daemon) {
		fprintf(stderr, "dps-emulator: cannot listen on %s:%u: %s\n", svc->options.listen_host,
			svc->options.port, strerror(errno));
		return false;
	}
	s->port = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
	return true;
}

void server_close(struct server *s)
{
	if (s->daemon)
		MHD_stop_daemon(s->daemon);
	*s = (struct server){0};
}
