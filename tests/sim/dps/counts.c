/* SPDX-License-Identifier: Apache-2.0 */
#include "counts.h"

#include "operations.h"
#include "util.h"

#include <stdlib.h>

#define FILE_NAME "counts.json"

static const char *const names[COUNTS] = {
	[COUNT_REQUESTS] = "requests", [COUNT_CREATED] = "created", [COUNT_UPDATED] = "updated",
	[COUNT_DELETED] = "deleted", [COUNT_ASSIGNED] = "assigned", [COUNT_REFUSED] = "refused",
	[COUNT_THROTTLED] = "throttled", [COUNT_FAULTS] = "randomFaults",
};

static json_t *zeros(void)
{
	json_t *doc = must(json_pack("{s:{}}", "faults"));
	for (size_t i = 0; i < COUNTS; i++)
		json_object_set_new(doc, names[i], json_integer(0));
	return doc;
}

void counts_open(struct service *svc)
{
	svc->counts = zeros();
	json_auto_t *kept = store_read_document(&svc->store, FILE_NAME);
	json_object_update(svc->counts, kept);
}

void counts_close(struct service *svc)
{
	json_decref(svc->counts);
	svc->counts = NULL;
}

static void add_one(json_t *doc, const char *name)
{
	json_int_t n = json_integer_value(json_object_get(doc, name));
	json_object_set_new(doc, name, json_integer(n + 1));
}

void counts_add(struct service *svc, enum count what)
{
	add_one(svc->counts, names[what]);
	svc->counts_changed = true;
}

void counts_entry(struct service *svc, enum shelf shelf, const char *key, enum count what)
{
	AUTO_TEXT id = text_of("%s/%s", store_shelf_name(shelf), key);
	json_t *old = store_get(&svc->store, SHELF_COUNTS, id);
	json_t *now = old ? json_deep_copy(old) : json_object();
	add_one(must(now), names[what]);
	store_put(&svc->store, SHELF_COUNTS, id, now);
	counts_add(svc, what);
}

void counts_fault(struct service *svc, const char *kind)
{
	counts_add(svc, COUNT_FAULTS);
	add_one(json_object_get(svc->counts, "faults"), kind);
}

void counts_save(struct service *svc)
{
	if (svc->counts_changed)
		store_write_document(&svc->store, FILE_NAME, svc->counts);
	svc->counts_changed = false;
}

void counts_get(struct service *svc, const struct request *r, struct answer *a)
{
	(void)r;
	json_t *doc = must(json_deep_copy(svc->counts));
	json_object_set_new(doc, "ids", must(json_deep_copy(svc->store.shelf[SHELF_COUNTS])));
	answer_with(a, 200, doc);
}

void counts_delete(struct service *svc, const struct request *r, struct answer *a)
{
	(void)r;
	size_t n = 0;
	const char **keys = store_keys(&svc->store, SHELF_COUNTS, &n);
	for (size_t i = 0; i < n; i++)
		store_remove(&svc->store, SHELF_COUNTS, keys[i]);
	free(keys);
	json_decref(svc->counts);
	svc->counts = zeros();
	svc->counts_changed = true;
	answer_with(a, 204, NULL);
}
