/* SPDX-License-Identifier: Apache-2.0 */
#include "throttle.h"

#include "route.h"
#include "util.h"

#include <stdlib.h>
#include <string.h>

#define POLL_WINDOWS_IN_A_MINUTE 6

void throttle_open(struct throttle *t, const struct throttle_options *o)
{
	t->options = *o;
	t->window = must(json_object());
}

void throttle_close(struct throttle *t)
{
	json_decref(t->window);
	*t = (struct throttle){0};
}

/* Takes `cost` from what the window of this name has left; else says how long it still lasts. */
static bool take(struct throttle *t, const char *name, int64_t cost, int64_t max, int64_t window_ms,
	int64_t *ret_wait_ms)
{
	int64_t now = clock_ms();
	const json_t *w = json_object_get(t->window, name);
	int64_t start = json_integer_value(json_object_get(w, "start"));
	int64_t used = json_integer_value(json_object_get(w, "used"));
	if (!w || now < start || now - start >= window_ms) {
		start = now;
		used = 0;
	}
	*ret_wait_ms = start + window_ms - now;
	if (used + cost > max)
		return false;
	json_object_set_new(t->window, name,
		must(json_pack("{s:I, s:I}", "start", (json_int_t)start, "used", (json_int_t)(used + cost))));
	return true;
}

static int64_t cost_of(const struct throttle *t, const struct request *r)
{
	bool groups = strcmp(r->op->name, "EnrollmentGroup_RunBulkOperation") == 0;
	bool bulk = groups || strcmp(r->op->name, "IndividualEnrollment_RunBulkOperation") == 0;
	size_t n = bulk ? json_array_size(json_object_get(r->json, groups ? "enrollmentGroups" : "enrollments")) : 1;
	return n && !t->options.bulk_costs_one ? (int64_t)n : 1;
}

bool throttle_allows(struct throttle *t, const struct request *r, struct answer *a)
{
	const struct throttle_options *o = &t->options;
	int64_t wait_ms = 0;
	bool ok = true;
	if (r->op->plane == PLANE_SERVICE && o->operations) {
		ok = take(t, "operations", cost_of(t, r), o->operations, o->window_ms, &wait_ms);
	} else if (r->op->plane == PLANE_DEVICE && strcmp(r->method, "PUT") == 0) {
		ok = !o->registrations || take(t, "registrations", 1, o->registrations, o->window_ms, &wait_ms);
	} else if (r->op->plane == PLANE_DEVICE && o->polls) {
		AUTO_TEXT id = text_lower(r->arg[1]);
		AUTO_TEXT name = text_of("polls/%s", id);
		ok = take(t, name, 1, o->polls, o->window_ms / POLL_WINDOWS_IN_A_MINUTE, &wait_ms);
	}
	if (ok)
		return true;
	answer_error(a, 429000, "Too many requests. Please retry after the given time.");
	answer_header(a, "Retry-After", "%lld", (long long)(wait_ms + 999) / 1000);
	return false;
}
