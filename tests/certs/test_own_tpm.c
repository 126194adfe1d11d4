/* SPDX-License-Identifier: Apache-2.0 */
/* The station's own TPM, as a swtpm of its own for each test. What others do to it, they do with tpm2-tools, in between: a swtpm
 * serves one connection at a time. */
#include "certs/own_tpm.h"
#include "certs/ossl.h"
#include "certs/warm.h"
#include "station/base/clock.h"
#include "station/base/lockdown.h"
#include "tests/certs/check.h"
#include "tests/certs/desk.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <openssl/rsa.h>

#define KEY "tpm:handle=0x81010010"
#define LIMIT ";limit=0x01800020"
#define ANCHOR "tpm:nv=0x01800010"
#define START_MS 10000
#define VALUE "a value of the station"
#define OWNER "a value of the brand owner"

struct chip {
	char dir[64], tcti[96], value[96], owner[96], wrong[96], brief[96];
	pid_t pid;
	struct own_tpm *tpm;
};

/* ---- the TPM, and who else uses it ---- */

static bool answers(const struct chip *c)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/sock", c->dir);
	AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0;
}

static void power_on(struct chip *c)
{
	char state[96], server[112], control[112];
	snprintf(state, sizeof(state), "dir=%s/state", c->dir);
	snprintf(server, sizeof(server), "type=unixio,path=%s/sock", c->dir);
	snprintf(control, sizeof(control), "type=unixio,path=%s/sock.ctrl", c->dir);
	desk_shell(NULL, 0, "rm -f %s/sock %s/sock.ctrl", c->dir, c->dir);
	const char *const argv[] = {"swtpm", "socket", "--tpm2", "--tpmstate", state, "--server", server, "--ctrl", control,
				    "--flags", "not-need-init,startup-clear", NULL};
	assert_int_equal(posix_spawnp(&c->pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ), 0);
	for (int64_t until_ms = clock_steady_ms() + START_MS; !answers(c); clock_sleep_ms(5))
		assert_true(clock_steady_ms() < until_ms);
}

/* As a power cut: nothing is shut down in order. */
static void power_off(struct chip *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	c->pid = 0;
}

static void connect_tpm(struct chip *c)
{
	struct err e = {0};
	own_tpm_close(c->tpm);
	c->tpm = NULL;
	CHECK_OK(own_tpm_open(c->tcti, &c->tpm, &e), e);
}

static void power_cut(struct chip *c)
{
	power_off(c);
	power_on(c);
	connect_tpm(c);
}

/* Commands of tpm2-tools, one after another; the station's connection is away meanwhile. Gives their exit status. */
static int tools(struct chip *c, const char *commands)
{
	own_tpm_close(c->tpm);
	c->tpm = NULL;
	int status = desk_shell(NULL, 0, "cd %s && set -e; export TSS2_LOG=all+none TPM2TOOLS_TCTI=%s; (%s) >tools.log 2>&1", c->dir,
				c->tcti, commands);
	connect_tpm(c);
	return status;
}

static void tools_do(struct chip *c, const char *commands)
{
	char log[2048];
	if (tools(c, commands) == 0)
		return;
	desk_shell(log, sizeof(log), "tail -5 %s/tools.log", c->dir);
	fail_msg("%s", log);
}

/* The TPM refuses, in these words (a regular expression): it was no slip of the command. */
static void tools_are_refused(struct chip *c, const char *commands, const char *words)
{
	char log[2048];
	assert_int_not_equal(tools(c, commands), 0);
	desk_shell(log, sizeof(log), "tail -5 %s/tools.log", c->dir);
	if (desk_shell(NULL, 0, "grep -Eq '%s' %s/tools.log", words, c->dir) != 0)
		fail_msg("%s: %s", commands, log);
}

