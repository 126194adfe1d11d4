/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/order.h"
#include "tests/base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WHOLE "{\"order\":\"WO-4711\",\"product\":\"gateway-2\",\"profile\":\"gateway\",\"count\":200," \
	"\"serials\":[\"SN0001\",\"SN0002\"],\"trays\":{\"T-01\":[\"SN0001\",null,\"SN0002\"]}}"
/* An order whose other members are fine, with this one more. */
#define WITH(member) "{\"order\":\"A\",\"product\":\"p\",\"profile\":\"q\",\"count\":2," member "}"

static bool parses(const char *text, struct err *why)
{
	AUTO(order) struct order o = {0};
	return order_parse(text, strlen(text), &o, why);
}

static void assert_refused(const char *text, const char *word)
{
	struct err why = {0};
	if (parses(text, &why) || why.code != E_ORDER || !strstr(why.what, word))
		fail_msg("%.80s: %s: %s", text, err_row(why.code)->name, why.what);
}

static void order_is_read_whole(void **state)
{
	(void)state;
	struct err why = {0};
	uint8_t hash[SHA256_SIZE];
	char label[CONFIG_SLOTS_MAX][LABEL];
	size_t count = 0;
	AUTO(order) struct order o = {0};
	if (!order_parse(WHOLE, strlen(WHOLE), &o, &why))
		fail_msg("%s", why.what);
	sha256_of(WHOLE, strlen(WHOLE), hash);
	assert_memory_equal(o.lot.order_sha256, hash, SHA256_SIZE);
	assert_string_equal(o.lot.id, "WO-4711");
	assert_string_equal(o.lot.product, "gateway-2");
	assert_string_equal(o.lot.profile, "gateway");
	assert_int_equal(o.lot.count, 200);
	assert_int_equal(o.lot.state, LOT_OPEN);
	assert_true(order_has(&o, "SN0001") && order_has(&o, "SN0002") && !order_has(&o, "SN0003") && !order_has(&o, ""));
	assert_true(order_tray(&o, "T-01", label, &count));
	assert_int_equal(count, 3);
	assert_string_equal(label[0], "SN0001");
	assert_string_equal(label[1], "");
	assert_string_equal(label[2], "SN0002");
	assert_false(order_tray(&o, "T-02", label, &count));
}

/* What the ledger keeps is the order, whatever its file looked like; read again it says the same. */
static void canonical_text_is_an_order_too(void **state)
{
	(void)state;
	struct err why = {0};
	AUTO(order) struct order o = {0}, again = {0};
	assert_true(order_parse(WHOLE, strlen(WHOLE), &o, &why));
	assert_true(order_parse(bytes_text(&o.lot.order), o.lot.order.len, &again, &why));
	assert_true(bytes_equal(&o.lot.order, &again.lot.order));
	assert_int_equal(again.lot.count, 200);
	assert_true(order_has(&again, "SN0002") && !order_has(&again, "SN0003"));
}

static void order_without_a_list_has_every_label(void **state)
{
	(void)state;
	struct err why = {0};
	static const char text[] = "{\"order\":\"A\",\"product\":\"p\",\"profile\":\"q\",\"count\":1}";
	AUTO(order) struct order o = {0};
	assert_true(order_parse(text, strlen(text), &o, &why));
	assert_true(order_has(&o, "anything"));
}

static void order_that_is_half_understood_is_none(void **state)
{
	(void)state;
	assert_refused("", "");
	assert_refused("[]", "");
	assert_refused("{}", "order");
	assert_refused("{\"order\":\"A\"", "");
	assert_refused(WITH("\"colour\":\"red\""), "colour");
	assert_refused("{\"order\":7,\"product\":\"p\",\"profile\":\"q\",\"count\":1}", "order");
	assert_refused("{\"order\":\"A\",\"order\":\"B\",\"product\":\"p\",\"profile\":\"q\",\"count\":1}", "");
	assert_refused("{\"order\":\"A\",\"profile\":\"q\",\"count\":1}", "product");
	assert_refused(WITH("\"serials\":[]"), "serials");
	assert_refused(WITH("\"serials\":\"SN1\""), "serials");
	assert_refused(WITH("\"serials\":[\"SN1\",\"SN1\"]"), "SN1");
	assert_refused(WITH("\"serials\":[\"SN1\",null]"), "number 2");
	assert_refused(WITH("\"serials\":[\"SN 1\"]"), "number 1");
	assert_refused(WITH("\"serials\":[\"SN1\\u0000\"]"), "");
	assert_refused(WITH("\"trays\":[]"), "trays");
	assert_refused(WITH("\"trays\":{\"T\":[]}"), "T");
	assert_refused(WITH("\"trays\":{\"../T\":[\"A\"]}"), "T");
	assert_refused(WITH("\"serials\":[\"SN1\"],\"trays\":{\"T\":[\"SN2\"]}"), "SN2");
}

static void count_is_a_number_within_bounds(void **state)
{
	(void)state;
	static const char *const bad[] = {"0", "-1", "1000001", "1.5", "\"2\"", "99999999999999999999", "true", "null"};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		char text[160];
		snprintf(text, sizeof(text), "{\"order\":\"A\",\"product\":\"p\",\"profile\":\"q\",\"count\":%s}", bad[i]);
		assert_refused(text, "");
	}
}

/* A text of n copies of `part`, with what comes before and behind. */
static char *much(const char *before, const char *part, size_t n, const char *behind)
{
	size_t len = strlen(part);
	char *text = malloc(strlen(before) + n * len + strlen(behind) + 1);
	assert_non_null(text);
	strcpy(text, before);
	char *at = text + strlen(before);
	for (size_t i = 0; i < n; i++, at += len)
		memcpy(at, part, len);
	strcpy(at, behind);
	return text;
}

