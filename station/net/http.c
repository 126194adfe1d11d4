/* SPDX-License-Identifier: Apache-2.0 */
#include "station/net/http.h"

#include "certs/peer.h"
#include "station/base/clock.h"
#include "station/base/text.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define RETRY_AFTER_MAX_S (24 * 3600)

struct http {
	CURL *curl;
	struct http_identity identity;
	bool has_identity;
	bool has_login;			/* at the proxy */
	struct err identity_err;	/* of giving the key to TLS */
	struct peer_seen peer;		/* in the last handshake */
	char text[CURL_ERROR_SIZE];
};

/* A body on its way out. */
struct outlet {
	const char *data;
	size_t len, sent;
};

/* What is collected while one answer comes in. */
struct intake {
	struct http_response *to;
	char retry_after[64];
	bool over;	/* the body passed its cap */
	struct err err;
};

void http_response_fini(struct http_response *r)
{
	bytes_fini(&r->body);
	memset(r, 0, sizeof(*r));
}

bool http_start(struct err *e)
{
	/* First: libcurl has OpenSSL read its configuration, and a provider loaded behind that is never given back at exit. */
	if (!remote_key_load(e))
		return false;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(e, E_NET, "libcurl does not start");
	signal(SIGPIPE, SIG_IGN);
	return true;
}

void http_stop(void)
{
	curl_global_cleanup();
}

/* ---- setting up ---- */

static CURLcode on_handshake(CURL *curl, void *ssl_ctx, void *user)
{
	struct http *h = user;
	const struct http_identity *id = &h->identity;
	peer_watch(ssl_ctx, &h->peer);
	if (!h->has_identity)
		return CURLE_OK;
	bool ok = remote_key_use(ssl_ctx, id->key, id->leaf, id->leaf_len, id->chain, id->chain_count,
				 &h->identity_err);
	return ok ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

/* An option that libcurl does not take means a libcurl that is not ours to trust: none is left out silently. */
#define SET(h, option, value) (curl_easy_setopt((h)->curl, (option), (value)) == CURLE_OK)

static bool set_tls(struct http *h, const struct http_setup *s)
{
	bool ok = SET(h, CURLOPT_SSL_VERIFYPEER, 1L) && SET(h, CURLOPT_SSL_VERIFYHOST, 2L)
		  && SET(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2)
		  && SET(h, CURLOPT_SSL_CTX_FUNCTION, on_handshake) && SET(h, CURLOPT_SSL_CTX_DATA, h);
	/* A session of an earlier handshake would carry the client's identity without its key being asked. */
	ok = ok && (!h->has_identity || SET(h, CURLOPT_SSL_SESSIONID_CACHE, 0L));
	if (s->ca_file && *s->ca_file)
		ok = ok && SET(h, CURLOPT_CAINFO, s->ca_file) && SET(h, CURLOPT_CAPATH, NULL)
		     && SET(h, CURLOPT_PROXY_CAINFO, s->ca_file) && SET(h, CURLOPT_PROXY_CAPATH, NULL);
	if (s->certificate)
		ok = ok && SET(h, CURLOPT_SSLCERT, s->certificate) && SET(h, CURLOPT_SSLKEY, s->key);
	return ok;
}

static bool set_way(struct http *h, const struct http_setup *s)
{
	/* An empty proxy and an empty exception keep libcurl from looking into the environment. */
	bool ok = SET(h, CURLOPT_PROXY, s->proxy ? s->proxy : "") && SET(h, CURLOPT_NOPROXY, "")
		  && SET(h, CURLOPT_HTTPPROXYTUNNEL, 1L) && SET(h, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE)
		  && SET(h, CURLOPT_PROTOCOLS_STR, s->plain ? "https,http" : "https") && SET(h, CURLOPT_FOLLOWLOCATION, 0L)
		  && SET(h, CURLOPT_NOSIGNAL, 1L)
		  && SET(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1)
		  && SET(h, CURLOPT_CONNECTTIMEOUT_MS, (long)(s->connect_ms > 0 ? s->connect_ms : HTTP_CONNECT_MS))
		  && SET(h, CURLOPT_ERRORBUFFER, h->text) && SET(h, CURLOPT_USERAGENT, "enrollment-station");
	if (h->has_login)
		ok = ok && SET(h, CURLOPT_PROXYUSERPWD, bytes_text(s->proxy_login));
	return ok;
}

bool http_open(const struct http_setup *setup, const struct http_identity *identity, struct http **ret,
	       struct err *e)
{
	struct http *h = calloc(1, sizeof(*h));
	if (!h)
		return err_set(e, E_NOMEM, "HTTP client");
	h->has_identity = identity != NULL;
	h->has_login = setup->proxy_login && setup->proxy_login->len;
	if (identity)
		h->identity = *identity;
	h->curl = curl_easy_init();
	if (!h->curl || !set_tls(h, setup) || !set_way(h, setup)) {
		http_close(h);
		return err_set(e, E_NET, "libcurl lacks what the station needs of it");
	}
	*ret = h;
	return true;
}

void http_close(struct http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->curl);
	free(h);
}

