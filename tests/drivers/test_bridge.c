/* SPDX-License-Identifier: Apache-2.0 */
/* The bridge's frames against a device in memory that says exactly what a test wants it to say. */
#include "drivers/bridge.h"
#include "station/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PACKET 512
#define TRANSFERS 16

/* A device: GET_INFO's answer, and for each IN transfer what comes (`len` 0: a zero-length packet; past the end: silence). */
struct fake {
	uint8_t info[17];
	size_t info_len;
	struct { uint8_t data[8192]; size_t len; bool keep_tag; } in[TRANSFERS];
	size_t in_count, in_at;
	uint8_t last[8192];	/* the host's last frame */
	size_t last_len;
	unsigned cancels, outs;
	enum err_code fails;	/* of the next IN transfer */
};

static bool fake_control_in(void *ctx, uint8_t request, void *data, size_t room, size_t *ret_len, int64_t deadline_ms,
			    struct err *e)
{
	struct fake *f = ctx;
	assert_int_equal(request, 1);
	*ret_len = f->info_len;
	memcpy(data, f->info, f->info_len < room ? f->info_len : room);
	return true;
}

static bool fake_control_out(void *ctx, uint8_t request, int64_t deadline_ms, struct err *e)
{
	struct fake *f = ctx;
	assert_int_equal(request, 2);
	f->cancels++;
	return true;
}

static bool fake_bulk_out(void *ctx, const void *data, size_t len, int64_t deadline_ms, struct err *e)
{
	struct fake *f = ctx;
	assert_true(len <= sizeof(f->last));
	memcpy(f->last, data, len);
	f->last_len = len;
	f->outs++;
	return true;
}

static bool fake_bulk_in(void *ctx, void *data, size_t room, size_t *ret_len, int64_t deadline_ms, struct err *e)
{
	struct fake *f = ctx;
	assert_int_equal(room % PACKET, 0);
	assert_true(room > 0);
	if (f->fails)
		return err_set(e, f->fails, "the test");
	if (f->in_at == f->in_count)
		return err_set(e, E_CHILD_SILENT, "nothing comes");
	size_t len = f->in[f->in_at].len;
	assert_true(len <= room);
	if (len >= 6 && memcmp(f->in[f->in_at].data, "TB", 2) == 0 && !f->in[f->in_at].keep_tag)
		memcpy(f->in[f->in_at].data + 4, f->last + 4, 2);
	memcpy(data, f->in[f->in_at].data, len);
	f->in_at++;
	*ret_len = len;
	return true;
}

static struct fake fake;

static void device_is(uint8_t version, uint8_t flags, uint32_t payload_max, uint32_t bundle_max)
{
	memset(&fake, 0, sizeof(fake));
	memcpy(fake.info, "TPMB", 4);
	fake.info[4] = version;
	fake.info[5] = flags;
	put_u32(fake.info + 8, payload_max);
	put_u32(fake.info + 12, bundle_max);
	fake.info_len = 16;
}

static void says(const void *data, size_t len)
{
	assert_true(fake.in_count < TRANSFERS);
	if (len)
		memcpy(fake.in[fake.in_count].data, data, len);
	fake.in[fake.in_count++].len = len;
}

static uint8_t *says_frame(uint8_t type, uint16_t status, const void *payload, size_t len)
{
	uint8_t frame[8192] = {'T', 'B', 1, type};
	put_u16(frame + 6, status);
	put_u32(frame + 8, (uint32_t)len);
	if (len)
		memcpy(frame + 12, payload, len);
	says(frame, 12 + len);
	return fake.in[fake.in_count - 1].data;
}

static bool opened(struct bridge *b, struct err *e)
{
	const struct bridge_wire wire = {&fake, PACKET, fake_control_in, fake_control_out, fake_bulk_out, fake_bulk_in};
	return bridge_open(b, &wire, clock_steady_ms() + 1000, e);
}

