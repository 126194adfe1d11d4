/* SPDX-License-Identifier: Apache-2.0 */
#include "station/dps/bulk.h"

#include "station/dps/answer.h"

#include <strings.h>

bool bulk_body(const struct dps_item *items, size_t count, struct bytes *ret, struct err *e)
{
	if (!bytes_add_text(ret, "{\"enrollments\":[", e))
		return false;
	for (size_t i = 0; i < count; i++)
		if ((i && !bytes_add_text(ret, ",", e)) || !bytes_add(ret, items[i].body->data, items[i].body->len, e))
			return false;
	return bytes_add_text(ret, "],\"mode\":\"create\"}", e);
}

static struct dps_item *item_find(struct dps_item *items, size_t count, const char *id)
{
	for (size_t i = 0; i < count; i++)
		if (!strcasecmp(items[i].id, id))
			return &items[i];
	return NULL;
}

/* Six digits, of which the first three are the HTTP status; or the status alone. */
static enum err_code item_code(int64_t code)
{
	int64_t status = code >= 100000 ? code / 1000 : code;
	return status >= 100 && status <= 599 ? answer_code((int)status) : E_DPS_ANSWER;
}

static bool judge_row(const json_t *row, struct dps_item *items, size_t count, bool *said, struct err *e)
{
	char id[GROUP_ID_MAX], words[160];
	if (!json_is_object(row) || !ANSWER_TEXT(row, "registrationId", id, e))
		return err_set(e, E_DPS_ANSWER, "a row of the bulk's errors is no object");
	struct dps_item *item = item_find(items, count, id);
	if (!item)
		return err_set(e, E_DPS_ANSWER, "the answer is about \"%s\", which was not in the bulk", id);
	said[item - items] = true;
	int64_t native = json_int_or(row, "errorCode", 0);
	enum err_code code = item_code(native);
	answer_words(json_text_or(row, "errorStatus", ""), words, sizeof(words));
	/* Of two that contradict each other the failure counts. */
	if (code != E_NONE)
		err_native(&item->err, code, native, "%lld in a bulk%s%s", (long long)native, *words ? ": " : "", words);
	return true;
}

static bool judge(const json_t *answer, struct dps_item *items, size_t count, struct err *e)
{
	const json_t *successful = json_object_get(answer, "isSuccessful"), *errors = json_object_get(answer, "errors"), *row;
	bool said[DPS_BULK_MAX] = {0};
	size_t i;

	if (!json_is_boolean(successful))
		return err_set(e, E_DPS_ANSWER, "the answer does not say isSuccessful");
	if (errors && !json_is_null(errors) && !json_is_array(errors))
		return err_set(e, E_DPS_ANSWER, "the answer's errors are no list");
	json_array_foreach(errors, i, row)
		if (!judge_row(row, items, count, said, e))
			return false;
	for (i = 0; i < count; i++)
		if (!said[i] && !json_is_true(successful))
			err_set(&items[i].err, E_DPS_ANSWER, "the bulk failed, and the answer does not say what became of this one");
	return true;
}

bool bulk_judge(const json_t *answer, struct dps_item *items, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++)
		err_clear(&items[i].err);
	if (judge(answer, items, count, e))
		return true;
	for (size_t i = 0; i < count; i++) {
		err_clear(&items[i].err);
		err_set(&items[i].err, E_DPS_ANSWER, "%s", e->what);
	}
	return false;
}
