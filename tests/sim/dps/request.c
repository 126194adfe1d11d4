/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include "util.h"

#include <stdlib.h>
#include <string.h>

#define HUB_DOMAIN ".azure-devices.net"

static void cut_path(struct request *r, const char *path, size_t n)
{
	const char *end = path + n;
	while (path < end) {
		path += *path == '/';
		const char *slash = memchr(path, '/', (size_t)(end - path));
		const char *stop = slash ? slash : end;
		if (stop == path && stop == end)
			return;
		if (r->segments == REQUEST_SEGMENTS) {
			r->malformed = true;
			return;
		}
		char *segment = percent_decode(path, (size_t)(stop - path));
		if (!segment) {
			r->malformed = true;
			return;
		}
		r->segment[r->segments++] = segment;
		path = stop;
	}
}

/* /hubs/{hostName}/rest becomes /rest at that hub. */
static void take_hub_prefix(struct request *r)
{
	if (r->segments < 2 || !text_same(r->segment[0], "hubs"))
		return;
	r->hub = text_lower(r->segment[1]);
	free(r->segment[0]);
	free(r->segment[1]);
	r->segments -= 2;
	memmove(r->segment, r->segment + 2, r->segments * sizeof r->segment[0]);
}

struct request *request_new(const char *target)
{
	struct request *r = must(calloc(1, sizeof *r));
	r->target = text_of("%s", target);
	r->malformed = !text_clean(r->target);
	size_t n = strcspn(r->target, "?");
	r->query = text_of("%s", r->target[n] ? r->target + n + 1 : "");
	cut_path(r, r->target, n);
	take_hub_prefix(r);
	return r;
}

void request_free(struct request *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->segments; i++)
		free(r->segment[i]);
	free(r->method);
	free(r->target);
	free(r->query);
	free(r->hub);
	free(r->body);
	json_decref(r->json);
	sk_X509_pop_free(r->peers, X509_free);
	free(r);
}

void request_set_host(struct request *r, const char *host)
{
	if (!host)
		return;
	AUTO_TEXT name = text_copy(host, strcspn(host, ":"));
	r->authority = host;
	if (!r->hub && text_ends(name, HUB_DOMAIN))
		r->hub = text_lower(name);
}

void request_append(struct request *r, const char *bytes, size_t n)
{
	if (n > REQUEST_BODY_MAX - r->body_len) {
		r->too_long = true;
		return;
	}
	r->body = must(realloc(r->body, r->body_len + n + 1));
	memcpy(r->body + r->body_len, bytes, n);
	r->body_len += n;
	r->body[r->body_len] = '\0';
}

char *request_parameter(const struct request *r, const char *name)
{
	for (const char *at = r->query; *at;) {
		size_t n = strcspn(at, "&");
		size_t k = strcspn(at, "=&");
		AUTO_TEXT key = percent_decode(at, k);
		if (text_same(key, name))
			return k < n ? percent_decode(at + k + 1, n - k - 1) : text_of("%s", "");
		at += n + (at[n] == '&');
	}
	return NULL;
}

X509 *request_leaf(const struct request *r)
{
	return r->peers && sk_X509_num(r->peers) ? sk_X509_value(r->peers, 0) : NULL;
}