static bool asked(struct bridge *b, struct bridge_answer *a, struct err *e)
{
	return bridge_command(b, BRIDGE_IDENTIFY, NULL, 0, a, clock_steady_ms() + 100, e);
}

/* Opens a good device and asks once; the error's code. */
static enum err_code outcome(void)
{
	struct bridge b;
	struct bridge_answer a;
	struct err e = {0};
	assert_true(opened(&b, &e));
	bool ok = asked(&b, &a, &e);
	assert_true(ok == (e.code == E_NONE));
	bridge_close(&b);
	return e.code;
}

static void good_device(void)
{
	device_is(1, 0, 4096, 8192);
}

static enum err_code open_outcome(void)
{
	struct bridge b;
	struct err e = {0};
	if (opened(&b, &e))
		bridge_close(&b);
	return e.code;
}

static void info_tells_flags_and_lengths_and_what_was_unread_is_cancelled(void **state)
{
	struct bridge b;
	struct err e = {0};
	device_is(1, 3, 65536, 9000);
	assert_true(opened(&b, &e));
	assert_true(b.info.closed && b.info.bundle_present);
	assert_int_equal(b.info.payload_max, 65536);
	assert_int_equal(b.info.bundle_max, 9000);
	assert_int_equal(fake.cancels, 1);
	bridge_close(&b);
}

static void info_of_a_stranger_is_refused(void **state)
{
	good_device();
	fake.info[0] = 'L';
	assert_int_equal(open_outcome(), E_BRIDGE);
	for (size_t len = 0; len < 18; len++) {
		good_device();
		fake.info_len = len;
		assert_int_equal(open_outcome(), len == 16 ? E_NONE : E_BRIDGE);
	}
}

static void unknown_version_is_refused_by_its_own_name(void **state)
{
	device_is(2, 0, 4096, 8192);
	assert_int_equal(open_outcome(), E_BRIDGE_VERSION);
	device_is(0, 0, 4096, 8192);
	assert_int_equal(open_outcome(), E_BRIDGE_VERSION);
}

static void lengths_out_of_bounds_are_refused(void **state)
{
	device_is(1, 0, 4095, 8192);
	assert_int_equal(open_outcome(), E_BRIDGE);
	device_is(1, 0, 65537, 8192);
	assert_int_equal(open_outcome(), E_BRIDGE);
	device_is(1, 0, 4096, 8191);
	assert_int_equal(open_outcome(), E_BRIDGE);
}

static void lengths_that_grow_later_are_refused(void **state)
{
	struct bridge b;
	struct err e = {0};
	good_device();
	assert_true(opened(&b, &e));
	put_u32(fake.info + 8, 65536);
	assert_false(bridge_refresh(&b, 0, &e));
	assert_int_equal(e.code, E_BRIDGE);
	assert_int_equal(b.info.payload_max, 4096);
	bridge_close(&b);
}

static void command_has_the_header_of_the_page(void **state)
{
	struct bridge b;
	struct bridge_answer a;
	struct err e = {0};
	const struct span parts[] = {{"ab", 2}, {NULL, 0}, {"c", 1}};
	good_device();
	assert_true(opened(&b, &e));
	says_frame(0x21, 0, "xyz", 3);
	assert_true(bridge_command(&b, BRIDGE_BUNDLE_DATA, parts, 3, &a, clock_steady_ms() + 100, &e));
	assert_int_equal(fake.last_len, 15);
	assert_memory_equal(fake.last, "TB\x01\x21", 4);
	assert_memory_equal(fake.last + 6, "\0\0\0\0\0\x03" "abc", 9);
	assert_int_equal(a.len, 3);
	assert_memory_equal(a.data, "xyz", 3);
	bridge_close(&b);
}

