/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Up to ten entries in one call. The call answers 200 whatever became of its items; each item is done by
 * itself, in order, and has a code of its own. What is wrong with the call as a whole is an error of it.
 */
#include "entries.h"
#include "operations.h"
#include "util.h"

#include <stdlib.h>
#include <string.h>

#define BULK_MAX 10

struct call {
	struct service *svc;
	const struct entry_type *type;
	const char *api_version;
};

static bool must_exist(const struct call *c, const char *id, struct answer *a)
{
	return entry_find(c->svc, c->type, id) || answer_error(a, 404201, "Enrollment not found.");
}

static bool create(const struct call *c, const char *id, const json_t *item, struct answer *a)
{
	return entry_write(c->svc, c->type, id, item, c->api_version, NULL, a);
}

static bool update(const struct call *c, const char *id, const json_t *item, struct answer *a)
{
	return must_exist(c, id, a) && entry_write(c->svc, c->type, id, item, c->api_version, "*", a);
}

/* The item's own etag stands for the header that a single call would have. */
static bool update_if_match(const struct call *c, const char *id, const json_t *item, struct answer *a)
{
	const char *etag = json_string_value(json_object_get(item, "etag"));
	if (!etag)
		return answer_error(a, 400000, "The field 'etag' is required.");
	return must_exist(c, id, a) && entry_write(c->svc, c->type, id, item, c->api_version, etag, a);
}

static bool delete(const struct call *c, const char *id, const json_t *item, struct answer *a)
{
	(void)item;
	return entry_remove(c->svc, c->type, id, NULL, a);
}

/* Rows: the modes. */
static const struct mode {
	const char *name;
	bool (*run)(const struct call *c, const char *id, const json_t *item, struct answer *a);
} modes[] = {
	{"create", create}, {"update", update}, {"updateIfMatchETag", update_if_match}, {"delete", delete},
};

static const struct mode *mode_named(const char *name)
{
	for (size_t i = 0; name && i < sizeof modes / sizeof modes[0]; i++)
		if (strcmp(modes[i].name, name) == 0)
			return &modes[i];
	return NULL;
}

/* Does one item, and adds its row when it failed or every item is to be listed. */
static bool run_item(const struct call *c, const struct mode *mode, const json_t *item, json_t *rows)
{
	struct answer a = {0};
	const char *id = json_string_value(json_object_get(item, c->type->id_field));
	bool ok = id ? mode->run(c, id, item, &a)
		: answer_error(&a, 400000, "The field '%s' is required.", c->type->id_field);
	if (!ok || c->svc->options.bulk_lists_all)
		json_array_append_new(rows, must(json_pack("{s:s, s:I, s:s}", c->type->id_field, id ? id : "",
			"errorCode", (json_int_t)(ok ? 200 : a.error), "errorStatus", ok ? "Succeeded" : a.message)));
	answer_fini(&a);
	return ok;
}

static void bulk(struct service *svc, const struct entry_type *type, const struct request *r,
	struct answer *a)
{
	AUTO_TEXT version = request_parameter(r, "api-version");
	const struct call c = {svc, type, version};
	const struct mode *mode = mode_named(json_string_value(json_object_get(r->json, "mode")));
	const json_t *items = json_object_get(r->json, type->list_field);
	size_t n = json_array_size(items);
	if (!mode || !n || n > BULK_MAX) {
		answer_error(a, 400000, mode ? "The field '%s' must hold 1 to 10 entries."
			: "The field 'mode' must be create, update, updateIfMatchETag or delete.", type->list_field);
		return;
	}
	json_t *rows = must(json_array());
	bool all = true;
	for (size_t i = 0; i < n; i++)
		all = run_item(&c, mode, json_array_get(items, i), rows) && all;
	answer_with(a, 200, must(json_pack("{s:o, s:b}", "errors", rows, "isSuccessful", all)));
}

void group_bulk(struct service *svc, const struct request *r, struct answer *a)
{
	bulk(svc, &entry_groups, r, a);
}

void enrollment_bulk(struct service *svc, const struct request *r, struct answer *a)
{
	bulk(svc, &entry_individuals, r, a);
}
