/* SPDX-License-Identifier: Apache-2.0 */
/* An order's file, which another system or an editor left in any state, as a fuzz target. What is taken is within its bounds, and
 * its canonical text, which the ledger keeps, means the same when it is read again. */
#include "scratch.h"
#include "station/shift/order.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define ends(text) must(memchr((text), '\0', sizeof(text)))

static void check_trays(const struct order *o)
{
	const char *tray;
	json_t *positions;
	json_object_foreach(o->trays, tray, positions) {
		char labels[CONFIG_SLOTS_MAX][LABEL];
		size_t count = 0;
		must(!strchr(tray, '/') && tray[0] != '.');
		must(order_tray(o, tray, labels, &count) && count >= 1 && count <= CONFIG_SLOTS_MAX);
		for (size_t i = 0; i < count; i++) {
			ends(labels[i]);
			must(!labels[i][0] || order_has(o, labels[i]));
		}
	}
}

static void check_taken(const struct order *o)
{
	struct err why = {0};
	AUTO(order) struct order again = {0};
	ends(o->lot.id);
	ends(o->lot.product);
	ends(o->lot.profile);
	must(o->lot.id[0] && o->lot.id[0] != '.' && !strchr(o->lot.id, '/'));
	must(o->lot.count >= 1 && o->lot.count <= ORDER_COUNT_MAX && o->lot.state == LOT_OPEN);
	check_trays(o);
	must(order_parse(bytes_text(&o->lot.order), o->lot.order.len, &again, &why));
	must(bytes_equal(&o->lot.order, &again.lot.order) && again.lot.count == o->lot.count && !strcmp(again.lot.id, o->lot.id));
	must(json_equal(o->serials, again.serials) == json_is_object(o->serials));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err why = {0};
	AUTO(order) struct order o = {0};
	if (order_parse((const char *)data, len, &o, &why))
		check_taken(&o);
	else
		must(why.code == E_ORDER && why.what[0] && !o.serials && !o.trays && !o.lot.order.data);
	return 0;
}