static void secret(struct chip *c, const char *name, const char *value, char ref[static 96])
{
	snprintf(ref, 96, "file:%s/%s", c->dir, name);
	int fd = open(ref + strlen("file:"), O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_int_equal(write(fd, value, strlen(value)), strlen(value));
	close(fd);
}

static int chip_open(void **state)
{
	static struct chip c;
	memset(&c, 0, sizeof(c));
	setenv("TSS2_LOG", "all+none", 1);
	snprintf(c.dir, sizeof(c.dir), "/tmp/own_tpm.XXXXXX");
	assert_non_null(mkdtemp(c.dir));
	snprintf(c.tcti, sizeof(c.tcti), "swtpm:path=%s/sock", c.dir);
	assert_int_equal(desk_shell(NULL, 0, "mkdir %s/state", c.dir), 0);
	secret(&c, "value", VALUE, c.value);
	secret(&c, "owner", OWNER, c.owner);
	secret(&c, "wrong", "a value of somebody else", c.wrong);
	secret(&c, "brief", "1234", c.brief);
	power_on(&c);
	assert_int_equal(tools(&c, "tpm2_changeauth -c owner '" OWNER "'"), 0);
	*state = &c;
	return 0;
}

static int chip_close(void **state)
{
	struct chip *c = *state;
	own_tpm_close(c->tpm);
	power_off(c);
	desk_shell(NULL, 0, "rm -rf %s", c->dir);
	return 0;
}

/* ---- what tests do ---- */

static void make_key(struct chip *c, const char *uri, uint32_t limit, bool rsa)
{
	const struct own_tpm_make make = {uri, c->value, c->owner, limit, rsa};
	struct err e = {0};
	CHECK_OK(own_tpm_make_key(c->tpm, &make, &e), e);
}

static bool sign_with(struct chip *c, const char *uri, const char *value, struct err *e)
{
	static const uint8_t digest[SHA256_SIZE] = {1, 2, 3};
	struct keystore k = {0};
	struct keystore_signature s;
	struct err ignored = {0};
	if (!keystore_open_tpm(c->tpm, uri, value, &k, e))
		return false;
	bool ok = keystore_sign(&k, digest, &s, e);
	EVP_PKEY *pkey = NULL;
	CHECK_OK(ossl_pkey(&k.key, &pkey, &ignored), ignored);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	assert_true(EVP_PKEY_verify_init(ctx) > 0 && EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) > 0);
	if (k.key.kind == KEY_RSA)
		assert_true(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) > 0);
	if (ok)
		assert_int_equal(EVP_PKEY_verify(ctx, s.data, s.len, digest, sizeof(digest)), 1);
	EVP_PKEY_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	keystore_close(&k);
	return ok;
}

static uint32_t left(struct chip *c, const char *uri)
{
	uint32_t n;
	struct err e = {0};
	CHECK_OK(own_tpm_limit_left(c->tpm, uri, &n, &e), e);
	return n;
}

static uint64_t counter(struct chip *c, bool advance)
{
	struct anchor a;
	struct err e = {0};
	uint64_t n;
	CHECK_OK(anchor_open_tpm(c->tpm, ANCHOR, c->value, &a, &e), e);
	if (advance)
		CHECK_OK(a.ops->advance(a.state, &n, &e), e);
	else
		CHECK_OK(a.ops->read(a.state, &n, &e), e);
	a.ops->close(a.state);
	return n;
}

static void make_anchor(struct chip *c)
{
	const struct own_tpm_make make = {ANCHOR, c->value, c->owner, 0, false};
	struct err e = {0};
	CHECK_OK(own_tpm_make_anchor(c->tpm, &make, &e), e);
}

/* ---- the key ---- */

static void key_signs_as_certificates_carry_it_and_survives_power_cuts(void **state)
{
	struct chip *c = *state;
	struct err e = {0};
	make_key(c, KEY, 0, false);
	make_key(c, "tpm:handle=0x81010011", 0, true);
	for (int i = 0; i < 3; i++, power_cut(c)) {
		CHECK_OK(sign_with(c, KEY, c->value, &e), e);
		CHECK_OK(sign_with(c, "tpm:handle=0x81010011", c->value, &e), e);
	}
	CHECK_FAILS(sign_with(c, KEY, c->wrong, &e), E_TOKEN_PIN, e);
	CHECK_FAILS(sign_with(c, KEY, "", &e), E_TOKEN_PIN, e);
	CHECK_OK(sign_with(c, KEY, c->value, &e), e);
}

