/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firmware by itself: packets in, packets out, and what is left in its storage. A real swtpm is behind it, with an
 * empty state; nothing of USB is in front of it.
 */
#include "frames.h"
#include "unit.h"

#include <ftw.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char dir[64];
	struct model model;
	struct why why;
};

static const uint8_t get_random[] = { 0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7b, 0, 16 };

static void power_on(struct fixture *f)
{
	if (!model_power_on(&f->model, f->dir, &f->why))
		fail_msg("%s", f->why.text);
}

static int setup(void **state)
{
	const struct identity id = { "UNIT0001", "TPM-device", "1.0" };
	struct fixture *f = calloc(1, sizeof *f);

	strcpy(f->dir, "/tmp/sim-model.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	model_init(&f->model, &id);
	power_on(f);
	*state = f;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	model_power_off(&f->model);
	model_fini(&f->model);
	int rc = nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS); /* also what a killed swtpm left half written */
	free(f);
	return rc;
}

static size_t frame_make(uint8_t *to, uint8_t type, const void *payload, size_t len)
{
	put_u16(to, FRAME_MAGIC);
	to[2] = BRIDGE_VERSION;
	to[3] = type;
	put_u16(to + 4, 0x1234);
	put_u16(to + 6, 0);
	put_u32(to + 8, (uint32_t)len);
	if (len)
		memcpy(to + FRAME_HEADER, payload, len);
	return FRAME_HEADER + len;
}

/* Reads the response with one large transfer; gives its status. */
static unsigned receive(struct fixture *f, uint8_t *payload, size_t *len)
{
	uint8_t data[FRAME_HEADER + MODEL_PAYLOAD_MAX + MODEL_PACKET];
	size_t n;
	bool overflow;

	assert_true(model_in(&f->model, data, sizeof data / MODEL_PACKET * MODEL_PACKET, &n, &overflow));
	assert_false(overflow);
	assert_true(n >= FRAME_HEADER);
	assert_int_equal(get_u16(data), FRAME_MAGIC);
	assert_int_equal(get_u16(data + 4), 0x1234);
	assert_int_equal(get_u32(data + 8), n - FRAME_HEADER);
	if (len)
		*len = n - FRAME_HEADER;
	if (payload)
		memcpy(payload, data + FRAME_HEADER, n - FRAME_HEADER);
	return get_u16(data + 6);
}

static unsigned exchange(struct fixture *f, uint8_t type, const void *payload, size_t payload_len, uint8_t *answer,
	size_t *answer_len)
{
	uint8_t frame[FRAME_HEADER + MODEL_PAYLOAD_MAX];
	size_t len = frame_make(frame, type, payload, payload_len);

	assert_int_equal(model_out(&f->model, frame, len), len);
	assert_int_equal(model_work(&f->model), WORK_DONE);
	return receive(f, answer, answer_len);
}

static unsigned status_of(struct fixture *f, uint8_t type, const void *payload, size_t len)
{
	return exchange(f, type, payload, len, NULL, NULL);
}

static void frame_split_at_every_byte_is_one_frame(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[64], answer[64];
	size_t n, len = frame_make(frame, FRAME_TPM, get_random, sizeof get_random);

	for (size_t cut = 1; cut < len; cut++) {
		assert_int_equal(model_out(&f->model, frame, cut), cut);
		assert_int_equal(model_work(&f->model), WORK_NONE);
		assert_int_equal(model_out(&f->model, frame + cut, len - cut), len - cut);
		assert_int_equal(model_work(&f->model), WORK_DONE);
		assert_int_equal(receive(f, answer, &n), STATUS_OK);
		assert_int_equal(n, 28);
	}
	for (size_t i = 0; i < len; i++)
		assert_int_equal(model_out(&f->model, frame + i, 1), 1);
	assert_int_equal(model_work(&f->model), WORK_DONE);
	assert_int_equal(receive(f, answer, &n), STATUS_OK);
}

