/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/note.h"
#include "certs/note_key.h"
#include "certs/pem.h"
#include "station/base/text.h"
#include "tests/certs/check.h"
#include "tests/certs/desk.h"

#include <string.h>

#define NAME "line-1.example/station"

struct bench {
	struct desk desk;
	struct note_key key;
	struct merkle_hash root;
	struct bytes note;
};

static int open_bench(void **state)
{
	static struct bench b;
	struct err e = {0};
	memset(&b, 0, sizeof(b));
	desk_open(&b.desk);
	CHECK_OK(note_key_open(&b.key, b.desk.log_key, b.desk.passphrase, NAME, &e), e);
	for (size_t i = 0; i < sizeof(b.root.h); i++)
		b.root.h[i] = (uint8_t)(i * 7);
	CHECK_OK(note_key_sign(&b.key, 1234567, &b.root, "time 2026-11-22T21:49:25.123Z\n", &b.note, &e), e);
	*state = &b;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *b = *state;
	note_key_fini(&b->key);
	bytes_fini(&b->note);
	desk_close(&b->desk);
	return 0;
}

static void note_has_the_form_of_a_c2sp_checkpoint(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	AUTO(bytes) struct bytes expected = {0};
	CHECK_OK(bytes_add_text(&expected, NAME "\n1234567\n", &e), e);
	CHECK_OK(base64_encode(b->root.h, sizeof(b->root.h), &expected, &e), e);
	CHECK_OK(bytes_add_text(&expected, "\ntime 2026-11-22T21:49:25.123Z\n\n\xe2\x80\x94 " NAME " ", &e), e);
	assert_true(b->note.len > expected.len);
	assert_memory_equal(b->note.data, expected.data, expected.len);
	assert_int_equal(b->note.data[b->note.len - 1], '\n');
	assert_int_equal(b->note.len - expected.len, 4 * ((4 + 64 + 2) / 3) + 1);
}

static void note_opens_with_its_key_and_with_no_other(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct checkpoint c;
	AUTO(note_key) struct note_key other = {0};
	CHECK_OK(note_open_checkpoint(bytes_text(&b->note), b->note.len, b->key.vkey, &c, &e), e);
	assert_string_equal(c.origin, NAME);
	assert_int_equal(c.size, 1234567);
	assert_memory_equal(&c.root, &b->root, sizeof(c.root));
	CHECK_OK(note_key_make(&other, NAME, &e), e);
	CHECK_FAILS(note_open_checkpoint(bytes_text(&b->note), b->note.len, other.vkey, &c, &e), E_AUDIT, e);
	CHECK_OK(note_read_checkpoint(bytes_text(&b->note), b->note.len, &c, &e), e);
}

static void signature_is_accepted_by_openssls_command(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	char out[1024];
	const char *text = bytes_text(&b->note), *dash = strstr(text, "\n\n");
	AUTO(bytes) struct bytes signature = {0};
	const char *base64 = strrchr(text, ' ') + 1;
	CHECK_OK(base64_decode(base64, strlen(base64) - 1, &signature, &e), e);
	CHECK_OK(pem_write_new(desk_path(&b->desk, "text"), text, (size_t)(dash - text) + 1, 0600, &e), e);
	CHECK_OK(pem_write_new(desk_path(&b->desk, "sig"), signature.data + 4, signature.len - 4, 0600, &e), e);
	assert_int_equal(desk_shell(out, sizeof(out), "cd %s && openssl pkey -in log.key -passin %s -pubout -out log.pub && openssl pkeyutl "
		"-verify -pubin -inkey log.pub -rawin -in text -sigfile sig 2>&1", b->desk.dir, b->desk.passphrase), 0);
	assert_non_null(strstr(out, "Verified Successfully"));
}

static void key_hash_follows_the_published_rule(void **state)
{
	/* the verifier key of Go's public checksum log: its hash must come out of its name and key */
	static const char vkey[] = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
	struct err e = {0};
	AUTO(bytes) struct bytes raw = {0};
	uint8_t id[NOTE_ID_SIZE];
	char hex[2 * NOTE_ID_SIZE + 1];
	CHECK_OK(base64_decode(vkey + 24, strlen(vkey + 24), &raw, &e), e);
	assert_int_equal(raw.len, 33);
	note_key_id("sum.golang.org", raw.data + 1, id);
	hex_encode(id, sizeof(id), hex);
	assert_string_equal(hex, "033de0ae");
}

static bool opens(struct bench *b, const char *note, size_t len, struct err *e)
{
	struct checkpoint c;
	return note_open_checkpoint(note, len, b->key.vkey, &c, e);
}