static void command_longer_than_the_device_takes_is_not_sent(void **state)
{
	static const uint8_t much[4097];
	struct bridge b;
	struct err e = {0};
	good_device();
	assert_true(opened(&b, &e));
	assert_true(bridge_send(&b, BRIDGE_TPM, &(struct span){much, 4096}, 1, 0, &e));
	assert_false(bridge_send(&b, BRIDGE_TPM, &(struct span){much, 4097}, 1, 0, &e));
	assert_int_equal(e.code, E_BRIDGE);
	assert_int_equal(fake.outs, 1);
	bridge_close(&b);
}

static void response_split_at_any_place_is_whole_again(void **state)
{
	uint8_t frame[12 + 40] = {'T', 'B', 1, 1, 0, 1, 0, 0, 0, 0, 0, 40};
	for (size_t i = 0; i < 40; i++)
		frame[12 + i] = (uint8_t)i;
	for (size_t cut = 0; cut <= sizeof(frame); cut++) {
		struct bridge b;
		struct bridge_answer a;
		struct err e = {0};
		good_device();
		assert_true(opened(&b, &e));
		says(frame, cut);
		says(NULL, 0);
		says(frame + cut, sizeof(frame) - cut);
		fake.in[0].keep_tag = fake.in[2].keep_tag = true;
		assert_true(asked(&b, &a, &e));
		assert_int_equal(a.len, 40);
		assert_memory_equal(a.data, frame + 12, 40);
		bridge_close(&b);
	}
}

static void longest_response_in_packets_of_one_byte_each_way_fits(void **state)
{
	static uint8_t payload[4096];
	struct bridge b;
	struct bridge_answer a;
	struct err e = {0};
	good_device();
	assert_true(opened(&b, &e));
	memset(payload, 0x5a, sizeof(payload));
	uint8_t *frame = says_frame(1, 0, payload, sizeof(payload));
	fake.in[0].len = 13;	/* and the rest in crumbs at the end */
	says(frame + 13, 4094);
	says(frame + 13 + 4094, 1);
	assert_true(asked(&b, &a, &e));
	assert_int_equal(a.len, sizeof(payload));
	assert_memory_equal(a.data, payload, sizeof(payload));
	bridge_close(&b);
}

static void zero_length_packet_of_the_last_response_is_skipped(void **state)
{
	good_device();
	says(NULL, 0);
	says_frame(1, 0, NULL, 0);
	assert_int_equal(outcome(), E_NONE);
}

static void garbage_is_no_response(void **state)
{
	static const struct { size_t at; uint8_t byte; } wrong[] = {{0, 'X'}, {1, 'X'}, {2, 2}, {3, 0x10}, {4, 0x77}, {5, 0x77}};
	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		good_device();
		uint8_t *frame = says_frame(1, 0, NULL, 0);
		put_u16(frame + 4, 1);
		frame[wrong[i].at] = wrong[i].byte;
		fake.in[0].keep_tag = true;
		assert_int_equal(outcome(), E_BRIDGE);
	}
}

static void response_longer_than_agreed_is_refused_by_its_header(void **state)
{
	good_device();
	put_u32(says_frame(1, 0, NULL, 0) + 8, 4097);
	assert_int_equal(outcome(), E_BRIDGE);
	good_device();
	put_u32(says_frame(1, 0, NULL, 0) + 8, 0xffffffff);
	assert_int_equal(outcome(), E_BRIDGE);
}

static void bytes_behind_the_response_are_refused(void **state)
{
	good_device();
	says_frame(1, 0, "abc", 3);
	fake.in[0].len++;
	assert_int_equal(outcome(), E_BRIDGE);
}

static void status_with_a_payload_is_refused(void **state)
{
	good_device();
	says_frame(1, BRIDGE_STORAGE, "abc", 3);
	assert_int_equal(outcome(), E_BRIDGE);
}