static void zero_length_packets_carry_no_meaning(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[64];
	size_t len = frame_make(frame, FRAME_IDENTIFY, NULL, 0);

	assert_int_equal(model_out(&f->model, frame, 0), 0);
	assert_int_equal(model_out(&f->model, frame, 5), 5);
	assert_int_equal(model_out(&f->model, frame, 0), 0);
	assert_int_equal(model_out(&f->model, frame + 5, len - 5), len - 5);
	assert_int_equal(model_work(&f->model), WORK_DONE);
	assert_int_equal(model_out(&f->model, frame, 0), 0);
	assert_int_equal(receive(f, NULL, NULL), STATUS_OK);
}

static void commit_bundle(struct fixture *f, const uint8_t *bundle, size_t len, unsigned want)
{
	uint8_t begin[36], data[4 + MODEL_PAYLOAD_MAX];

	put_u32(begin, (uint32_t)len);
	SHA256(bundle, len, begin + 4);
	assert_int_equal(status_of(f, FRAME_BUNDLE_BEGIN, begin, sizeof begin), STATUS_OK);
	for (size_t at = 0; at < len; at += 4000) {
		size_t n = len - at < 4000 ? len - at : 4000;
		put_u32(data, (uint32_t)at);
		memcpy(data + 4, bundle + at, n);
		assert_int_equal(status_of(f, FRAME_BUNDLE_DATA, data, 4 + n), STATUS_OK);
	}
	assert_int_equal(status_of(f, FRAME_BUNDLE_COMMIT, NULL, 0), want);
}

/* The whole stored bundle, by BUNDLE_READ. */
static size_t read_bundle(struct fixture *f, uint8_t *to)
{
	uint8_t ask[8], answer[MODEL_PAYLOAD_MAX];
	size_t n, at = 0, whole = 1;

	while (at < whole) {
		put_u32(ask, (uint32_t)at);
		put_u32(ask + 4, 1000);
		assert_int_equal(exchange(f, FRAME_BUNDLE_READ, ask, sizeof ask, answer, &n), STATUS_OK);
		whole = get_u32(answer);
		memcpy(to + at, answer + 4, n - 4);
		at += n - 4;
	}
	return whole;
}

static void full_last_packet_is_followed_by_an_empty_one(void **state)
{
	struct fixture *f = *state;
	uint8_t bundle[2000] = { 0 }, ask[8], data[1024];
	size_t n;
	bool overflow;

	commit_bundle(f, bundle, sizeof bundle, STATUS_OK);
	put_u32(ask, 0);
	put_u32(ask + 4, 1024 - FRAME_HEADER - 4); /* a response of two full packets */
	uint8_t frame[64];
	size_t len = frame_make(frame, FRAME_BUNDLE_READ, ask, sizeof ask);
	assert_int_equal(model_out(&f->model, frame, len), len);
	assert_int_equal(model_work(&f->model), WORK_DONE);
	assert_true(model_in(&f->model, data, 512, &n, &overflow));
	assert_int_equal(n, 512);
	assert_true(model_in(&f->model, data, 512, &n, &overflow));
	assert_int_equal(n, 512);
	assert_true(model_in(&f->model, data, 512, &n, &overflow));
	assert_int_equal(n, 0);
	assert_false(model_in(&f->model, data, 512, &n, &overflow));
}

static void host_buffer_smaller_than_a_packet_overflows(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[64], data[512];
	size_t n, len = frame_make(frame, FRAME_IDENTIFY, NULL, 0);
	bool overflow;

	assert_int_equal(model_out(&f->model, frame, len), len);
	assert_int_equal(model_work(&f->model), WORK_DONE);
	assert_true(model_in(&f->model, data, 12, &n, &overflow));
	assert_true(overflow);
}

