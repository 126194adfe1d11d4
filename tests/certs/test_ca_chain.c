/* SPDX-License-Identifier: Apache-2.0 */
/* Chains as strangers make them, by OpenSSL's own command: which of them a line CA may have. */
#include "certs/ca_chain.h"
#include "certs/keystore.h"
#include "station/base/clock.h"
#include "tests/certs/check.h"
#include "tests/certs/desk.h"

#include <string.h>

struct bench {
	struct desk desk;
	struct keystore key;
};

static int open_bench(void **state)
{
	static struct bench b;
	struct err e = {0};
	memset(&b, 0, sizeof(b));
	desk_open(&b.desk);
	CHECK_OK(keystore_open_file(b.desk.key, b.desk.passphrase, &b.key, &e), e);
	*state = &b;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *b = *state;
	keystore_close(&b->key);
	desk_close(&b->desk);
	return 0;
}

/* A root of this key kind, and under it a certificate of these extensions for the desk's line key, as chain-NAME.pem. */
struct made {
	const char *name, *root_key, *root_extensions, *extensions, *digest;
	int root_days, days;
};

static void make(struct bench *b, const struct made *m)
{
	char out[4096];
	const char *dir = b->desk.dir, *pass = strchr(b->desk.passphrase, ':') + 1;
	int status = desk_shell(out, sizeof(out),
		"cd %s && openssl req -x509 -newkey %s -nodes -keyout r.key -out r.pem -subj /CN=Root -days %d -addext '%s' -addext "
		"'keyUsage=critical,keyCertSign,cRLSign' 2>&1 && "
		"openssl req -new -key %s -passin file:%s -subj /CN=Line -out l.csr 2>&1 && printf '%s\\nsubjectKeyIdentifier=hash\\n"
		"authorityKeyIdentifier=keyid\\n' > l.ext && openssl x509 -req -in l.csr -CA r.pem -CAkey r.key -CAcreateserial -days %d "
		"-%s -extfile l.ext -out l.pem 2>&1 && cat l.pem r.pem > chain-%s.pem",
		dir, m->root_key, m->root_days, m->root_extensions, b->desk.key, pass, m->extensions, m->days, m->digest, m->name);
	if (status != 0)
		fail_msg("%s", out);
}

#define P256 "ec -pkeyopt ec_paramgen_curve:P-256"
#define CA_TRUE "basicConstraints=critical,CA:TRUE"
#define LINE_CA "basicConstraints=critical,CA:TRUE,pathlen:0\\nkeyUsage=critical,keyCertSign,cRLSign"

static bool judge(struct bench *b, const char *name, int64_t now_ms, bool *ret_lists, struct err *e)
{
	AUTO(ca_chain) struct ca_chain chain = {0};
	char file[64];
	snprintf(file, sizeof(file), "chain-%s.pem", name);
	return ca_chain_read(desk_path(&b->desk, file), &chain, e) && ca_chain_judge(&chain, &b->key.key, now_ms, ret_lists, e);
}

static void a_chain_that_somebody_else_made_well_is_taken(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	bool lists = false;
	make(b, &(struct made){"good", P256, CA_TRUE ",pathlen:1", LINE_CA, "sha256", 4000, 3000});
	CHECK_OK(judge(b, "good", clock_wall_ms(), &lists, &e), e);
	assert_true(lists);
	make(b, &(struct made){"rsa", "rsa:2048", CA_TRUE, "basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,keyCertSign", "sha384", 4000,
			       3000});
	CHECK_OK(judge(b, "rsa", clock_wall_ms(), &lists, &e), e);
	assert_false(lists);
}

static void what_is_no_line_ca_is_refused_and_the_reason_named(void **state)
{
	struct bench *b = *state;
	static const struct {
		struct made made;
		const char *why;
	} bad[] = {
		{{"leaf", P256, CA_TRUE, "basicConstraints=critical,CA:FALSE\\nkeyUsage=critical,digitalSignature", "sha256", 4000, 30}, "no CA"},
		{{"usage", P256, CA_TRUE, "basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,digitalSignature", "sha256", 4000, 30}, "no CA"},
		{{"path", P256, CA_TRUE ",pathlen:0", LINE_CA, "sha256", 4000, 30}, "allows 0 CAs below it"},
		{{"outlives", P256, CA_TRUE, LINE_CA, "sha256", 30, 300}, "later than"},
		{{"sha1", P256, CA_TRUE, LINE_CA, "sha1", 4000, 30}, "SHA-256"},
		{{"sha224", P256, CA_TRUE, LINE_CA, "sha224", 4000, 30}, "SHA-256"},
		{{"p224", "ec -pkeyopt ec_paramgen_curve:P-224", CA_TRUE, LINE_CA, "sha256", 4000, 30}, "too short"},
		{{"short", "rsa:1024", CA_TRUE, LINE_CA, "sha256", 4000, 30}, "too short"},
	};
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct err e = {0};
		bool lists;
		make(b, &bad[i].made);
		assert_false(judge(b, bad[i].made.name, clock_wall_ms(), &lists, &e));
		assert_int_equal(e.code, E_CA_CHAIN);
		if (!strstr(e.what, bad[i].why))
			fail_msg("%s: %s", bad[i].made.name, e.what);
	}
}

static void a_file_of_another_form_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	bool lists;
	char out[256];
	make(b, &(struct made){"good", P256, CA_TRUE, LINE_CA, "sha256", 4000, 300});
	assert_int_equal(desk_shell(out, sizeof(out), "cd %s && cat chain-good.pem r.key > chain-key.pem && cat r.pem l.pem > chain-turned.pem && "
		"cp l.pem chain-alone.pem && cat l.pem root.pem > chain-other.pem && cat line.pem line.pem root.pem > chain-twice.pem && "
		"cat l.pem l.pem l.pem l.pem r.pem > chain-long.pem", b->desk.dir), 0);
	CHECK_FAILS(judge(b, "key", clock_wall_ms(), &lists, &e), E_CA_CHAIN, e);
	CHECK_FAILS(judge(b, "turned", clock_wall_ms(), &lists, &e), E_CA_CHAIN, e);
	CHECK_FAILS(judge(b, "alone", clock_wall_ms(), &lists, &e), E_CA_CHAIN, e);
	CHECK_FAILS(judge(b, "other", clock_wall_ms(), &lists, &e), E_CA_CHAIN, e);
	CHECK_FAILS(judge(b, "twice", clock_wall_ms(), &lists, &e), E_CA_CHAIN, e);
	CHECK_FAILS(judge(b, "long", clock_wall_ms(), &lists, &e), E_CA_FILE, e);
	/* Another time: not yet, and over. */
	CHECK_FAILS(judge(b, "good", clock_wall_ms() - 86400000, &lists, &e), E_CA_CHAIN, e);
	CHECK_FAILS(judge(b, "good", clock_wall_ms() + (int64_t)301 * 86400000, &lists, &e), E_CA_CHAIN, e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_chain_that_somebody_else_made_well_is_taken, open_bench, close_bench),
		cmocka_unit_test_setup_teardown(what_is_no_line_ca_is_refused_and_the_reason_named, open_bench, close_bench),
		cmocka_unit_test_setup_teardown(a_file_of_another_form_is_refused, open_bench, close_bench),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
