/* SPDX-License-Identifier: Apache-2.0 */
/* An order: what is to be made, of which product, under which profile, how many, and for which labels. A plain JSON file here,
 * DIR/ORDER.json:
 *
 *   {"order":"WO-4711","product":"gateway-2","profile":"gateway","count":200,
 *    "serials":["SN0001",…],                 optional: only these labels, each once
 *    "trays":{"T-01":["SN0001",null,…]}}     optional: positions from 1, in the order of the slots
 *
 * Unknown members are refused: an order that is half understood is none. Pure. */
#ifndef STATION_SHIFT_ORDER_H
#define STATION_SHIFT_ORDER_H

#include "db/lots.h"
#include "station/base/json.h"
#include "station/shift/label.h"

#define ORDER_FILE_MAX ((size_t)8 << 20)
#define ORDER_COUNT_MAX 1000000u

struct order {
	struct lot_row lot;	/* as it is opened: state open, nobody, times 0; with the order's canonical text and the hash of its file */
	json_t *serials;	/* an object with a member per label; NULL: the order lists none */
	json_t *trays;		/* as in the file; NULL: it has none */
};
void order_fini(struct order *o);
AUTO_DEFINE(order, struct order)

/* Reads an order's text. E_ORDER with what is wrong. */
WARN_UNUSED bool order_parse(const char *text, size_t len, struct order *ret, struct err *e);
/* Reads DIR/ORDER.json; its number must be `id`, which comes from a scanner and may be anything. E_ORDER. */
WARN_UNUSED bool order_read(const char *dir, const char *id, struct order *ret, struct err *e);

/* False if the order lists labels, and not this one. */
bool order_has(const struct order *o, const char *label);
/* The labels of a tray's positions, "" where none lies; false if the order has no such tray. */
bool order_tray(const struct order *o, const char *tray, char (*label)[LABEL], size_t *ret_count);

/* A tray's positions from its JSON array; false if it is not of the form. */
bool tray_positions(const json_t *positions, char (*label)[LABEL], size_t *ret_count);

#endif