static void wrong_magic_is_a_bad_frame_until_cancel(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[100] = { 0 };
	size_t len = frame_make(frame, FRAME_IDENTIFY, NULL, 0);

	frame[0] = 'X';
	assert_int_equal(model_out(&f->model, frame, sizeof frame), FRAME_HEADER);
	assert_int_equal(model_work(&f->model), WORK_DONE);
	assert_int_equal(model_out(&f->model, frame + FRAME_HEADER, sizeof frame - FRAME_HEADER),
		sizeof frame - FRAME_HEADER);
	assert_int_equal(model_work(&f->model), WORK_NONE);
	uint8_t data[512];
	size_t n;
	bool overflow;
	assert_true(model_in(&f->model, data, sizeof data, &n, &overflow));
	assert_int_equal(get_u16(data + 6), STATUS_BAD_FRAME);

	frame[0] = 'T';
	assert_int_equal(model_out(&f->model, frame, len), len);
	assert_int_equal(model_work(&f->model), WORK_NONE);
	model_cancel(&f->model);
	assert_int_equal(status_of(f, FRAME_IDENTIFY, NULL, 0), STATUS_OK);
}

static void header_of_another_version_or_with_a_status_is_a_bad_frame(void **state)
{
	struct fixture *f = *state;
	static const uint8_t at[] = { 2, 6, 7 };
	uint8_t frame[64];

	for (size_t i = 0; i < sizeof at; i++) {
		size_t len = frame_make(frame, FRAME_IDENTIFY, NULL, 0);
		frame[at[i]] = 9;
		assert_int_equal(model_out(&f->model, frame, len), len);
		assert_int_equal(model_work(&f->model), WORK_DONE);
		assert_int_equal(receive(f, NULL, NULL), STATUS_BAD_FRAME);
		model_cancel(&f->model);
	}
}

static void payload_of_the_wrong_shape_is_a_bad_frame(void **state)
{
	struct fixture *f = *state;
	uint8_t junk[40] = { 0 };

	assert_int_equal(status_of(f, FRAME_IDENTIFY, junk, 1), STATUS_BAD_FRAME);
	assert_int_equal(status_of(f, FRAME_BUNDLE_BEGIN, junk, 35), STATUS_BAD_FRAME);
	assert_int_equal(status_of(f, FRAME_BUNDLE_DATA, junk, 3), STATUS_BAD_FRAME);
	assert_int_equal(status_of(f, FRAME_BUNDLE_COMMIT, junk, 1), STATUS_BAD_FRAME);
	assert_int_equal(status_of(f, FRAME_BUNDLE_READ, junk, 7), STATUS_BAD_FRAME);
	assert_int_equal(status_of(f, FRAME_FINISH, junk, 31), STATUS_BAD_FRAME);
	assert_int_equal(status_of(f, FRAME_TPM, junk, 9), STATUS_BAD_FRAME);
	assert_int_equal(status_of(f, FRAME_TPM, junk, 12), STATUS_BAD_FRAME);
	assert_int_equal(status_of(f, 0x77, junk, 12), STATUS_UNSUPPORTED);
	assert_int_equal(status_of(f, FRAME_IDENTIFY, NULL, 0), STATUS_OK);
}

static void too_long_frame_is_dropped_whole_and_the_next_one_is_clean(void **state)
{
	struct fixture *f = *state;
	static uint8_t frame[FRAME_HEADER + 20000], junk[TPM_COMMAND_MAX + 1];
	size_t len = frame_make(frame, FRAME_BUNDLE_DATA, NULL, 0) + 20000;

	put_u32(frame + 8, 20000);
	for (size_t at = 0; at < len; at += MODEL_PACKET) {
		size_t n = len - at < MODEL_PACKET ? len - at : MODEL_PACKET;
		assert_int_equal(model_work(&f->model), WORK_NONE);
		assert_int_equal(model_out(&f->model, frame + at, n), n);
	}
	assert_int_equal(model_work(&f->model), WORK_DONE);
	assert_int_equal(receive(f, NULL, NULL), STATUS_TOO_LONG);
	assert_int_equal(status_of(f, FRAME_TPM, junk, sizeof junk), STATUS_TOO_LONG);
	assert_int_equal(status_of(f, FRAME_IDENTIFY, NULL, 0), STATUS_OK);
}