/* ---- taking the answer in ---- */

static size_t take_body(char *data, size_t one, size_t len, void *user)
{
	struct intake *in = user;
	in->over = len > HTTP_BODY_MAX - in->to->body.len;
	return !in->over && bytes_add(&in->to->body, data, len, &in->err) ? len : 0;
}

/* Copies the value of a header; a value that does not fit is dropped, since a piece of it means something else. */
static void header_copy(char *out, size_t room, const char *value, size_t len)
{
	if (len >= room || !text_is_printable(value, len))
		return;
	memcpy(out, value, len);
	out[len] = '\0';
}

static size_t take_header(char *line, size_t one, size_t len, void *user)
{
	struct intake *in = user;
	struct http_response *r = in->to;
	char date[64] = "";
	const struct {
		const char *name;
		char *out;
		size_t room;
	} rows[] = {
		{"retry-after:", in->retry_after, sizeof(in->retry_after)},
		{"date:", date, sizeof(date)},
		{"etag:", r->etag, sizeof(r->etag)},
		{"x-ms-error-code:", r->error_code, sizeof(r->error_code)},
		{"x-ms-request-id:", r->request_id, sizeof(r->request_id)},
		{"location:", r->location, sizeof(r->location)},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t n = strlen(rows[i].name), end = len;
		if (len < n || strncasecmp(line, rows[i].name, n))
			continue;
		while (n < end && (line[n] == ' ' || line[n] == '\t'))
			n++;
		while (end > n && strchr(" \t\r\n", line[end - 1]))
			end--;
		header_copy(rows[i].out, rows[i].room, line + n, end - n);
	}
	if (*date) {
		time_t at = curl_getdate(date, NULL);
		r->date_ms = at > 0 ? (int64_t)at * 1000 : -1;
	}
	return len;
}

static int64_t retry_after_ms(const char *text, int64_t peer_ms)
{
	if (!*text)
		return -1;
	size_t digits = strspn(text, "0123456789");
	int64_t s = 0;
	if (!text[digits]) {
		s = digits > 9 ? RETRY_AFTER_MAX_S : strtoll(text, NULL, 10);
	} else {
		time_t at = curl_getdate(text, NULL);
		if (at < 0)
			return -1;
		s = (int64_t)at - (peer_ms >= 0 ? peer_ms : clock_wall_ms()) / 1000;
	}
	return (s < 0 ? 0 : s > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : s) * 1000;
}

static void certificate_copy(char *out, size_t room, const struct curl_slist *list, const char *name)
{
	size_t n = strlen(name);
	for (; list; list = list->next)
		if (!strncmp(list->data, name, n))
			snprintf(out, room, "%s", list->data + n);
}

static void note_hops(struct http *h, bool want_certificates, struct http_hops *ret)
{
	curl_off_t us = 0;
	long number = 0;
	const char *address = NULL;
	struct curl_certinfo *certs = NULL;
	const struct {
		CURLINFO info;
		int64_t *to;
	} times[] = {
		{CURLINFO_NAMELOOKUP_TIME_T, &ret->name_us},
		{CURLINFO_CONNECT_TIME_T, &ret->connect_us},
		{CURLINFO_APPCONNECT_TIME_T, &ret->tls_us},
		{CURLINFO_STARTTRANSFER_TIME_T, &ret->first_byte_us},
	};
	for (size_t i = 0; i < COUNT_OF(times); i++)
		if (curl_easy_getinfo(h->curl, times[i].info, &us) == CURLE_OK)
			*times[i].to = us;
	if (curl_easy_getinfo(h->curl, CURLINFO_HTTP_CONNECTCODE, &number) == CURLE_OK)
		ret->proxy_status = (int)number;
	if (curl_easy_getinfo(h->curl, CURLINFO_PRIMARY_IP, &address) == CURLE_OK && address)
		snprintf(ret->address, sizeof(ret->address), "%s", address);
	if (want_certificates && curl_easy_getinfo(h->curl, CURLINFO_CERTINFO, &certs) == CURLE_OK && certs
	    && certs->num_of_certs > 0) {
		certificate_copy(ret->subject, sizeof(ret->subject), certs->certinfo[0], "Subject:");
		certificate_copy(ret->issuer, sizeof(ret->issuer), certs->certinfo[0], "Issuer:");
	}
}