static void deep_and_huge_orders_are_refused(void **state)
{
	(void)state;
	char *deep = much("{\"order\":", "[", 100000, "");
	assert_refused(deep, "");
	free(deep);
	char *huge = much("{\"order\":\"A\",\"product\":\"p\",\"profile\":\"q\",\"count\":1,\"serials\":[\"", "x", ORDER_FILE_MAX, "\"]}");
	assert_refused(huge, "longer");
	free(huge);
	char *longs = much("{\"order\":\"", "A", LOT_ID, "\",\"product\":\"p\",\"profile\":\"q\",\"count\":1}");
	assert_refused(longs, "order");
	free(longs);
	char *tray = much("{\"order\":\"A\",\"product\":\"p\",\"profile\":\"q\",\"count\":1,\"trays\":{\"T\":[", "null,", CONFIG_SLOTS_MAX,
			  "null]}}");
	assert_refused(tray, "T");
	free(tray);
}

static void list_of_a_hundred_thousand_is_read(void **state)
{
	(void)state;
	struct err why = {0};
	size_t room = 3u << 20, len = 0;
	char *text = malloc(room);
	assert_non_null(text);
	len += (size_t)snprintf(text, room, "{\"order\":\"A\",\"product\":\"p\",\"profile\":\"q\",\"count\":100000,\"serials\":[");
	for (int n = 0; n < 100000; n++)
		len += (size_t)snprintf(text + len, room - len, "%s\"SN%06d\"", n ? "," : "", n);
	len += (size_t)snprintf(text + len, room - len, "]}");
	AUTO(order) struct order o = {0};
	assert_true(order_parse(text, len, &o, &why));
	assert_true(order_has(&o, "SN099999") && !order_has(&o, "SN100000"));
	free(text);
}

/* ---- files ---- */

struct folder {
	char dir[64];
	char orders[96];
};

static void write_order(const struct folder *f, const char *name, const char *text)
{
	char path[192];
	snprintf(path, sizeof(path), "%s/%s", f->dir, name);
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	assert_true(fputs(text, out) >= 0);
	assert_int_equal(fclose(out), 0);
}

static int make_folder(void **state)
{
	struct folder *f = calloc(1, sizeof(*f));
	snprintf(f->dir, sizeof(f->dir), "/tmp/order.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->orders, sizeof(f->orders), "%s/orders", f->dir);
	assert_int_equal(mkdir(f->orders, 0700), 0);
	*state = f;
	return 0;
}

static int remove_folder(void **state)
{
	struct folder *f = *state;
	char command[96];
	snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static enum err_code read_order(const struct folder *f, const char *id)
{
	struct err why = {0};
	AUTO(order) struct order o = {0};
	return order_read(f->orders, id, &o, &why) ? E_NONE : why.code;
}

static void order_is_found_by_its_number_and_by_nothing_else(void **state)
{
	const struct folder *f = *state;
	write_order(f, "orders/A-1.json", "{\"order\":\"A-1\",\"product\":\"p\",\"profile\":\"q\",\"count\":1}");
	write_order(f, "orders/A-2.json", "{\"order\":\"A-1\",\"product\":\"p\",\"profile\":\"q\",\"count\":1}");
	assert_int_equal(read_order(f, "A-1"), E_NONE);
	assert_int_equal(read_order(f, "A-2"), E_ORDER);	/* another one's name */
	assert_int_equal(read_order(f, "A-3"), E_ORDER);
}

/* The file is there, and would be read by its path. */
static void number_that_is_a_path_reads_nothing(void **state)
{
	const struct folder *f = *state;
	char absolute[128];
	write_order(f, "evil.json", "{\"order\":\"evil\",\"product\":\"p\",\"profile\":\"q\",\"count\":1}");
	write_order(f, "orders/.hidden.json", "{\"order\":\".hidden\",\"product\":\"p\",\"profile\":\"q\",\"count\":1}");
	snprintf(absolute, sizeof(absolute), "%s/evil", f->dir);
	static const char *const bad[] = {"../evil", "./../evil", "..", ".", "", ".hidden", "orders/../../evil", "A\n1", "A 1", "A\\1", "\xc3\xa4",
					  "A%2fB", "$(id)"};
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(read_order(f, bad[i]), E_ORDER);
	assert_int_equal(read_order(f, absolute), E_ORDER);
}

static void file_that_is_too_long_or_no_file_is_refused(void **state)
{
	const struct folder *f = *state;
	char path[192];
	snprintf(path, sizeof(path), "%s/big.json", f->orders);
	write_order(f, "orders/big.json", "{");
	assert_int_equal(truncate(path, (off_t)ORDER_FILE_MAX + 1), 0);
	assert_int_equal(read_order(f, "big"), E_ORDER);
	snprintf(path, sizeof(path), "%s/dir.json", f->orders);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(read_order(f, "dir"), E_ORDER);
	snprintf(path, sizeof(path), "%s/pipe.json", f->orders);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(read_order(f, "pipe"), E_ORDER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_is_read_whole),
		cmocka_unit_test(canonical_text_is_an_order_too),
		cmocka_unit_test(order_without_a_list_has_every_label),
		cmocka_unit_test(order_that_is_half_understood_is_none),
		cmocka_unit_test(count_is_a_number_within_bounds),
		cmocka_unit_test(deep_and_huge_orders_are_refused),
		cmocka_unit_test(list_of_a_hundred_thousand_is_read),
		cmocka_unit_test_setup_teardown(order_is_found_by_its_number_and_by_nothing_else, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(number_that_is_a_path_reads_nothing, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(file_that_is_too_long_or_no_file_is_refused, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