static void next_command_waits_while_one_is_worked_on(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[64];
	size_t len = frame_make(frame, FRAME_IDENTIFY, NULL, 0);

	assert_int_equal(model_out(&f->model, frame, len), len);
	assert_int_equal(model_out(&f->model, frame, len), 0);
	assert_int_equal(model_work(&f->model), WORK_DONE);
	assert_int_equal(receive(f, NULL, NULL), STATUS_OK);
}

static void cancelled_command_says_so_unless_the_next_has_begun(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[64];
	size_t len = frame_make(frame, FRAME_TPM, get_random, sizeof get_random);

	assert_int_equal(model_out(&f->model, frame, len), len);
	model_cancel(&f->model);
	assert_int_equal(model_work(&f->model), WORK_DONE);
	assert_int_equal(receive(f, NULL, NULL), STATUS_CANCELLED);

	assert_int_equal(model_out(&f->model, frame, len), len);
	model_cancel(&f->model);
	assert_int_equal(model_work(&f->model), WORK_DONE);
	assert_int_equal(status_of(f, FRAME_TPM, get_random, sizeof get_random), STATUS_OK);
}

static void cancel_drops_half_a_frame_and_an_unread_response(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[64], data[512];
	size_t n, len = frame_make(frame, FRAME_TPM, get_random, sizeof get_random);
	bool overflow;

	assert_int_equal(model_out(&f->model, frame, len - 3), len - 3);
	model_cancel(&f->model);
	assert_int_equal(model_out(&f->model, frame, len), len);
	assert_int_equal(model_work(&f->model), WORK_DONE);
	model_cancel(&f->model);
	assert_false(model_in(&f->model, data, sizeof data, &n, &overflow));
	assert_int_equal(status_of(f, FRAME_IDENTIFY, NULL, 0), STATUS_OK);
}

static void busy_device_does_nothing_until_it_is_not(void **state)
{
	struct fixture *f = *state;

	assert_true(model_knob(&f->model, "busy", "2", &f->why));
	assert_int_equal(status_of(f, FRAME_TPM, get_random, sizeof get_random), STATUS_BUSY);
	assert_int_equal(status_of(f, FRAME_TPM, get_random, sizeof get_random), STATUS_BUSY);
	assert_int_equal(status_of(f, FRAME_TPM, get_random, sizeof get_random), STATUS_OK);
	assert_int_equal(f->model.stats.by_type[FRAME_TPM], 1);
}

static void bundle_is_what_was_committed_and_not_what_was_received(void **state)
{
	struct fixture *f = *state;
	uint8_t first[5000], second[300], got[BUNDLE_MAX], ask[8] = { 0 }, begin[36];

	memset(first, 1, sizeof first);
	memset(second, 2, sizeof second);
	assert_int_equal(status_of(f, FRAME_BUNDLE_READ, ask, sizeof ask), STATUS_NO_BUNDLE);
	assert_int_equal(status_of(f, FRAME_BUNDLE_COMMIT, NULL, 0), STATUS_BAD_BUNDLE);
	commit_bundle(f, first, sizeof first, STATUS_OK);
	put_u32(begin, sizeof second);
	SHA256(first, sizeof first, begin + 4);
	assert_int_equal(status_of(f, FRAME_BUNDLE_BEGIN, begin, sizeof begin), STATUS_OK);
	uint8_t data[4 + sizeof second] = { 0 };
	memcpy(data + 4, second, sizeof second);
	assert_int_equal(status_of(f, FRAME_BUNDLE_DATA, data, sizeof data), STATUS_OK);
	assert_int_equal(status_of(f, FRAME_BUNDLE_COMMIT, NULL, 0), STATUS_BAD_BUNDLE);
	assert_int_equal(read_bundle(f, got), sizeof first);
	assert_memory_equal(got, first, sizeof first);
	commit_bundle(f, second, sizeof second, STATUS_OK);
	assert_int_equal(read_bundle(f, got), sizeof second);
	assert_memory_equal(got, second, sizeof second);
}