static void note_with_any_byte_changed_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	AUTO(bytes) struct bytes bad = {0};
	for (size_t i = 0; i < b->note.len; i++)
		for (int bit = 0; bit < 8; bit++) {
			CHECK_OK(bytes_set(&bad, b->note.data, b->note.len, &e), e);
			bad.data[i] ^= (uint8_t)(1 << bit);
			CHECK_FAILS(opens(b, bytes_text(&bad), bad.len, &e), E_AUDIT, e);
		}
}

static void note_cut_at_any_length_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	for (size_t len = 0; len < b->note.len; len++) {
		char *exact = malloc(len ? len : 1);	/* so that reading beyond is seen */
		memcpy(exact, b->note.data, len);
		CHECK_FAILS(opens(b, exact, len, &e), E_AUDIT, e);
		free(exact);
	}
}

static void witness_beside_our_signature_is_left_alone(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct checkpoint c;
	AUTO(bytes) struct bytes both = {0};
	CHECK_OK(bytes_set(&both, b->note.data, b->note.len, &e), e);
	CHECK_OK(bytes_add_text(&both, "\xe2\x80\x94 witness.example AAAAAAECAwQ=\n", &e), e);
	CHECK_OK(note_open_checkpoint(bytes_text(&both), both.len, b->key.vkey, &c, &e), e);
	CHECK_OK(bytes_add_text(&both, "not a signature\n", &e), e);
	CHECK_FAILS(note_open_checkpoint(bytes_text(&both), both.len, b->key.vkey, &c, &e), E_AUDIT, e);
}

static void malformed_checkpoint_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "\n", "\n\n", "a\n1\n\n", "a\n1\nAAAA\n\n\xe2\x80\x94 a AAAA\n",
		"\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nx\n",
		"a\n01\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nx\n",
		"a\n-1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nx\n",
		"a\n9999999999999999999\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nx\n",
		"a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\nx\n\n",
		"a\r\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\nx\n",
		"a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n\nx\n",
	};
	struct err e = {0};
	struct checkpoint c;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		CHECK_FAILS(note_read_checkpoint(bad[i], strlen(bad[i]), &c, &e), E_AUDIT, e);
	const char *good = "a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nmore\n\nx\n";
	CHECK_OK(note_read_checkpoint(good, strlen(good), &c, &e), e);
	assert_int_equal(c.size, 1);
}

static void malformed_verifier_key_is_refused(void **state)
{
	struct bench *b = *state;
	static const char *const bad[] = {"", "a", "a+b", "+033de0ae+AAAA", "a+033de0ae+", "a+033de0ae+AAAA", "a+zzzzzzzz+AAAA",
		"sum.golang.org+033de0af+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
		"sum.golang.org+033de0ae+Bc4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"};
	struct err e = {0};
	struct checkpoint c;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		CHECK_FAILS(note_open_checkpoint(bytes_text(&b->note), b->note.len, bad[i], &c, &e), E_AUDIT, e);
}

/* A key that signs for two logs must not let one pass as the other. */
static void checkpoint_of_another_origin_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct checkpoint c;
	AUTO(bytes) struct bytes note = {0};
	struct note_key renamed = b->key;
	strcpy(renamed.name, "line-2.example/station");
	CHECK_OK(note_key_sign(&renamed, 1, &b->root, "", &note, &e), e);
	CHECK_FAILS(note_open_checkpoint(bytes_text(&note), note.len, b->key.vkey, &c, &e), E_AUDIT, e);
}

static void name_that_breaks_the_format_is_refused(void **state)
{
	struct err e = {0};
	struct note_key key;
	char lengthy[NOTE_NAME_MAX + 2];
	memset(lengthy, 'a', sizeof(lengthy) - 1);
	lengthy[sizeof(lengthy) - 1] = '\0';
	CHECK_FAILS(note_key_make(&key, "", &e), E_CA_FILE, e);
	CHECK_FAILS(note_key_make(&key, "a b", &e), E_CA_FILE, e);
	CHECK_FAILS(note_key_make(&key, "a+b", &e), E_CA_FILE, e);
	CHECK_FAILS(note_key_make(&key, "a\nb", &e), E_CA_FILE, e);
	CHECK_FAILS(note_key_make(&key, lengthy, &e), E_CA_FILE, e);
	lengthy[NOTE_NAME_MAX] = '\0';
	CHECK_OK(note_key_make(&key, lengthy, &e), e);
	note_key_fini(&key);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(note_has_the_form_of_a_c2sp_checkpoint),
		T(note_opens_with_its_key_and_with_no_other),
		T(signature_is_accepted_by_openssls_command),
		cmocka_unit_test(key_hash_follows_the_published_rule),
		T(note_with_any_byte_changed_is_refused),
		T(note_cut_at_any_length_is_refused),
		T(witness_beside_our_signature_is_left_alone),
		cmocka_unit_test(malformed_checkpoint_is_refused),
		T(malformed_verifier_key_is_refused),
		T(checkpoint_of_another_origin_is_refused),
		cmocka_unit_test(name_that_breaks_the_format_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
