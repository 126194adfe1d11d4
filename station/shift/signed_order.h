/* SPDX-License-Identifier: Apache-2.0 */
/* Where orders are signed ([custody] order_key_1, order_key_2), ORDER.order lies beside ORDER.json: the note that two have signed
 * (certs/order_note.h). The line looks at it to say early what does not fit; the signer looks for itself. */
#ifndef STATION_SHIFT_SIGNED_ORDER_H
#define STATION_SHIFT_SIGNED_ORDER_H

#include "certs/order_note.h"
#include "station/config.h"
#include "station/shift/order.h"

/* True if this line takes signed orders only. */
bool orders_are_signed(const struct config *c);

/* The note of an order: ret_note is its text. E_ORDER_UNSIGNED (there is none, or it is not signed by both), E_ORDER,
 * E_ORDER_TERMS (it is not of this order's file). */
WARN_UNUSED bool signed_order_read(const struct config *c, const struct order *order, struct bytes *ret_note,
				   struct order_terms *ret_terms, struct err *e);

/* Opens a note with the two keys of the configuration. E_ORDER_UNSIGNED, E_ORDER, E_FILE. */
WARN_UNUSED bool signed_order_open(const struct config *c, const struct bytes *note, struct order_terms *ret, struct err *e);

#endif