static void bundle_with_a_gap_or_beyond_its_length_is_refused(void **state)
{
	struct fixture *f = *state;
	uint8_t begin[36] = { 0, 0, 0, 10 }, data[20] = { 0 };

	assert_int_equal(status_of(f, FRAME_BUNDLE_DATA, data, sizeof data), STATUS_BAD_BUNDLE);
	assert_int_equal(status_of(f, FRAME_BUNDLE_BEGIN, begin, sizeof begin), STATUS_OK);
	assert_int_equal(status_of(f, FRAME_BUNDLE_DATA, data, 4 + 11), STATUS_BAD_BUNDLE);
	put_u32(data, 3);
	assert_int_equal(status_of(f, FRAME_BUNDLE_DATA, data, 4 + 2), STATUS_BAD_BUNDLE);
	put_u32(data, 0xffffffff);
	assert_int_equal(status_of(f, FRAME_BUNDLE_DATA, data, 4 + 2), STATUS_BAD_BUNDLE);
	assert_int_equal(status_of(f, FRAME_BUNDLE_COMMIT, NULL, 0), STATUS_BAD_BUNDLE);
	put_u32(begin, BUNDLE_MAX + 1);
	assert_int_equal(status_of(f, FRAME_BUNDLE_BEGIN, begin, sizeof begin), STATUS_TOO_LONG);
}

/* Commits over an old bundle with the power going at a chosen point; what is there when it comes back? */
static size_t bundle_after_cut(struct fixture *f, const char *cut, uint8_t *got)
{
	uint8_t bundle[600], begin[36], data[4 + sizeof bundle] = { 0 }, frame[64];

	memset(bundle, 1, 500);
	commit_bundle(f, bundle, 500, STATUS_OK);
	memset(bundle, 2, sizeof bundle);
	put_u32(begin, sizeof bundle);
	SHA256(bundle, sizeof bundle, begin + 4);
	memcpy(data + 4, bundle, sizeof bundle);
	assert_int_equal(status_of(f, FRAME_BUNDLE_BEGIN, begin, sizeof begin), STATUS_OK);
	assert_int_equal(status_of(f, FRAME_BUNDLE_DATA, data, sizeof data), STATUS_OK);
	assert_true(model_knob(&f->model, "cut_commit", cut, &f->why));
	size_t len = frame_make(frame, FRAME_BUNDLE_COMMIT, NULL, 0);
	assert_int_equal(model_out(&f->model, frame, len), len);
	assert_int_equal(model_work(&f->model), WORK_CUT);
	model_power_off(&f->model);
	power_on(f);
	return read_bundle(f, got);
}

static void power_cut_before_the_rename_leaves_the_old_bundle_whole(void **state)
{
	uint8_t got[BUNDLE_MAX];
	assert_int_equal(bundle_after_cut(*state, "before-rename", got), 500);
	for (int i = 0; i < 500; i++)
		assert_int_equal(got[i], 1);
}

static void power_cut_after_the_rename_leaves_the_new_bundle_whole(void **state)
{
	uint8_t got[BUNDLE_MAX];
	assert_int_equal(bundle_after_cut(*state, "after-rename", got), 600);
	for (int i = 0; i < 600; i++)
		assert_int_equal(got[i], 2);
}

static void finish(struct fixture *f)
{
	uint8_t bundle[10] = { 5 }, hash[32];

	commit_bundle(f, bundle, sizeof bundle, STATUS_OK);
	SHA256(bundle, sizeof bundle, hash);
	assert_int_equal(status_of(f, FRAME_FINISH, hash, sizeof hash), STATUS_OK);
}