static void what_is_not_there_taken_or_not_wanted_is_refused(void **state)
{
	struct chip *c = *state;
	struct err e = {0};
	struct own_tpm_make make = {KEY, c->value, c->wrong, 0, false};
	CHECK_FAILS(sign_with(c, KEY, c->value, &e), E_CA_FILE, e);
	CHECK_FAILS(own_tpm_make_key(c->tpm, &make, &e), E_TOKEN_PIN, e);
	make.owner = c->owner;
	make.auth = c->brief;
	CHECK_FAILS(own_tpm_make_key(c->tpm, &make, &e), E_SECRET, e);
	make.auth = c->value;
	CHECK_OK(own_tpm_make_key(c->tpm, &make, &e), e);
	CHECK_FAILS(own_tpm_make_key(c->tpm, &make, &e), E_CA_FILE, e);
	CHECK_FAILS(sign_with(c, KEY ";pcrs=7", c->value, &e), E_CA_FILE, e);
	tools_do(c, "tpm2_createprimary -C o -P '" OWNER "' -G ecc -c p.ctx; tpm2_flushcontext -t;"
			       "openssl ecparam -name prime256v1 -genkey -noout -out own.pem;"
			       "tpm2_import -C p.ctx -G ecc -i own.pem -u i.pub -r i.priv -p '" VALUE "'; tpm2_flushcontext -t;"
			       "tpm2_load -C p.ctx -u i.pub -r i.priv -c i.ctx; tpm2_evictcontrol -C o -P '" OWNER "' -c i.ctx 0x81010012");
	CHECK_FAILS(sign_with(c, "tpm:handle=0x81010012", c->value, &e), E_CA_FILE, e);	/* it was outside */
}

static void broken_pcr_is_refused_and_uses_nothing_up(void **state)
{
	struct chip *c = *state;
	struct err e = {0};
	static const uint8_t digest[SHA256_SIZE] = {9};
	struct keystore k;
	struct keystore_signature s;
	const char *uri = KEY ";pcrs=7,16" LIMIT;
	make_key(c, uri, 5, false);
	CHECK_OK(sign_with(c, uri, c->value, &e), e);
	assert_int_equal(left(c, uri), 4);
	tools_do(c, "tpm2_pcrextend 8:sha256=$(printf '%064d' 1)");	/* another PCR does not matter */
	CHECK_OK(sign_with(c, uri, c->value, &e), e);
	tools_do(c, "tpm2_pcrextend 16:sha256=$(printf '%064d' 1)");
	CHECK_FAILS(sign_with(c, uri, c->value, &e), E_CA_FILE, e);
	tools_do(c, "tpm2_pcrreset 16");
	CHECK_OK(keystore_open_tpm(c->tpm, uri, c->value, &k, &e), e);
	CHECK_OK(k.ops->warm(k.state, &e), e);
	CHECK_OK(keystore_sign(&k, digest, &s, &e), e);
	keystore_close(&k);
	assert_int_equal(left(c, uri), 2);
}

/* ---- the limit ---- */

static void tpm_itself_stops_at_the_limit_until_the_owner_raises_it(void **state)
{
	struct chip *c = *state;
	struct err e = {0};
	const char *uri = KEY LIMIT;
	struct own_tpm_make raise = {uri, "", c->wrong, 2, false};
	make_key(c, uri, 3, false);
	CHECK_OK(sign_with(c, uri, c->value, &e), e);
	CHECK_FAILS(sign_with(c, uri, c->wrong, &e), E_TOKEN_PIN, e);
	assert_int_equal(left(c, uri), 2);
	CHECK_OK(sign_with(c, uri, c->value, &e), e);
	power_cut(c);
	CHECK_OK(sign_with(c, uri, c->value, &e), e);
	CHECK_FAILS(sign_with(c, uri, c->value, &e), E_KEY_SPENT, e);
	power_cut(c);
	CHECK_FAILS(sign_with(c, uri, c->value, &e), E_KEY_SPENT, e);
	assert_int_equal(left(c, uri), 0);
	CHECK_FAILS(own_tpm_set_limit(c->tpm, &raise, &e), E_TOKEN_PIN, e);
	raise.owner = c->owner;
	CHECK_OK(own_tpm_set_limit(c->tpm, &raise, &e), e);
	assert_int_equal(left(c, uri), 2);
	CHECK_OK(sign_with(c, uri, c->value, &e), e);
	assert_int_equal(left(c, uri), 1);
}

