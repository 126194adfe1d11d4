/* SPDX-License-Identifier: Apache-2.0 */
/* Receipts, growths and cosignatures: what they say is believed for what they are, and for nothing that was changed. */
#include "certs/cosign.h"
#include "certs/note_key.h"
#include "certs/tlog_text.h"
#include "station/base/text.h"
#include "tests/certs/check.h"
#include "tests/certs/desk.h"

#include <string.h>

#define NAME "line-1.example/station"
#define ENTRIES 5
#define AT 2

static const char *const entries[ENTRIES] = {"{\"n\":0}", "{\"n\":1}", "{\"n\":2}", "{\"n\":3}", "{\"n\":4}"};

struct bench {
	struct desk desk;
	struct note_key key;
	struct merkle_hash leaf[ENTRIES];
	struct bytes note, receipt;
	char witness_key[300];
	struct bytes witness_vkey, cosigned;
};

/* A tree of five, by hand: ((0 1) (2 3)) 4. */
static bool read_node(void *ctx, unsigned level, uint64_t index, struct merkle_hash *ret, struct err *e)
{
	struct bench *b = ctx;
	struct merkle_hash left, right;
	if (level == 0) {
		*ret = b->leaf[index];
		return true;
	}
	if (!read_node(ctx, level - 1, 2 * index, &left, e) || !read_node(ctx, level - 1, 2 * index + 1, &right, e))
		return false;
	merkle_node(&left, &right, ret);
	return true;
}

static int open_bench(void **state)
{
	static struct bench b;
	struct err e = {0};
	struct merkle_hash four, root;
	struct merkle_proof path;
	memset(&b, 0, sizeof(b));
	desk_open(&b.desk);
	for (int i = 0; i < ENTRIES; i++)
		merkle_leaf(entries[i], strlen(entries[i]), &b.leaf[i]);
	CHECK_OK(read_node(&b, 2, 0, &four, &e), e);
	merkle_node(&four, &b.leaf[4], &root);
	CHECK_OK(note_key_open(&b.key, b.desk.log_key, b.desk.passphrase, NAME, &e), e);
	CHECK_OK(note_key_sign(&b.key, ENTRIES, &root, "time 2026-11-22T21:49:25.123Z\nclock synchronised\n", &b.note, &e), e);
	CHECK_OK(merkle_prove_inclusion(AT, ENTRIES, read_node, &b, &path, &e), e);
	CHECK_OK(tlog_receipt_write(AT, &path, entries[AT], strlen(entries[AT]), bytes_text(&b.note), &b.receipt, &e), e);
	snprintf(b.witness_key, sizeof(b.witness_key), "%s/witness.key", b.desk.dir);
	CHECK_OK(cosign_make_key(b.witness_key, b.desk.passphrase, "witness.example", &b.witness_vkey, &e), e);
	CHECK_OK(cosign_note(b.witness_key, b.desk.passphrase, bytes_text(&b.witness_vkey), bytes_text(&b.note), b.note.len, 1679315147,
			     &b.cosigned, &e), e);
	*state = &b;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *b = *state;
	note_key_fini(&b->key);
	bytes_fini(&b->note);
	bytes_fini(&b->receipt);
	bytes_fini(&b->witness_vkey);
	bytes_fini(&b->cosigned);
	desk_close(&b->desk);
	return 0;
}

/* Form and content, as check-receipt does it: with the entry that the receipt carries. */
static bool holds(const struct bench *b, const char *text, size_t len, struct err *e)
{
	AUTO(tlog_receipt) struct tlog_receipt r = {0};
	struct checkpoint head;
	return tlog_receipt_read(text, len, &r, e) && tlog_receipt_check(&r, b->key.vkey, r.extra.data, r.extra.len, &head, e) &&
	       head.size == ENTRIES;
}