static void each_status_has_its_error(void **state)
{
	static const struct { uint16_t status; enum err_code code; } rows[] = {
		{BRIDGE_TOO_LONG, E_BRIDGE}, {BRIDGE_UNSUPPORTED, E_BRIDGE}, {BRIDGE_CLOSED, E_UNIT_CLOSED},
		{BRIDGE_STORAGE, E_UNIT_STORAGE}, {BRIDGE_CANCELLED, E_BRIDGE}, {BRIDGE_NO_BUNDLE, E_READ_BACK},
		{BRIDGE_BAD_BUNDLE, E_BRIDGE}, {BRIDGE_TPM_FAILED, E_TPM}, {11, E_BRIDGE}, {65535, E_BRIDGE},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		good_device();
		says_frame(1, rows[i].status, NULL, 0);
		assert_int_equal(outcome(), rows[i].code);
	}
}

static void busy_is_asked_again_with_a_new_tag(void **state)
{
	struct bridge b;
	struct bridge_answer a;
	struct err e = {0};
	good_device();
	assert_true(opened(&b, &e));
	says_frame(1, BRIDGE_BUSY, NULL, 0);
	says_frame(1, BRIDGE_BUSY, NULL, 0);
	says_frame(1, 0, "k", 1);
	int64_t before_ms = clock_steady_ms();
	assert_true(asked(&b, &a, &e));
	assert_true(clock_steady_ms() - before_ms >= 38);
	assert_int_equal(fake.outs, 3);
	assert_int_equal(get_u16(fake.last + 4), 3);
	bridge_close(&b);
}

static void busy_until_the_deadline_is_busy(void **state)
{
	good_device();
	for (int i = 0; i < 3; i++)
		says_frame(1, BRIDGE_BUSY, NULL, 0);
	assert_int_equal(outcome(), E_UNIT_BUSY);
}

static void busy_device_is_asked_again_by_a_host_that_came_back_for_the_answer(void **state)
{
	struct bridge b;
	struct bridge_answer a;
	struct err e = {0};
	good_device();
	assert_true(opened(&b, &e));
	says_frame(1, BRIDGE_BUSY, NULL, 0);
	says_frame(1, 0, "k", 1);
	assert_true(bridge_send(&b, BRIDGE_IDENTIFY, NULL, 0, clock_steady_ms() + 1000, &e));
	assert_false(bridge_receive(&b, &a, clock_steady_ms() + 1, &e));
	assert_int_equal(e.code, E_UNIT_BUSY);
	while (e.code == E_UNIT_BUSY) {
		e = (struct err){0};
		if (!bridge_receive(&b, &a, clock_steady_ms() + 1, &e))
			assert_int_equal(e.code, E_UNIT_BUSY);
	}
	assert_int_equal(a.status, BRIDGE_OK);
	assert_int_equal(fake.outs, 2);
	assert_int_equal(fake.cancels, 1);	/* at open, and no more */
	bridge_close(&b);
}

static void bad_frame_is_cancelled_and_sent_once_more(void **state)
{
	good_device();
	says_frame(1, BRIDGE_BAD_FRAME, NULL, 0);
	says_frame(1, 0, NULL, 0);
	assert_int_equal(outcome(), E_NONE);
	assert_int_equal(fake.cancels, 2);
	good_device();
	says_frame(1, BRIDGE_BAD_FRAME, NULL, 0);
	says_frame(1, BRIDGE_BAD_FRAME, NULL, 0);
	assert_int_equal(outcome(), E_BRIDGE);
	assert_int_equal(fake.outs, 2);
}

static void answer_that_comes_late_is_cancelled_before_the_next_command(void **state)
{
	struct bridge b;
	struct bridge_answer a;
	struct err e = {0};
	good_device();
	assert_true(opened(&b, &e));
	assert_false(asked(&b, &a, &e));
	assert_int_equal(e.code, E_CHILD_SILENT);
	err_clear(&e);
	says_frame(1, 0, "late", 4);
	assert_true(asked(&b, &a, &e));
	assert_int_equal(fake.cancels, 2);
	bridge_close(&b);
}