static void limit_cannot_be_moved_by_who_has_its_value(void **state)
{
	struct chip *c = *state;
	struct err e = {0};
	make_key(c, KEY LIMIT, 2, false);
	CHECK_OK(sign_with(c, KEY LIMIT, c->value, &e), e);
	/* TPM_RC_AUTH_UNAVAILABLE: there is no such way; TPM_RC_BAD_AUTH: it is the owner's */
	tools_are_refused(c, "head -c 8 /dev/zero | tpm2_nvwrite 0x01800020 -C 0x01800020 -P '" VALUE "' -i -", "0x12F");
	tools_are_refused(c, "head -c 8 /dev/zero | tpm2_nvwrite 0x01800020 -C o -i -", "0x9A2");
	tools_are_refused(c, "tpm2_nvundefine 0x01800020 -C o", "0x9A2");
	tools_are_refused(c, "tpm2_evictcontrol -C o -c 0x81010010", "0x9A2");
	tools_are_refused(c, "echo >text; tpm2_sign -c 0x81010010 -g sha256 -o s text", "0x12F");
	tools_are_refused(c, "tpm2_sign -c 0x81010010 -p '" VALUE "' -g sha256 -o s text", "0x12F");
	tools_are_refused(c, "tpm2_startauthsession --policy-session -S s.ctx; tpm2_policycommandcode -S s.ctx TPM2_CC_NV_Read;"
			  "head -c 8 /dev/zero | tpm2_nvwrite 0x01800020 -C 0x01800020 -P session:s.ctx -i -", "0x12F");
	assert_int_equal(left(c, KEY LIMIT), 1);
	/* what signs past the station draws on the same number */
	tools_do(c, "tpm2_startauthsession --policy-session -S s.ctx; tpm2_policysecret -S s.ctx -c 0x01800020 '" VALUE "';"
		 "tpm2_sign -c 0x81010010 -p session:s.ctx -g sha256 -o s text");
	CHECK_FAILS(sign_with(c, KEY LIMIT, c->value, &e), E_KEY_SPENT, e);
}

static void limit_without_an_owner_is_none(void **state)
{
	struct chip *c = *state;
	struct err e = {0};
	const struct own_tpm_make make = {KEY LIMIT, c->value, "", 2, false};
	make_key(c, KEY LIMIT, 2, false);
	tools_do(c, "tpm2_changeauth -c owner -p '" OWNER "'");
	CHECK_FAILS(sign_with(c, KEY LIMIT, c->value, &e), E_CA_FILE, e);
	tools_do(c, "tpm2_evictcontrol -C o -c 0x81010010; tpm2_nvundefine 0x01800020 -C o");
	CHECK_FAILS(own_tpm_make_key(c->tpm, &make, &e), E_CA_FILE, e);
}

/* ---- the anchor ---- */

static void counter_only_grows_over_power_cuts_and_over_being_made_anew(void **state)
{
	struct chip *c = *state;
	make_anchor(c);
	uint64_t first = counter(c, false);
	assert_int_equal(counter(c, true), first + 1);
	power_cut(c);
	assert_int_equal(counter(c, true), first + 2);
	tools_do(c, "tpm2_nvundefine 0x01800010 -C o -P '" OWNER "'");
	make_anchor(c);
	assert_true(counter(c, false) > first + 2);
	tools_do(c, "tpm2_clear");	/* by the lockout's empty value; takes the owner's value, and all that is the owner's */
	struct anchor a;
	struct err e = {0};
	CHECK_FAILS(anchor_open_tpm(c->tpm, ANCHOR, c->value, &a, &e), E_ANCHOR, e);
	const struct own_tpm_make make = {ANCHOR, c->value, "", 0, false};
	CHECK_OK(own_tpm_make_anchor(c->tpm, &make, &e), e);
	assert_true(counter(c, false) > first + 3);
}