static void receipt_has_the_form_of_a_c2sp_tlog_proof(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	AUTO(bytes) struct bytes expected = {0};
	AUTO(tlog_receipt) struct tlog_receipt r = {0};
	CHECK_OK(bytes_printf(&expected, &e, "c2sp.org/tlog-proof@v1\nextra eyJuIjoyfQ==\nindex %d\n", AT), e);
	CHECK_OK(base64_encode(b->leaf[3].h, MERKLE_HASH, &expected, &e), e);
	assert_memory_equal(b->receipt.data, expected.data, expected.len);
	CHECK_OK(tlog_receipt_read(bytes_text(&b->receipt), b->receipt.len, &r, &e), e);
	assert_int_equal(r.index, AT);
	assert_int_equal(r.path.count, 3);
	assert_true(bytes_equal(&r.checkpoint, &b->note));
	assert_memory_equal(r.extra.data, entries[AT], r.extra.len);
}

static void receipt_holds_for_its_entry_and_for_no_other(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	AUTO(tlog_receipt) struct tlog_receipt r = {0};
	struct checkpoint head;
	CHECK_OK(tlog_receipt_read(bytes_text(&b->receipt), b->receipt.len, &r, &e), e);
	for (int i = 0; i < ENTRIES; i++) {
		if (i == AT)
			CHECK_OK(tlog_receipt_check(&r, b->key.vkey, entries[i], strlen(entries[i]), &head, &e), e);
		else
			CHECK_FAILS(tlog_receipt_check(&r, b->key.vkey, entries[i], strlen(entries[i]), &head, &e), E_AUDIT, e);
	}
	CHECK_FAILS(tlog_receipt_check(&r, bytes_text(&b->witness_vkey), entries[AT], strlen(entries[AT]), &head, &e), E_AUDIT, e);
}

static void receipt_with_any_byte_changed_or_cut_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	AUTO(bytes) struct bytes text = {0};
	CHECK_OK(holds(b, bytes_text(&b->receipt), b->receipt.len, &e), e);
	CHECK_OK(bytes_set(&text, b->receipt.data, b->receipt.len, &e), e);
	for (size_t i = 0; i < text.len; i++) {
		CHECK_FAILS(holds(b, bytes_text(&text), i, &e), E_AUDIT, e);
		for (int bit = 0; bit < 8; bit++) {
			text.data[i] ^= (uint8_t)(1 << bit);
			CHECK_FAILS(holds(b, bytes_text(&text), text.len, &e), E_AUDIT, e);
			text.data[i] ^= (uint8_t)(1 << bit);
		}
	}
}

static void growth_is_read_as_it_was_written(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	AUTO(bytes) struct bytes text = {0};
	AUTO(tlog_growth) struct tlog_growth g = {0};
	struct merkle_proof path;
	CHECK_OK(merkle_prove_consistency(3, ENTRIES, read_node, b, &path, &e), e);
	CHECK_OK(tlog_growth_write(3, &path, bytes_text(&b->note), &text, &e), e);
	assert_memory_equal(text.data, "old 3\n", 6);
	CHECK_OK(tlog_growth_read(bytes_text(&text), text.len, &g, &e), e);
	assert_int_equal(g.old, 3);
	assert_int_equal(g.path.count, path.count);
	assert_memory_equal(g.path.hash, path.hash, path.count * sizeof(path.hash[0]));
	assert_true(bytes_equal(&g.checkpoint, &b->note));
}

static void what_is_no_growth_is_refused(void **state)
{
	static const char *const texts[] = {"", "old\n", "old \n\n", "old 03\n\nx\n", "old -1\n\n", "new 3\n\n", "old 3\nAAAA\n\n", "old 3\n",
					    "old 9223372036854775808\n\n"};
	struct err e = {0};
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		AUTO(tlog_growth) struct tlog_growth g = {0};
		CHECK_FAILS(tlog_growth_read(texts[i], strlen(texts[i]), &g, &e), E_AUDIT, e);
	}
}

