/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/signed_order.h"
#include "station/base/file.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#define VKEY_MAX 512

bool orders_are_signed(const struct config *c)
{
	return c->custody_order_key[0][0] != '\0';
}

static bool read_vkey(const char *path, struct bytes *ret, struct err *e)
{
	AUTO(bytes) struct bytes text = {.max = VKEY_MAX};
	return (file_read(path, &text, e) && bytes_set(ret, text.data, strcspn(bytes_text(&text), "\r\n"), e)) ||
	       err_in(e, "a key of those who sign orders");
}

bool signed_order_open(const struct config *c, const struct bytes *note, struct order_terms *ret, struct err *e)
{
	AUTO(bytes) struct bytes one = {.max = VKEY_MAX}, two = {.max = VKEY_MAX};
	return read_vkey(c->custody_order_key[0], &one, e) && read_vkey(c->custody_order_key[1], &two, e) &&
	       order_note_open((const char *)note->data, note->len, bytes_text(&one), bytes_text(&two), ret, e);
}

static bool is_of_this_file(const struct order_terms *t, const struct order *order, struct err *e)
{
	const struct lot_row *lot = &order->lot;
	if (memcmp(t->file, lot->order_sha256, SHA256_SIZE) != 0)
		return err_set(e, E_ORDER_TERMS, "%s.json is not the file that was signed", lot->id);
	if (strcmp(t->number, lot->id) != 0 || strcmp(t->product, lot->product) != 0 || strcmp(t->profile, lot->profile) != 0 ||
	    t->count != lot->count)
		return err_set(e, E_ORDER_TERMS, "what was signed says another number, product, profile or count than %s.json", lot->id);
	return true;
}

bool signed_order_read(const struct config *c, const struct order *order, struct bytes *ret_note, struct order_terms *ret_terms,
		       struct err *e)
{
	char path[PATH_MAX + LOT_ID + 8];
	struct err why = {0};
	ret_note->max = ORDER_NOTE_MAX;
	snprintf(path, sizeof(path), "%s/%s.order", c->orders_dir, order->lot.id);
	if (!file_read(path, ret_note, &why))
		return err_set(e, E_ORDER_UNSIGNED, "%s", why.what);
	return signed_order_open(c, ret_note, ret_terms, e) && is_of_this_file(ret_terms, order, e);
}