static void finish_needs_the_hash_of_the_committed_bundle(void **state)
{
	struct fixture *f = *state;
	uint8_t hash[32] = { 0 }, info[INFO_SIZE];

	assert_int_equal(status_of(f, FRAME_FINISH, hash, sizeof hash), STATUS_BAD_BUNDLE);
	commit_bundle(f, hash, sizeof hash, STATUS_OK);
	assert_int_equal(status_of(f, FRAME_FINISH, hash, sizeof hash), STATUS_BAD_BUNDLE);
	model_info(&f->model, info);
	assert_int_equal(info[5], INFO_BUNDLE);
	finish(f);
	model_info(&f->model, info);
	assert_int_equal(info[5], INFO_BUNDLE | INFO_CLOSED);
	assert_int_equal(status_of(f, FRAME_FINISH, hash, sizeof hash), STATUS_BAD_BUNDLE);
}

static void liar_refuses_what_it_is_told_to_and_says_other_bytes(void **state)
{
	struct fixture *f = *state;
	struct why w;
	uint8_t info[INFO_SIZE], bundle[10] = { 5 };
	static const char *const bad[] = { "", "IDENTIFY", "IDENTIFY:0", "IDENTIFY:0:", "IDENTIFY:0:0", "IDENTIFY:x:00", ":0:00", "IDENTIFY:status:-1" };

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(model_knob(&f->model, "lie", bad[i], &w));
	assert_true(model_knob(&f->model, "lie", "BUNDLE_COMMIT:status:6", &w));
	commit_bundle(f, bundle, sizeof bundle, STATUS_STORAGE);
	assert_true(model_knob(&f->model, "lie", "GET_INFO:4:0207", &w));
	assert_true(model_info(&f->model, info));
	assert_int_equal(info[4], 2);
	assert_int_equal(info[5], 7);
	assert_true(model_knob(&f->model, "lie", "GET_INFO:status:1", &w));
	assert_false(model_info(&f->model, info));
	assert_true(model_knob(&f->model, "lie", "0", &w));
	assert_true(model_info(&f->model, info));
	assert_int_equal(info[4], 1);
	assert_int_equal(info[5], 0);	/* nothing was stored */
	commit_bundle(f, bundle, sizeof bundle, STATUS_OK);
}

static unsigned tpm_status(struct fixture *f, uint32_t code)
{
	uint8_t command[10] = { 0x80, 0x01, 0, 0, 0, 10 };
	put_u32(command + 6, code);
	return status_of(f, FRAME_TPM, command, sizeof command);
}

static void closed_device_carries_the_eight_commands_and_no_other(void **state)
{
	struct fixture *f = *state;
	static const uint32_t carried[] = { 0x147, 0x14e, 0x151, 0x165, 0x169, 0x173, 0x176, 0x17a };
	uint8_t begin[36] = { 0, 0, 0, 1 }, ask[8] = { 0 };

	finish(f);
	model_power_off(&f->model);
	power_on(f);
	for (uint32_t code = 0x11f; code < 0x1a0; code++) {
		bool allowed = false;
		for (size_t i = 0; i < sizeof carried / sizeof *carried; i++)
			allowed = allowed || carried[i] == code;
		assert_int_equal(tpm_status(f, code), allowed ? STATUS_OK : STATUS_CLOSED);
	}
	assert_int_equal(tpm_status(f, 0x20000000), STATUS_CLOSED);
	assert_int_equal(status_of(f, FRAME_BUNDLE_BEGIN, begin, sizeof begin), STATUS_CLOSED);
	assert_int_equal(status_of(f, FRAME_BUNDLE_DATA, begin, 5), STATUS_CLOSED);
	assert_int_equal(status_of(f, FRAME_BUNDLE_COMMIT, NULL, 0), STATUS_CLOSED);
	assert_int_equal(status_of(f, 0x77, NULL, 0), STATUS_CLOSED);
	assert_int_equal(status_of(f, FRAME_IDENTIFY, NULL, 0), STATUS_OK);
	assert_int_equal(status_of(f, FRAME_BUNDLE_READ, ask, sizeof ask), STATUS_OK);
}