static void index_that_is_no_strict_counter_is_no_anchor(void **state)
{
	struct chip *c = *state;
	struct anchor a;
	struct err e = {0};
	static const char *const forms[] = {
		"-s 8 -a 'authread|authwrite|ownerread|no_da'",	/* ordinary: can be written */
		"-a 'nt=counter|authread|authwrite|ownerread|no_da|orderly'",
		"-a 'nt=counter|authread|authwrite|ownerread|ownerwrite|no_da'",
		"-a 'nt=counter|authread|authwrite|ownerread'",	/* under the lockout */
	};
	CHECK_FAILS(anchor_open_tpm(c->tpm, ANCHOR, c->value, &a, &e), E_ANCHOR, e);
	for (size_t i = 0; i < COUNT_OF(forms); i++) {
		char commands[512];
		snprintf(commands, sizeof(commands), "tpm2_nvdefine 0x01800010 -C o -P '" OWNER "' -p '" VALUE "' %s;"
			 "tpm2_nvincrement 0x01800010 -C 0x01800010 -P '" VALUE "' || head -c 8 /dev/zero |"
			 "tpm2_nvwrite 0x01800010 -C 0x01800010 -P '" VALUE "' -i -", forms[i]);
		tools_do(c, commands);
		CHECK_FAILS(anchor_open_tpm(c->tpm, ANCHOR, c->value, &a, &e), E_ANCHOR, e);
		tools_do(c, "tpm2_nvundefine 0x01800010 -C o -P '" OWNER "'");
	}
	make_anchor(c);
	CHECK_FAILS(anchor_open_tpm(c->tpm, ANCHOR, c->wrong, &a, &e), E_TOKEN_PIN, e);
}

/* ---- with tpm2-tools ---- */

/* The commands of docs/custody.md. */
static void what_tpm2_tools_make_by_the_book_is_taken(void **state)
{
	struct chip *c = *state;
	struct err e = {0};
	tools_do(c,
		"tpm2_startauthsession -S t.ctx; tpm2_policycommandcode -S t.ctx -L read.pol TPM2_CC_NV_Read; tpm2_flushcontext t.ctx;"
		"tpm2_nvdefine 0x01800020 -C o -P file:owner -p file:value -s 8 -L read.pol"
		" -a 'nt=pinpass|ownerwrite|ownerread|policyread|no_da';"
		"printf '\\0\\0\\0\\0\\0\\0\\0\\1' | tpm2_nvwrite 0x01800020 -C o -P file:owner -i -;"
		"tpm2_startauthsession -S t.ctx; tpm2_policysecret -S t.ctx -c 0x01800020 -L key.pol file:value; tpm2_flushcontext t.ctx;"
		"printf '\\0\\0\\0\\0\\0\\0\\0\\2' | tpm2_nvwrite 0x01800020 -C o -P file:owner -i -;"
		"tpm2_createprimary -C o -P file:owner -G ecc -c p.ctx; tpm2_flushcontext -t;"
		"tpm2_create -C p.ctx -G ecc:ecdsa-sha256 -L key.pol -u k.pub -r k.priv"
		" -a 'fixedtpm|fixedparent|sensitivedataorigin|adminwithpolicy|sign|noda'; tpm2_flushcontext -t;"
		"tpm2_load -C p.ctx -u k.pub -r k.priv -c k.ctx; tpm2_evictcontrol -C o -P file:owner -c k.ctx 0x81010010");
	tools_do(c, "tpm2_createprimary -C o -P file:owner -G ecc -c p.ctx; tpm2_flushcontext -t;"
		"tpm2_create -C p.ctx -G rsa2048:rsassa-sha256 -p file:value -u r.pub -r r.priv"
		" -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign|noda'; tpm2_flushcontext -t;"
		"tpm2_load -C p.ctx -u r.pub -r r.priv -c r.ctx; tpm2_evictcontrol -C o -P file:owner -c r.ctx 0x81010011");
	tools_do(c, "tpm2_nvdefine 0x01800010 -C o -P file:owner -p file:value -a 'nt=counter|authread|authwrite|ownerread|no_da';"
		"tpm2_nvincrement 0x01800010 -C 0x01800010 -P file:value");
	CHECK_OK(sign_with(c, "tpm:handle=0x81010011", c->value, &e), e);
	CHECK_OK(sign_with(c, KEY LIMIT, c->value, &e), e);
	assert_int_equal(left(c, KEY LIMIT), 1);
	CHECK_OK(sign_with(c, KEY LIMIT, c->value, &e), e);
	CHECK_FAILS(sign_with(c, KEY LIMIT, c->value, &e), E_KEY_SPENT, e);
	uint64_t first = counter(c, false);
	assert_int_equal(counter(c, true), first + 1);
}

