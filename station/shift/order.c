/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/order.h"
#include "station/base/file.h"
#include "station/base/sha256.h"
#include "station/base/text.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

void order_fini(struct order *o)
{
	if (!o)
		return;
	lot_row_fini(&o->lot);
	json_decref(o->serials);
	json_decref(o->trays);
	*o = (struct order){0};
}

/* A name that may stand in a path, and in any list: no slash, and no dot in front. */
static bool is_name(const char *text, size_t room)
{
	size_t n = strlen(text);
	if (n == 0 || n >= room || text[0] == '.')
		return false;
	for (const char *p = text; *p; p++)
		if (!isascii(*p) || (!isalnum((unsigned char)*p) && !strchr("-._:", *p)))
			return false;
	return true;
}

static bool is_label(const json_t *j)
{
	return json_is_string(j) && json_string_length(j) < LABEL && is_name(json_string_value(j), LABEL);
}

static bool take_name(const json_t *order, const char *member, char *out, size_t room, struct err *e)
{
	const char *text = json_text_or(order, member, "");
	if (!is_name(text, room))
		return err_set(e, E_ORDER, "%s is missing, longer than %zu, or holds other than letters, digits and - . _ :", member, room - 1);
	return text_copy(out, room, text, e);
}

static bool take_serials(const json_t *list, struct order *ret, struct err *e)
{
	size_t i;
	const json_t *label;
	if (!list)
		return true;
	if (!json_is_array(list) || json_array_size(list) == 0)
		return err_set(e, E_ORDER, "serials is no list, or an empty one");
	ret->serials = json_object();
	json_array_foreach(list, i, label) {
		if (!is_label(label))
			return err_set(e, E_ORDER, "serials: number %zu is no label", i + 1);
		if (json_object_get(ret->serials, json_string_value(label)))
			return err_set(e, E_ORDER, "serials: %s is there twice", json_string_value(label));
		if (json_object_set_new(ret->serials, json_string_value(label), json_true()) < 0)
			return err_set(e, E_NOMEM, "order");
	}
	return true;
}

bool tray_positions(const json_t *positions, char (*label)[LABEL], size_t *ret_count)
{
	size_t i;
	const json_t *at;
	*ret_count = 0;
	if (!json_is_array(positions) || json_array_size(positions) == 0 || json_array_size(positions) > CONFIG_SLOTS_MAX)
		return false;
	json_array_foreach(positions, i, at) {
		if (!json_is_null(at) && !is_label(at))
			return false;
		snprintf(label[i], LABEL, "%s", json_is_null(at) ? "" : json_string_value(at));
	}
	*ret_count = json_array_size(positions);
	return true;
}

static bool take_trays(json_t *trays, struct order *ret, struct err *e)
{
	char label[CONFIG_SLOTS_MAX][LABEL];
	const char *name;
	json_t *positions;
	size_t count;
	if (!trays)
		return true;
	if (!json_is_object(trays))
		return err_set(e, E_ORDER, "trays is no object");
	json_object_foreach(trays, name, positions) {
		if (!is_name(name, LABEL) || !tray_positions(positions, label, &count))
			return err_set(e, E_ORDER, "tray \"%.64s\" is not of the form", name);
		for (size_t i = 0; i < count; i++)
			if (*label[i] && !order_has(ret, label[i]))
				return err_set(e, E_ORDER, "tray \"%.64s\" holds %s, which serials does not", name, label[i]);
	}
	ret->trays = json_incref(trays);
	return true;
}

static bool only_known(const json_t *order, struct err *e)
{
	static const char *const known[] = {"order", "product", "profile", "count", "serials", "trays"};
	const char *name;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)order, name, value) {
		size_t i = 0;
		while (i < COUNT_OF(known) && strcmp(known[i], name) != 0)
			i++;
		if (i == COUNT_OF(known))
			return err_set(e, E_ORDER, "\"%.40s\" is not known in an order", name);
	}
	return json_is_object(order) || err_set(e, E_ORDER, "it is no object");
}

static bool take_count(const json_t *order, struct order *ret, struct err *e)
{
	int64_t count = json_int_or(order, "count", 0);
	if (count < 1 || count > ORDER_COUNT_MAX)
		return err_set(e, E_ORDER, "count must be a number from 1 to %u", ORDER_COUNT_MAX);
	ret->lot.count = (uint32_t)count;
	return true;
}

static bool read_json(json_t *order, struct order *ret, struct err *e)
{
	struct lot_row *lot = &ret->lot;
	lot->order.max = ORDER_FILE_MAX;
	return only_known(order, e) && take_name(order, "order", lot->id, sizeof(lot->id), e) &&
	       take_name(order, "product", lot->product, sizeof(lot->product), e) &&
	       take_name(order, "profile", lot->profile, sizeof(lot->profile), e) && take_count(order, ret, e) &&
	       take_serials(json_object_get(order, "serials"), ret, e) && take_trays(json_object_get(order, "trays"), ret, e) &&
	       json_canonical(order, &lot->order, e);
}

bool order_parse(const char *text, size_t len, struct order *ret, struct err *e)
{
	AUTO(json) json_t *order = NULL;
	struct err why = {0};
	*ret = (struct order){0};
	sha256_of(text, len, ret->lot.order_sha256);
	if (len > ORDER_FILE_MAX)
		return err_set(e, E_ORDER, "it is longer than %zu bytes", ORDER_FILE_MAX);
	if (json_parse(text, len, &order, &why) && read_json(order, ret, &why))
		return true;
	order_fini(ret);
	return err_set(e, why.code == E_NOMEM ? E_NOMEM : E_ORDER, "%s", why.what);
}

bool order_read(const char *dir, const char *id, struct order *ret, struct err *e)
{
	char path[PATH_MAX + LOT_ID + 8];
	struct err why = {0};
	AUTO(bytes) struct bytes text = {.max = ORDER_FILE_MAX};
	*ret = (struct order){0};
	if (!is_name(id, LOT_ID))
		return err_set(e, E_ORDER, "that is no order's number");
	snprintf(path, sizeof(path), "%s/%s.json", dir, id);
	if (!file_read(path, &text, &why))
		return err_set(e, E_ORDER, "%s", why.what);
	if (!order_parse(bytes_text(&text), text.len, ret, e))
		return err_in(e, "%s.json", id);
	if (!strcmp(ret->lot.id, id))
		return true;
	order_fini(ret);
	return err_set(e, E_ORDER, "%s.json holds another order", id);
}

bool order_has(const struct order *o, const char *label)
{
	return !o->serials || json_object_get(o->serials, label);
}

bool order_tray(const struct order *o, const char *tray, char (*label)[LABEL], size_t *ret_count)
{
	return o->trays && tray_positions(json_object_get(o->trays, tray), label, ret_count);
}