static void lost_device_is_called_gone(void **state)
{
	good_device();
	fake.fails = E_USB_GONE;
	assert_int_equal(outcome(), E_USB_GONE);
}

static bool identity_of(const char *data, size_t len, struct driver_identity *ret)
{
	struct err e = {0};
	memset(ret, 0, sizeof(*ret));
	bool ok = bridge_identity((const uint8_t *)data, len, ret, &e);
	assert_int_equal(e.code, ok ? E_NONE : E_BRIDGE);
	return ok;
}

#define IDENTITY(text) identity_of(text, sizeof(text) - 1, &id)

static void identity_is_three_texts_and_later_fields_are_skipped(void **state)
{
	struct driver_identity id;
	assert_true(IDENTITY("\1\0\2S1\2\0\1M\3\0\1R\x09\0\2\0\0"));
	assert_string_equal(id.serial, "S1");
	assert_string_equal(id.model, "M");
	assert_string_equal(id.revision, "R");
}

static void identity_of_another_form_is_refused(void **state)
{
	struct driver_identity id;
	static const char good[] = "\1\0\2S1\2\0\1M\3\0\1R";
	for (size_t len = 0; len < sizeof(good) - 1; len++)
		assert_false(identity_of(good, len, &id));
	assert_false(IDENTITY("\1\0\2S1\3\0\1R\2\0\1M"));	/* not in order */
	assert_false(IDENTITY("\1\0\2S1\1\0\2S2\2\0\1M\3\0\1R"));	/* twice */
	assert_false(IDENTITY("\1\0\0\2\0\1M\3\0\1R"));	/* empty */
	assert_false(IDENTITY("\1\0\2S\x1b\2\0\1M\3\0\1R"));	/* an escape for the operator's terminal */
	assert_false(IDENTITY("\1\xff\xffS1"));
	char longest[3 + 65 + 8] = {1, 0, 65};
	memset(longest + 3, 'S', 65);
	memcpy(longest + 68, "\2\0\1M\3\0\1R", 8);
	assert_false(identity_of(longest, sizeof(longest), &id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(info_tells_flags_and_lengths_and_what_was_unread_is_cancelled),
		cmocka_unit_test(info_of_a_stranger_is_refused),
		cmocka_unit_test(unknown_version_is_refused_by_its_own_name),
		cmocka_unit_test(lengths_out_of_bounds_are_refused),
		cmocka_unit_test(lengths_that_grow_later_are_refused),
		cmocka_unit_test(command_has_the_header_of_the_page),
		cmocka_unit_test(command_longer_than_the_device_takes_is_not_sent),
		cmocka_unit_test(response_split_at_any_place_is_whole_again),
		cmocka_unit_test(longest_response_in_packets_of_one_byte_each_way_fits),
		cmocka_unit_test(zero_length_packet_of_the_last_response_is_skipped),
		cmocka_unit_test(garbage_is_no_response),
		cmocka_unit_test(response_longer_than_agreed_is_refused_by_its_header),
		cmocka_unit_test(bytes_behind_the_response_are_refused),
		cmocka_unit_test(status_with_a_payload_is_refused),
		cmocka_unit_test(each_status_has_its_error),
		cmocka_unit_test(busy_is_asked_again_with_a_new_tag),
		cmocka_unit_test(busy_until_the_deadline_is_busy),
		cmocka_unit_test(busy_device_is_asked_again_by_a_host_that_came_back_for_the_answer),
		cmocka_unit_test(bad_frame_is_cancelled_and_sent_once_more),
		cmocka_unit_test(answer_that_comes_late_is_cancelled_before_the_next_command),
		cmocka_unit_test(lost_device_is_called_gone),
		cmocka_unit_test(identity_is_three_texts_and_later_fields_are_skipped),
		cmocka_unit_test(identity_of_another_form_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