/* ---- the connection ---- */

static void reset_tpm_is_gone_and_the_next_connection_works(void **state)
{
	struct chip *c = *state;
	static const uint8_t digest[SHA256_SIZE] = {4};
	struct err e = {0};
	struct keystore k;
	struct anchor a;
	struct keystore_signature s;
	uint64_t n;
	make_key(c, KEY, 0, false);
	make_anchor(c);
	CHECK_OK(keystore_open_tpm(c->tpm, KEY, c->value, &k, &e), e);
	CHECK_OK(anchor_open_tpm(c->tpm, ANCHOR, c->value, &a, &e), e);
	CHECK_OK(keystore_sign(&k, digest, &s, &e), e);
	power_off(c);
	CHECK_FAILS(keystore_sign(&k, digest, &s, &e), E_TOKEN_GONE, e);
	power_on(c);
	CHECK_FAILS(a.ops->advance(a.state, &n, &e), E_TOKEN_GONE, e);
	keystore_close(&k);
	a.ops->close(a.state);
	connect_tpm(c);
	CHECK_OK(sign_with(c, KEY, c->value, &e), e);
}

static void what_killed_signers_left_loaded_is_flushed(void **state)
{
	struct chip *c = *state;
	struct err e = {0};
	make_key(c, KEY, 0, false);
	for (int i = 0; i < 5; i++)	/* three fit */
		tools_do(c, "tpm2_startauthsession -S left.ctx; tpm2_createprimary -C o -P '" OWNER "' -G ecc -c left.ctx");
	CHECK_OK(sign_with(c, KEY, c->value, &e), e);
}

static void tpm_that_never_answers_is_gone(void **state)
{
	struct chip *c = *state;
	struct own_tpm *t = NULL;
	struct err e = {0};
	kill(c->pid, SIGSTOP);
	CHECK_FAILS(own_tpm_open(c->tcti, &t, &e), E_TOKEN_GONE, e);
	kill(c->pid, SIGCONT);
	assert_null(t);
}