/* ---- libcurl's failures as ours ---- */

static bool text_has(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

/* libcurl has one code for a handshake that failed for whatever reason; its text (OpenSSL's) tells them apart. */
static enum err_code handshake_code(const struct http *h)
{
	if (!text_has(h->text, "error:") || text_has(h->text, "unexpected eof"))
		return E_NET;
	if (h->has_identity && text_has(h->text, " alert ") && !text_has(h->text, "protocol version"))
		return E_REHEARSAL;
	return E_TLS;
}

static enum err_code proxy_code(int status)
{
	return status >= 500 ? E_NET : E_PROXY;
}

static enum err_code code_of(const struct http *h, CURLcode code, const struct http_hops *hops)
{
	static const struct {
		CURLcode curl;
		enum err_code ours;
	} rows[] = {
		{CURLE_PEER_FAILED_VERIFICATION, E_TLS},
		{CURLE_SSL_CACERT_BADFILE, E_TLS},
		{CURLE_SSL_CIPHER, E_TLS},
		{CURLE_SSL_CERTPROBLEM, E_TLS},
		{CURLE_SSL_ISSUER_ERROR, E_TLS},
		{CURLE_URL_MALFORMAT, E_CONFIG},
		{CURLE_UNSUPPORTED_PROTOCOL, E_CONFIG},
		{CURLE_OUT_OF_MEMORY, E_NOMEM},
		{CURLE_WEIRD_SERVER_REPLY, E_DPS_ANSWER},
		{CURLE_BAD_CONTENT_ENCODING, E_DPS_ANSWER},
		{CURLE_PROXY, E_PROXY},
	};
	if (code == CURLE_SSL_CONNECT_ERROR || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR)
		return handshake_code(h);
	/* A first line that is not HTTP/1 counts as HTTP/0.9, which libcurl calls a protocol that it does not speak. */
	if (code == CURLE_UNSUPPORTED_PROTOCOL && hops->tls_us)
		return E_DPS_ANSWER;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].curl == code)
			return rows[i].ours;
	return E_NET;
}

static bool fail_untrusted(const struct http *h, CURLcode code, struct err *e)
{
	char now[CLOCK_TEXT];
	clock_text(clock_wall_ms(), now);
	return err_native(e, E_TLS, code, "%s: the certificate of %s, issued by %s%s%s", h->peer.why, h->peer.subject, h->peer.issuer,
			  h->peer.is_of_time ? "; this clock says " : "", h->peer.is_of_time ? now : "");
}

static bool fail_at_proxy(const struct http *h, CURLcode code, int status, struct err *e)
{
	if (status != 407)
		return err_native(e, proxy_code(status), code, "the proxy answers %d", status);
	return err_native(e, E_PROXY, code, "the proxy %s", h->has_login ? "refuses the name and password of proxy_secret (407)"
									 : "asks for a name and password, and proxy_secret is not given (407)");
}

static bool fail(struct http *h, CURLcode code, const struct intake *in, const struct http_hops *hops,
		 struct err *e)
{
	const struct err *cause = h->has_identity ? h->identity.key->cause : NULL;
	if (h->identity_err.code)
		return err_native(e, h->identity_err.code, h->identity_err.native, "%s", h->identity_err.what);
	if (cause && cause->code)
		return err_native(e, cause->code, cause->native, "%s", cause->what);
	if (in->over)
		return err_set(e, E_DPS_ANSWER, "the answer is longer than %zu bytes", HTTP_BODY_MAX);
	if (in->err.code)
		return err_native(e, in->err.code, in->err.native, "%s", in->err.what);
	if (hops->proxy_status && hops->proxy_status / 100 != 2)
		return fail_at_proxy(h, code, hops->proxy_status, e);
	if (*h->peer.why)
		return fail_untrusted(h, code, e);
	const char *text = *h->text ? h->text : curl_easy_strerror(code);
	return err_native(e, code_of(h, code, hops), code, "%s", text);
}

/* ---- one request ---- */

struct slist {
	struct curl_slist *list;
};

/* libcurl copied the headers; one of them is a secret. */
static void slist_fini(struct slist *s)
{
	for (struct curl_slist *i = s->list; i; i = i->next)
		wipe(i->data, strlen(i->data));
	curl_slist_free_all(s->list);
	s->list = NULL;
}
AUTO_DEFINE(slist, struct slist)

static bool header_append(struct slist *s, const char *line, struct err *e)
{
	struct curl_slist *longer = curl_slist_append(s->list, line);
	if (!longer)
		return err_set(e, E_NOMEM, "request");
	s->list = longer;
	return true;
}

