/* SPDX-License-Identifier: Apache-2.0 */
/* The target of a request's first line, as a fuzz target. What is taken is a request of the desk: an object whose members are those of
 * the route's row and nothing else, texts of them UTF-8 without control characters. What is refused has a status and an error. */
#include "scratch.h"
#include "station/api/route.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool is_of_the_row(const struct route *r, const char *name)
{
	if (!strcmp(name, "do"))
		return r->ask != NULL;
	if (r->name && !strcmp(name, r->name))
		return true;
	for (size_t i = 0; i < ROUTE_PARAMETERS && r->parameter[i].name; i++)
		if (!strcmp(name, r->parameter[i].name))
			return true;
	return false;
}

static void check_value(const json_t *value)
{
	if (json_is_integer(value)) {
		must(json_integer_value(value) >= 0);
		return;
	}
	const char *text = json_string_value(value);
	size_t n = json_string_length(value);
	must(text && strlen(text) == n && n <= ROUTE_TEXT_MAX);
	for (size_t i = 0; i < n; i++)
		must((unsigned char)text[i] >= 0x20 && text[i] != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(route_call) struct route_call call = {0};
	struct err e = {0};
	int status = 0;
	const char *name;
	json_t *value;
	if (!route_read((const char *)data, len, &call, &status, &e)) {
		must(e.code != E_NONE && !call.request && (status == 400 || status == 404 || status == 414));
		return 0;
	}
	must(e.code == E_NONE && call.route && json_is_object(call.request) && len <= ROUTE_TARGET_MAX);
	must(!call.route->ask || !strcmp(json_text_or(call.request, "do", ""), call.route->ask));
	json_object_foreach(call.request, name, value) {
		must(is_of_the_row(call.route, name));
		check_value(value);
	}
	return 0;
}
