/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/order_note.h"
#include "station/base/clock.h"
#include "tests/certs/check.h"
#include "tests/certs/desk.h"

#include <string.h>

#define DAY_MS CLOCK_DAY_MS

/* Three who sign orders, and an order. */
struct hall {
	struct desk desk;
	struct bytes vkey[3];	/* owner, quality, stranger */
	struct order_terms terms;
	struct bytes text, once, twice;
};

static const char *const names[] = {"owner", "quality", "stranger"};

static void sign(struct hall *h, int who, const struct bytes *from, struct bytes *ret)
{
	struct err e = {0};
	CHECK_OK(order_note_sign(from->data, from->len, desk_path(&h->desk, names[who]), h->desk.passphrase, names[who], ret, &e), e);
}

static int hall_open(void **state)
{
	static struct hall h;
	struct err e = {0};
	memset(&h, 0, sizeof(h));
	desk_open(&h.desk);
	for (int i = 0; i < 3; i++) {
		CHECK_OK(order_note_make_key(desk_path(&h.desk, names[i]), h.desk.passphrase, names[i], &h.vkey[i], &e), e);
		h.vkey[i].data[--h.vkey[i].len] = '\0';
	}
	h.terms = (struct order_terms){.number = "WO-4711", .product = "gateway-2", .profile = "sensor", .count = 200, .scrap = 10,
				       .replace = 4, .from_ms = 20000 * DAY_MS, .until_ms = 20010 * DAY_MS - 1, .made_ms = 1795384165123,
				       .station = DESK_ORIGIN, .issuer = {1}, .file = {2}};
	CHECK_OK(order_note_text(&h.terms, &h.text, &e), e);
	sign(&h, 0, &h.text, &h.once);
	sign(&h, 1, &h.once, &h.twice);
	*state = &h;
	return 0;
}

static int hall_close(void **state)
{
	struct hall *h = *state;
	for (int i = 0; i < 3; i++)
		bytes_fini(&h->vkey[i]);
	bytes_fini(&h->text);
	bytes_fini(&h->once);
	bytes_fini(&h->twice);
	desk_close(&h->desk);
	return 0;
}

static bool open_by(struct hall *h, const struct bytes *note, int one, int two, struct order_terms *ret, struct err *e)
{
	return order_note_open(bytes_text(note), note->len, bytes_text(&h->vkey[one]), bytes_text(&h->vkey[two]), ret, e);
}

static void order_signed_by_both_is_read_as_it_was_meant(void **state)
{
	struct hall *h = *state;
	struct order_terms got;
	struct err e = {0};
	CHECK_OK(open_by(h, &h->twice, 0, 1, &got, &e), e);
	assert_memory_equal(&got, &h->terms, sizeof(got));
	CHECK_OK(open_by(h, &h->twice, 1, 0, &got, &e), e);
	CHECK_OK(order_note_read(bytes_text(&h->text), h->text.len, &got, &e), e);
	assert_memory_equal(&got, &h->terms, sizeof(got));
	assert_string_equal(bytes_text(&h->text),
		"{\"count\":200,\"file\":\"0200000000000000000000000000000000000000000000000000000000000000\",\"from\":\"2024-10-04\","
		"\"issuer\":\"0100000000000000000000000000000000000000000000000000000000000000\",\"made\":\"2026-11-22T21:49:25.123Z\","
		"\"order\":\"WO-4711\",\"product\":\"gateway-2\",\"profile\":\"sensor\",\"replace\":4,\"scrap\":10,"
		"\"station\":\"line-1.example/station\",\"until\":\"2024-10-13\",\"v\":1}\n");
}

