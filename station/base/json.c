/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/json.h"

bool json_parse(const char *text, size_t len, json_t **ret, struct err *e)
{
	json_error_t at;
	*ret = json_loadb(text, len, JSON_REJECT_DUPLICATES, &at);
	if (!*ret)
		return err_set(e, E_JSON, "line %d column %d: %s", at.line, at.column, at.text);
	return true;
}

static int append(const char *text, size_t len, void *data)
{
	return bytes_add(data, text, len, NULL) ? 0 : -1;
}

bool json_canonical(const json_t *j, struct bytes *ret, struct err *e)
{
	if (!j)
		return err_set(e, E_JSON, "no JSON value");
	if (json_dump_callback(j, append, ret, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY) < 0)
		return err_set(e, E_JSON, "cannot be written as text");
	return true;
}

bool json_get_text(const json_t *object, const char *name, const char **ret, struct err *e)
{
	const json_t *member = json_object_get(object, name);
	if (!json_is_string(member))
		return err_set(e, E_JSON, "member \"%s\" is missing or no text", name);
	*ret = json_string_value(member);
	return true;
}

const char *json_text_or(const json_t *object, const char *name, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : otherwise;
}

int64_t json_int_or(const json_t *object, const char *name, int64_t otherwise)
{
	const json_t *member = json_object_get(object, name);
	return json_is_integer(member) ? json_integer_value(member) : otherwise;
}