static bool header_add(struct slist *s, const char *name, const char *value, struct err *e)
{
	AUTO(bytes) struct bytes line = {.secret = true};
	return bytes_printf(&line, e, "%s: %s", name, value) && header_append(s, bytes_text(&line), e);
}

static bool headers_of(const struct http_request *q, struct slist *ret, struct err *e)
{
	bool ok = header_add(ret, "Accept", "application/json", e);
	/* An empty value takes out what libcurl would say: "100-continue", and a form where there is no body. */
	ok = ok && header_add(ret, "Expect", "", e);
	ok = ok && header_add(ret, "Content-Type", q->body ? "application/json; charset=utf-8" : "", e);
	if (q->if_match)
		ok = ok && header_add(ret, "If-Match", q->if_match, e);
	for (const char *const *more = q->headers; ok && more && *more; more++)
		ok = header_append(ret, *more, e);
	if (q->authorization)
		ok = ok && header_add(ret, "Authorization", bytes_text(q->authorization), e);
	return ok;
}

static size_t give_body(char *to, size_t one, size_t room, void *user)
{
	struct outlet *out = user;
	size_t n = out->len - out->sent < room ? out->len - out->sent : room;
	if (n)
		memcpy(to, out->data + out->sent, n);
	out->sent += n;
	return n;
}

/* Asked for when libcurl wants to send a body again. */
static int refuse_to_repeat(void *user, curl_off_t offset, int origin)
{
	return CURL_SEEKFUNC_FAIL;
}

static bool set_body(struct http *h, struct outlet *out)
{
	return SET(h, CURLOPT_POST, 1L) && SET(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)out->len)
	       && SET(h, CURLOPT_READFUNCTION, give_body) && SET(h, CURLOPT_READDATA, out)
	       && SET(h, CURLOPT_SEEKFUNCTION, refuse_to_repeat);
}

static bool set_request(struct http *h, const struct http_request *q, const struct slist *headers,
			struct outlet *out, struct intake *in)
{
	bool is_get = !strcmp(q->method, "GET");
	bool ok = SET(h, CURLOPT_HTTPGET, 1L);
	if (q->body || !strcmp(q->method, "POST") || !strcmp(q->method, "PUT"))
		ok = ok && set_body(h, out);
	/* Without a body there is nothing that libcurl could not repeat, so what changes something goes over a new connection. */
	ok = ok && SET(h, CURLOPT_FRESH_CONNECT, is_get || out->len ? 0L : 1L);
	return ok && SET(h, CURLOPT_CUSTOMREQUEST, q->method) && SET(h, CURLOPT_URL, q->url)
	       && SET(h, CURLOPT_HTTPHEADER, headers->list)
	       && SET(h, CURLOPT_TIMEOUT_MS, (long)clock_left_ms(q->deadline_ms))
	       && SET(h, CURLOPT_CERTINFO, q->want_hops ? 1L : 0L)
	       && SET(h, CURLOPT_WRITEFUNCTION, take_body) && SET(h, CURLOPT_WRITEDATA, in)
	       && SET(h, CURLOPT_HEADERFUNCTION, take_header) && SET(h, CURLOPT_HEADERDATA, in);
}

bool http_send(struct http *h, const struct http_request *request, struct http_response *ret, struct err *e)
{
	AUTO(slist) struct slist headers = {0};
	struct intake in = {.to = ret};
	struct outlet out = {.data = request->body, .len = request->body ? request->body_len : 0};
	long status = 0;

	http_response_fini(ret);
	ret->date_ms = ret->retry_after_ms = -1;
	memset(&h->peer, 0, sizeof(h->peer));
	ret->body.max = HTTP_BODY_MAX;
	h->text[0] = '\0';
	err_clear(&h->identity_err);
	/* What the key said in an earlier try explains nothing now. */
	if (h->has_identity && h->identity.key->cause)
		err_clear(h->identity.key->cause);
	if (clock_left_ms(request->deadline_ms) == 0)
		return err_set(e, E_NET, "no time is left for the request");
	if (!headers_of(request, &headers, e))
		return false;
	if (!set_request(h, request, &headers, &out, &in))
		return err_set(e, E_NET, "libcurl does not take the request");
	CURLcode code = curl_easy_perform(h->curl);
	note_hops(h, request->want_hops, &ret->hops);
	/* The list dies with this function: libcurl must not keep it. */
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, NULL);
	if (code != CURLE_OK)
		return fail(h, code, &in, &ret->hops, e);
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &status);
	ret->status = (int)status;
	ret->ahead_ms = ret->date_ms < 0 ? 0 : clock_wall_ms() - ret->date_ms;
	ret->retry_after_ms = retry_after_ms(in.retry_after, ret->date_ms);
	return true;
}
