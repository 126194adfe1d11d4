/* SPDX-License-Identifier: Apache-2.0 */
/* An order: what is to be made, of which product, under which profile, how many, and for which labels. A plain JSON file here,
 * DIR/ORDER.json:
 *
 *   {"order":"WO-4711","product":"gateway-2","profile":"gateway","count":200,
 *    "serials":["SN0001",…],                 optional: only these labels
 *    "trays":{"T-01":["SN0001",null,…]}}     optional: positions from 1, in the order of the slots
 *
 * Unknown members are refused: an order that is half understood is none. Pure. */
#ifndef STATION_SHIFT_ORDER_H
#define STATION_SHIFT_ORDER_H

#include "db/lots.h"
#include "station/base/json.h"

#define ORDER_FILE_MAX ((size_t)8 << 20)
#define ORDER_COUNT_MAX 1000000u

/* Reads an order's text into the row (state open, times 0). E_ORDER with what is wrong. */
WARN_UNUSED bool order_parse(const char *text, size_t len, struct lot_row *ret, struct err *e);
/* Whether the order names labels at all, and this one. */
bool order_lists(const struct lot_row *row, const char *label, bool *ret_any);
/* The label of a position (from 1) of the tray in the order; false if the order has no such tray. *ret "" if the place is empty. */
bool order_tray(const struct lot_row *row, const char *tray, size_t position, char ret[static 65]);

#endif
