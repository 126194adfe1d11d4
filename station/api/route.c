/* SPDX-License-Identifier: Apache-2.0 */
#include "station/api/route.h"

#include <errno.h>
#include <string.h>

#define NUMBER_DIGITS 18

const struct route routes[] = {
	{"/", ROUTE_PAGE, NULL, NULL, {{0}}},
	{"/metrics", ROUTE_METRICS, "status", NULL, {{0}}},
	{"/v1/status", ROUTE_ASK, "status", NULL, {{0}}},
	{"/v1/slots", ROUTE_SLOTS, "status", NULL, {{0}}},
	{"/v1/slots/{name}", ROUTE_SLOT, "status", "name", {{0}}},
	{"/v1/units", ROUTE_ASK, "units", NULL, {{"after", false}, {"most", true}}},
	{"/v1/units/{id}", ROUTE_ASK, "unit", "id", {{0}}},
	{"/v1/lots", ROUTE_ASK, "lots", NULL, {{"most", true}}},
	{"/v1/lots/{id}", ROUTE_ASK, "lot", "id", {{0}}},
	{"/v1/results", ROUTE_ASK, "results", NULL, {{"after", true}, {"most", true}, {"lot", false}}},
	{"/v1/queue", ROUTE_ASK, "queue", NULL, {{0}}},
	{"/v1/journal", ROUTE_ASK, "journal", NULL, {{"before", true}, {"search", false}, {"most", true}}},
	{"/v1/preflight", ROUTE_ASK, "preflight", NULL, {{0}}},
	{"/v1/events", ROUTE_EVENTS, NULL, NULL, {{0}}},
	{"/v1/openapi.json", ROUTE_OPENAPI, NULL, NULL, {{0}}},
	{"/v1/requests", ROUTE_REQUESTS, NULL, NULL, {{0}}},
	{0},
};

const char *route_methods(const struct route *r)
{
	return r->kind == ROUTE_REQUESTS ? "POST, OPTIONS" : "GET, HEAD, OPTIONS";
}

static int digit_of(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-encoding taken off; `blanks`: a plus is a blank, as forms write it. A new text, NULL where it is not in its form: UTF-8
 * without control characters. */
static json_t *decode(const char *text, size_t len, bool blanks)
{
	char out[ROUTE_TEXT_MAX];
	size_t n = 0;
	for (size_t i = 0; i < len; i++, n++) {
		if (n == sizeof(out))
			return NULL;
		char c = blanks && text[i] == '+' ? ' ' : text[i];
		if (c == '%') {
			int high = i + 2 < len ? digit_of(text[i + 1]) : -1, low = i + 2 < len ? digit_of(text[i + 2]) : -1;
			if (high < 0 || low < 0)
				return NULL;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if ((unsigned char)c < 0x20 || c == 0x7f)
			return NULL;
		out[n] = c;
	}
	return json_stringn(out, n);
}

static json_t *number(const char *text, size_t len)
{
	json_int_t n = 0;
	if (len == 0 || len > NUMBER_DIGITS)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return NULL;
		n = 10 * n + (text[i] - '0');
	}
	return json_integer(n);
}

/* The length of the path that a row and a request share: all of it, or up to the name. */
static bool path_fits(const struct route *r, const char *path, size_t len)
{
	size_t fixed = strcspn(r->path, "{");
	if (!r->path[fixed])
		return len == fixed && !memcmp(path, r->path, len);
	return len > fixed && !memcmp(path, r->path, fixed) && !memchr(path + fixed, '/', len - fixed);
}

static const struct route *find(const char *path, size_t len)
{
	for (const struct route *r = routes; r->path; r++)
		if (path_fits(r, path, len))
			return r;
	return NULL;
}

static bool add_name(struct route_call *c, const char *path, size_t len, struct err *e)
{
	if (!c->route->name)
		return true;
	size_t fixed = strcspn(c->route->path, "{");
	json_t *name = decode(path + fixed, len - fixed, false);
	if (!name || json_string_length(name) == 0)
		return json_decref(name), err_set(e, E_USAGE, "the name in the path is not in its form");
	return json_object_set_new(c->request, c->route->name, name) == 0 || err_set(e, E_NOMEM, "a request");
}

static bool add_parameter(struct route_call *c, const char *text, size_t len, struct err *e)
{
	const char *equals = memchr(text, '=', len);
	size_t name = equals ? (size_t)(equals - text) : len;
	const struct route_parameter *p = NULL;
	for (size_t i = 0; i < ROUTE_PARAMETERS && c->route->parameter[i].name; i++)
		if (strlen(c->route->parameter[i].name) == name && !memcmp(c->route->parameter[i].name, text, name))
			p = &c->route->parameter[i];
	if (!p)
		return err_set(e, E_USAGE, "%s has no such parameter", c->route->path);
	if (json_object_get(c->request, p->name))
		return err_set(e, E_USAGE, "the parameter \"%s\" is there twice", p->name);
	const char *value = equals ? equals + 1 : text + len;
	size_t room = (size_t)(text + len - value);
	json_t *j = p->number ? number(value, room) : decode(value, room, true);
	if (!j)
		return err_set(e, E_USAGE, "the parameter \"%s\" is not in its form", p->name);
	return json_object_set_new(c->request, p->name, j) == 0 || err_set(e, E_NOMEM, "a request");
}

static bool add_query(struct route_call *c, const char *query, size_t len, struct err *e)
{
	while (len) {
		const char *end = memchr(query, '&', len);
		size_t part = end ? (size_t)(end - query) : len;
		if (part && !add_parameter(c, query, part, e))
			return false;
		query += part + (end ? 1 : 0);
		len -= part + (end ? 1 : 0);
	}
	return true;
}

bool route_read(const char *target, size_t len, struct route_call *ret, int *ret_status, struct err *e)
{
	*ret = (struct route_call){0};
	*ret_status = 414;
	if (len > ROUTE_TARGET_MAX)
		return err_set(e, E_USAGE, "the request's target is longer than %d bytes", ROUTE_TARGET_MAX);
	const char *query = memchr(target, '?', len);
	size_t path = query ? (size_t)(query - target) : len;
	struct route_call c = {.route = find(target, path)};
	*ret_status = 404;
	if (!c.route)
		return err_set(e, E_USAGE, "there is nothing at this path");
	*ret_status = 400;
	c.request = c.route->ask ? json_pack("{s:s}", "do", c.route->ask) : json_object();
	if (!add_name(&c, target, path, e) || (query && !add_query(&c, query + 1, len - path - 1, e))) {
		route_call_fini(&c);
		return false;
	}
	*ret = c;
	return true;
}

void route_call_fini(struct route_call *c)
{
	json_decref(c->request);
	*c = (struct route_call){0};
}