static void order_of_one_or_of_one_twice_or_of_a_stranger_is_unsigned(void **state)
{
	struct hall *h = *state;
	struct order_terms got;
	struct err e = {0};
	AUTO(bytes) struct bytes note = {0};
	CHECK_FAILS(open_by(h, &h->text, 0, 1, &got, &e), E_ORDER_UNSIGNED, e);
	CHECK_FAILS(open_by(h, &h->once, 0, 1, &got, &e), E_ORDER_UNSIGNED, e);
	CHECK_FAILS(open_by(h, &h->twice, 0, 2, &got, &e), E_ORDER_UNSIGNED, e);
	CHECK_FAILS(open_by(h, &h->twice, 0, 0, &got, &e), E_ORDER_UNSIGNED, e);
	sign(h, 0, &h->once, &note);	/* one twice */
	CHECK_FAILS(open_by(h, &note, 0, 1, &got, &e), E_ORDER_UNSIGNED, e);
	sign(h, 2, &h->once, &note);
	CHECK_FAILS(open_by(h, &note, 0, 1, &got, &e), E_ORDER_UNSIGNED, e);
	/* One key under two names is one key. */
	AUTO(bytes) struct bytes other = {0};
	CHECK_OK(order_note_sign(h->once.data, h->once.len, desk_path(&h->desk, "owner"), h->desk.passphrase, "second", &note, &e), e);
	char vkey[256] = "";
	const char *line = strstr(bytes_text(&h->vkey[0]), "+");
	snprintf(vkey, sizeof(vkey), "second%s", line);
	assert_false(order_note_open(bytes_text(&note), note.len, bytes_text(&h->vkey[0]), vkey, &got, &e));
}

static void any_changed_byte_is_found(void **state)
{
	struct hall *h = *state;
	struct order_terms got;
	for (size_t i = 0; i < h->twice.len; i++) {
		struct err e = {0};
		AUTO(bytes) struct bytes note = {0};
		assert_true(bytes_set(&note, h->twice.data, h->twice.len, &e));
		note.data[i] ^= 1;
		if (open_by(h, &note, 0, 1, &got, &e))
			fail_msg("byte %zu", i);
		assert_true(e.code == E_ORDER_UNSIGNED || e.code == E_ORDER);
	}
}

/* Signed by both, and still not understood: refused. */
static void order_that_is_not_written_as_orders_are_is_refused(void **state)
{
	struct hall *h = *state;
	static const char *const from_to[][2] = {
		{"\"v\":1", "\"v\":2"}, {"\"v\":1", "\"v\":1,\"w\":1"}, {"\"count\":200", "\"count\":0"}, {"\"count\":200", "\"count\":\"200\""},
		{"\"count\":200", "\"count\":1e3"}, {"\"count\":200", "\"count\": 200"}, {"\"count\":200", "\"count\":9999999"},
		{"\"scrap\":10", "\"scrap\":201"}, {"\"scrap\":10", "\"scrap\":-1"}, {"\"replace\":4,", ""},
		{"2024-10-04", "2024-02-30"}, {"2024-10-04", "2024-11-04"}, {"22T21", "22T25"}, {"25.123Z", "25.12Z"}, {"WO-4711", ""},
		{"WO-4711", "WO 4711"}, {"0200", "02"}, {"0100", "zz00"},
	};
	for (size_t i = 0; i < COUNT_OF(from_to); i++) {
		struct err e = {0};
		struct order_terms got;
		char *at = strstr(bytes_text(&h->text), from_to[i][0]);
		AUTO(bytes) struct bytes text = {0};
		assert_non_null(at);
		size_t before = (size_t)(at - bytes_text(&h->text));
		assert_true(bytes_add(&text, h->text.data, before, &e) && bytes_add_text(&text, from_to[i][1], &e) &&
			    bytes_add_text(&text, at + strlen(from_to[i][0]), &e));
		if (order_note_read(bytes_text(&text), text.len, &got, &e))
			fail_msg("%s taken", from_to[i][1]);
		assert_int_equal(e.code, E_ORDER);
		AUTO(bytes) struct bytes note = {0};
		err_clear(&e);
		CHECK_FAILS(order_note_sign(text.data, text.len, desk_path(&h->desk, "owner"), h->desk.passphrase, "owner", &note, &e),
			    E_ORDER, e);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_signed_by_both_is_read_as_it_was_meant),
		cmocka_unit_test(order_of_one_or_of_one_twice_or_of_a_stranger_is_unsigned),
		cmocka_unit_test(any_changed_byte_is_found),
		cmocka_unit_test(order_that_is_not_written_as_orders_are_is_refused),
	};
	return cmocka_run_group_tests(tests, hall_open, hall_close);
}