static void cosignature_has_the_form_of_c2sp_and_its_time(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct checkpoint head;
	uint64_t when = 0;
	assert_memory_equal(b->cosigned.data, b->note.data, b->note.len);
	assert_memory_equal(b->cosigned.data + b->note.len, "\xe2\x80\x94 witness.example ", 20);
	assert_int_equal(b->cosigned.len - b->note.len - 20, 4 * ((4 + 8 + 64 + 2) / 3) + 1);
	CHECK_OK(cosign_is_on(bytes_text(&b->cosigned), b->cosigned.len, bytes_text(&b->witness_vkey), &when, &e), e);
	assert_int_equal(when, 1679315147);
	CHECK_OK(note_open_checkpoint(bytes_text(&b->cosigned), b->cosigned.len, b->key.vkey, &head, &e), e);
}

static void checkpoint_without_the_witness_is_not_cosigned(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	uint64_t when;
	CHECK_FAILS(cosign_is_on(bytes_text(&b->note), b->note.len, bytes_text(&b->witness_vkey), &when, &e), E_AUDIT, e);
	CHECK_FAILS(cosign_is_on(bytes_text(&b->cosigned), b->cosigned.len, b->key.vkey, &when, &e), E_AUDIT, e);
}

static void cosignature_with_any_byte_of_text_time_or_signature_changed_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	uint64_t when;
	size_t logs_line = (size_t)(strstr(bytes_text(&b->note), "\n\n") + 2 - bytes_text(&b->note));
	AUTO(bytes) struct bytes text = {0};
	CHECK_OK(bytes_set(&text, b->cosigned.data, b->cosigned.len, &e), e);
	for (size_t i = 0; i < text.len; i++) {
		if (i == logs_line)
			i = b->note.len;	/* the log's own signature is not the witness's business */
		text.data[i] ^= 1;
		CHECK_FAILS(cosign_is_on(bytes_text(&text), text.len, bytes_text(&b->witness_vkey), &when, &e), E_AUDIT, e);
		text.data[i] ^= 1;
	}
}

static void witness_that_signs_again_replaces_its_line(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	uint64_t when = 0;
	AUTO(bytes) struct bytes again = {0};
	CHECK_OK(cosign_note(b->witness_key, b->desk.passphrase, bytes_text(&b->witness_vkey), bytes_text(&b->cosigned), b->cosigned.len,
			     1679315148, &again, &e), e);
	assert_int_equal(again.len, b->cosigned.len);
	CHECK_OK(cosign_is_on(bytes_text(&again), again.len, bytes_text(&b->witness_vkey), &when, &e), e);
	assert_int_equal(when, 1679315148);
}

static void key_that_is_not_the_witnesss_signs_nothing(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	AUTO(bytes) struct bytes ret = {0};
	CHECK_FAILS(cosign_note(b->desk.log_key, b->desk.passphrase, bytes_text(&b->witness_vkey), bytes_text(&b->note), b->note.len, 1, &ret,
				&e), E_CA_FILE, e);
	CHECK_FAILS(cosign_note(b->witness_key, b->desk.passphrase, b->key.vkey, bytes_text(&b->note), b->note.len, 1, &ret, &e), E_AUDIT, e);
	CHECK_FAILS(cosign_make_key(b->witness_key, b->desk.passphrase, "witness.example", &ret, &e), E_CA_FILE, e);
	assert_int_equal(ret.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(receipt_has_the_form_of_a_c2sp_tlog_proof),
		cmocka_unit_test(receipt_holds_for_its_entry_and_for_no_other),
		cmocka_unit_test(receipt_with_any_byte_changed_or_cut_is_refused),
		cmocka_unit_test(growth_is_read_as_it_was_written),
		cmocka_unit_test(what_is_no_growth_is_refused),
		cmocka_unit_test(cosignature_has_the_form_of_c2sp_and_its_time),
		cmocka_unit_test(checkpoint_without_the_witness_is_not_cosigned),
		cmocka_unit_test(cosignature_with_any_byte_of_text_time_or_signature_changed_is_refused),
		cmocka_unit_test(witness_that_signs_again_replaces_its_line),
		cmocka_unit_test(key_that_is_not_the_witnesss_signs_nothing),
	};
	return cmocka_run_group_tests(tests, open_bench, close_bench);
}