static void it_all_works_locked_in(void **state)
{
	struct chip *c = *state;
	int status;
	make_key(c, KEY ";pcrs=7" LIMIT, 3, false);
	make_anchor(c);
	pid_t pid = fork();
	if (!pid) {
		static const uint8_t digest[SHA256_SIZE] = {4};
		struct keystore k;
		struct anchor a;
		struct keystore_signature s;
		uint64_t first, n;
		struct err e = {0};
		certs_warm();
		lockdown_warm();
		bool ok = keystore_open_tpm(c->tpm, KEY ";pcrs=7" LIMIT, c->value, &k, &e) &&
			  anchor_open_tpm(c->tpm, ANCHOR, c->value, &a, &e) && a.ops->read(a.state, &first, &e) &&
			  k.ops->warm(k.state, &e) && lockdown(&e);
		ok = ok && a.ops->advance(a.state, &n, &e) && n == first + 1;
		for (int i = 0; i < 3; i++)
			ok = ok && keystore_sign(&k, digest, &s, &e);
		ok = ok && !keystore_sign(&k, digest, &s, &e) && e.code == E_KEY_SPENT;
		_exit(ok ? 0 : 1 + (int)e.code % 100);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	connect_tpm(c);
	assert_int_equal(left(c, KEY ";pcrs=7" LIMIT), 0);
}

/* The TPM's own state comes back with a virtual machine that is restored whole: an emulated TPM does not withstand that. */
static void copied_state_of_an_emulated_tpm_counts_again(void **state)
{
	struct chip *c = *state;
	struct err e = {0};
	make_key(c, KEY LIMIT, 1, false);
	make_anchor(c);
	power_off(c);
	assert_int_equal(desk_shell(NULL, 0, "cp -a %s/state %s/kept", c->dir, c->dir), 0);
	power_on(c);
	connect_tpm(c);
	uint64_t first = counter(c, true);
	CHECK_OK(sign_with(c, KEY LIMIT, c->value, &e), e);
	CHECK_FAILS(sign_with(c, KEY LIMIT, c->value, &e), E_KEY_SPENT, e);
	power_off(c);
	assert_int_equal(desk_shell(NULL, 0, "rm -rf %s/state && mv %s/kept %s/state", c->dir, c->dir, c->dir), 0);
	power_on(c);
	connect_tpm(c);
	assert_int_equal(counter(c, true), first);
	CHECK_OK(sign_with(c, KEY LIMIT, c->value, &e), e);
}

static void uri_is_whole_or_none(void **state)
{
	static const char *const bad[] = {
		"tpm:", "tpm:handle=0x81010010;", "tpm:handle=81010010", "tpm:handle=0x80000001", "tpm:handle=0x81010010;pcrs=",
		"tpm:handle=0x81010010;pcrs=24", "tpm:handle=0x81010010;pcrs=7,7", "tpm:handle=0x81010010;pcrs=7,", "tpm:pcrs=7",
		"tpm:handle=0x81010010;limit=0x01c00002", "tpm:handle=0x81010010;nv=0x01800010", "tpm:nv=0x01800010;pcrs=7",
		"tpm:nv=0x0180001g", "tpm:handle=0x81010010;handle=0x81010010", "pkcs11:token=x", "tpm:handle=0x81010010;colour=1",
	};
	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++)
		if (own_tpm_is_key_uri(bad[i]) || own_tpm_is_anchor_uri(bad[i]))
			fail_msg("%s", bad[i]);
	assert_true(own_tpm_is_key_uri(KEY) && own_tpm_is_key_uri(KEY ";pcrs=0,2,7,23" LIMIT) && !own_tpm_is_anchor_uri(KEY));
	assert_true(own_tpm_is_anchor_uri(ANCHOR) && !own_tpm_is_key_uri(ANCHOR));
}

#define WITH_CHIP(test) cmocka_unit_test_setup_teardown(test, chip_open, chip_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uri_is_whole_or_none),
		WITH_CHIP(key_signs_as_certificates_carry_it_and_survives_power_cuts),
		WITH_CHIP(what_is_not_there_taken_or_not_wanted_is_refused),
		WITH_CHIP(broken_pcr_is_refused_and_uses_nothing_up),
		WITH_CHIP(tpm_itself_stops_at_the_limit_until_the_owner_raises_it),
		WITH_CHIP(limit_cannot_be_moved_by_who_has_its_value),
		WITH_CHIP(limit_without_an_owner_is_none),
		WITH_CHIP(counter_only_grows_over_power_cuts_and_over_being_made_anew),
		WITH_CHIP(index_that_is_no_strict_counter_is_no_anchor),
		WITH_CHIP(what_tpm2_tools_make_by_the_book_is_taken),
		WITH_CHIP(reset_tpm_is_gone_and_the_next_connection_works),
		WITH_CHIP(what_killed_signers_left_loaded_is_flushed),
		WITH_CHIP(tpm_that_never_answers_is_gone),
		WITH_CHIP(it_all_works_locked_in),
		WITH_CHIP(copied_state_of_an_emulated_tpm_counts_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