static void dead_tpm_is_a_status_and_not_a_hang(void **state)
{
	struct fixture *f = *state;

	tpm_relay_kill(&f->model.tpm);
	assert_int_equal(status_of(f, FRAME_TPM, get_random, sizeof get_random), STATUS_TPM_FAILED);
	assert_int_equal(status_of(f, FRAME_IDENTIFY, NULL, 0), STATUS_OK);
}

static void cut_fires_at_the_frame_it_names(void **state)
{
	struct fixture *f = *state;
	uint8_t frame[64];
	size_t len = frame_make(frame, FRAME_TPM, get_random, sizeof get_random);

	assert_true(model_knob(&f->model, "cut_after", "TPM:2", &f->why));
	assert_int_equal(status_of(f, FRAME_IDENTIFY, NULL, 0), STATUS_OK);
	assert_int_equal(status_of(f, FRAME_TPM, get_random, sizeof get_random), STATUS_OK);
	assert_int_equal(model_out(&f->model, frame, len), len);
	assert_int_equal(model_work(&f->model), WORK_CUT);
	assert_int_equal(f->model.stats.by_type[FRAME_TPM], 2);
	model_power_off(&f->model);
	power_on(f);
	assert_int_equal(status_of(f, FRAME_TPM, get_random, sizeof get_random), STATUS_OK);

	assert_true(model_knob(&f->model, "cut_before", "3", &f->why));
	assert_int_equal(status_of(f, FRAME_IDENTIFY, NULL, 0), STATUS_OK);
	assert_int_equal(status_of(f, FRAME_IDENTIFY, NULL, 0), STATUS_OK);
	assert_int_equal(model_out(&f->model, frame, len), len);
	assert_int_equal(model_work(&f->model), WORK_CUT);
	assert_int_equal(f->model.stats.by_type[FRAME_TPM], 3);
}

static void knob_that_makes_no_sense_is_refused(void **state)
{
	struct fixture *f = *state;
	static const char *const bad[][2] = { { "delay_ms", "-1" }, { "delay_ms", "x" }, { "busy", "" },
		{ "cut_before", "NOPE:1" }, { "cut_after", "TPM:" }, { "cut_commit", "later" }, { "max_payload", "100" },
		{ "colour", "red" } };

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(model_knob(&f->model, bad[i][0], bad[i][1], &f->why));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(frame_split_at_every_byte_is_one_frame),
		T(zero_length_packets_carry_no_meaning),
		T(full_last_packet_is_followed_by_an_empty_one),
		T(host_buffer_smaller_than_a_packet_overflows),
		T(wrong_magic_is_a_bad_frame_until_cancel),
		T(header_of_another_version_or_with_a_status_is_a_bad_frame),
		T(payload_of_the_wrong_shape_is_a_bad_frame),
		T(too_long_frame_is_dropped_whole_and_the_next_one_is_clean),
		T(next_command_waits_while_one_is_worked_on),
		T(cancelled_command_says_so_unless_the_next_has_begun),
		T(cancel_drops_half_a_frame_and_an_unread_response),
		T(busy_device_does_nothing_until_it_is_not),
		T(bundle_is_what_was_committed_and_not_what_was_received),
		T(bundle_with_a_gap_or_beyond_its_length_is_refused),
		T(power_cut_before_the_rename_leaves_the_old_bundle_whole),
		T(power_cut_after_the_rename_leaves_the_new_bundle_whole),
		T(liar_refuses_what_it_is_told_to_and_says_other_bytes),
		T(finish_needs_the_hash_of_the_committed_bundle),
		T(closed_device_carries_the_eight_commands_and_no_other),
		T(dead_tpm_is_a_status_and_not_a_hang),
		T(cut_fires_at_the_frame_it_names),
		T(knob_that_makes_no_sense_is_refused),
	};
	return cmocka_run_group_tests_name("device model", tests, NULL, NULL);
}
