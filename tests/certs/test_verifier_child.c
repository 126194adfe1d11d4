/* SPDX-License-Identifier: Apache-2.0 */
/* The judge as a process: this test is the line, and the driver child on the judge's other socket. */
#include "certs/verifier.h"
#include "station/base/clock.h"
#include "station/base/text.h"
#include "station/base/wire.h"
#include "tests/certs/check.h"
#include "tests/certs/request.h"
#include "tests/certs/soft_tpm.h"
#include "tests/certs/tracer.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>

#define COLD "--cold-verifier"
#define PIECES_MAX 256

static struct {
	const char *python, *manufacture;
	struct bytes root, issuing;
	struct verifier_policy policy;
} plant;

struct slot {
	pid_t judge;
	int line, driver;
	struct soft_tpm tpm;
	struct soft_key ek, ak, leaf;
	struct bytes cert;
	struct ek_verdict ek_verdict;
	struct attest_verdict verdict;
	struct err e;
};

static int plant_open(void **state)
{
	soft_tpm_manufacture(plant.python, plant.manufacture);
	soft_tpm_vendor(&plant.root, &plant.issuing);
	plant.policy = (struct verifier_policy){&plant.root, 1, &plant.issuing, 1, true};
	return 0;
}

static int plant_close(void **state)
{
	bytes_fini(&plant.root);
	bytes_fini(&plant.issuing);
	soft_tpm_scrap();
	return 0;
}

static int64_t soon(void)
{
	return clock_steady_ms() + 10000;
}

/* The parent's ends in ret_mine, the judge's in ret_its. */
static void make_sockets(struct slot *s, int ret_its[2])
{
	int line[2], driver[2];
	CHECK_OK(wire_pair(line, &s->e), s->e);
	CHECK_OK(wire_pair(driver, &s->e), s->e);
	s->line = line[0];
	s->driver = driver[0];
	ret_its[0] = line[1];
	ret_its[1] = driver[1];
}

/* A kernel, as it were, on which nobody can give up rights: prctl is refused from here on. */
static void forbid_prctl(void)
{
	struct sock_filter steps[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = {COUNT_OF(steps), steps};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
		_exit(126);
}

/* `spoil`, if any, is called in the child first. */
static void judge_start(struct slot *s, const struct verifier_policy *policy, void (*spoil)(void))
{
	int its[2];
	make_sockets(s, its);
	s->judge = fork();
	assert_true(s->judge >= 0);
	if (!s->judge) {
		close(s->line);
		close(s->driver);
		if (spoil)
			spoil();
		verifier_child(its[0], its[1], policy);
	}
	close(its[0]);
	close(its[1]);
}

static int slot_open(void **state)
{
	struct slot *s = calloc(1, sizeof(*s));
	const TPM2B_PUBLIC ak = soft_template_ak(), leaf = soft_template_leaf(1);
	assert_non_null(s);
	judge_start(s, &plant.policy, NULL);	/* first, so that it inherits no TPM */
	soft_tpm_start(&s->tpm, "GOOD0001");
	soft_tpm_ek(&s->tpm, &s->ek);
	soft_tpm_ek_cert(&s->tpm, &s->cert);
	soft_tpm_primary(&s->tpm, ESYS_TR_RH_ENDORSEMENT, &ak, &s->ak);
	soft_tpm_primary(&s->tpm, ESYS_TR_RH_OWNER, &leaf, &s->leaf);
	*state = s;
	return 0;
}

static int exit_code(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int slot_close(void **state)
{
	struct slot *s = *state;
	if (s->driver >= 0)
		close(s->driver);
	close(s->line);
	assert_int_equal(exit_code(s->judge), 0);	/* it ends when the line's end closes, and it has not crashed */
	soft_tpm_stop(&s->tpm);
	soft_key_fini(&s->ek);
	soft_key_fini(&s->ak);
	soft_key_fini(&s->leaf);
	bytes_fini(&s->cert);
	free(s);
	return 0;
}

static void give(struct slot *s, enum evidence_kind kind, const void *data, size_t len)
{
	CHECK_OK(wire_send(s->driver, EVIDENCE_WIRE_BASE + kind, data, len, soon(), &s->e), s->e);
}

static void give_bytes(struct slot *s, enum evidence_kind kind, const struct bytes *b)
{
	give(s, kind, b->data, b->len);
}

static bool judge_ek(struct slot *s)
{
	return verifier_client_judge_ek(s->line, soon(), &s->ek_verdict, &s->e);
}

static void ask(struct slot *s, enum challenge_about about, struct challenge *ret)
{
	CHECK_OK(verifier_client_challenge(s->line, soon(), about, &s->e), s->e);
	CHECK_OK(wire_expect(s->driver, EVIDENCE_CHALLENGE, ret, sizeof(*ret), soon(), &s->e), s->e);
}

/* The driver child's and the line's halves of a whole life. */
static void enroll(struct slot *s)
{
	struct challenge c;
	struct bytes secret = {0}, attest = {0}, sig = {0};
	struct key_signature signature;
	uint8_t hash[SHA256_SIZE];
	give_bytes(s, EVIDENCE_EK_PUBLIC, &s->ek.public_area);
	give_bytes(s, EVIDENCE_EK_CERT, &s->cert);
	CHECK_OK(judge_ek(s), s->e);
	give_bytes(s, EVIDENCE_AK_PUBLIC, &s->ak.public_area);
	give_bytes(s, EVIDENCE_LEAF_PUBLIC, &s->leaf.public_area);
	ask(s, CHALLENGE_AK, &c);
	assert_true(soft_tpm_activate(&s->tpm, &s->ak, &s->ek, &c, &secret));
	soft_tpm_certify(&s->tpm, &s->leaf, &s->ak, c.nonce, &attest, &sig);
	give_bytes(s, EVIDENCE_SECRET, &secret);
	give_bytes(s, EVIDENCE_ATTEST, &attest);
	give_bytes(s, EVIDENCE_ATTEST_SIG, &sig);
	CHECK_OK(verifier_client_judge_attestation(s->line, soon(), &s->verdict, &s->e), s->e);
	ask(s, CHALLENGE_KEY, &c);
	soft_tpm_sign(&s->tpm, &s->leaf, c.nonce, &signature);
	give(s, EVIDENCE_BUNDLE, "bundle", 6);
	give(s, EVIDENCE_SIGNATURE, &signature, sizeof(signature));
	sha256_of("bundle", 6, hash);
	CHECK_OK(verifier_client_judge_install(s->line, soon(), hash, false, &s->e), s->e);
	give(s, EVIDENCE_BUNDLE, "bundle", 6);
	hash[0] ^= 1;
	CHECK_FAILS(verifier_client_judge_install(s->line, soon(), hash, true, &s->e), E_READ_BACK, s->e);
	bytes_fini(&secret);
	bytes_fini(&attest);
	bytes_fini(&sig);
}

/* The same of a unit without a TPM. */
static void enroll_by_csr(struct slot *s)
{
	struct challenge c;
	struct bytes csr = {0};
	struct key_signature signature;
	EVP_PKEY *key = request_key_p256();
	uint8_t digest[SHA256_SIZE], hash[SHA256_SIZE];
	char hex[65];
	ask(s, CHALLENGE_CSR, &c);
	hex_encode(c.nonce, sizeof(c.nonce), hex);
	request_make(&(struct request){.key = key, .challenge = hex}, &csr);
	give_bytes(s, EVIDENCE_CSR, &csr);
	proof_digest(c.nonce, digest);
	request_sign(key, digest, &signature);
	give(s, EVIDENCE_SIGNATURE, &signature, sizeof(signature));
	CHECK_OK(verifier_client_judge_csr(s->line, soon(), &s->verdict, &s->e), s->e);
	ask(s, CHALLENGE_KEY, &c);
	proof_digest(c.nonce, digest);
	request_sign(key, digest, &signature);
	give(s, EVIDENCE_BUNDLE, "bundle", 6);
	give(s, EVIDENCE_SIGNATURE, &signature, sizeof(signature));
	sha256_of("bundle", 6, hash);
	CHECK_OK(verifier_client_judge_install(s->line, soon(), hash, false, &s->e), s->e);
	CHECK_FAILS(verifier_client_judge_csr(s->line, soon(), &s->verdict, &s->e), E_VERIFIER, s->e);
	EVP_PKEY_free(key);
	bytes_fini(&csr);
}

/* What a request may be signed with, each judged once: nothing of it is fetched later. */
static void show_requests(struct slot *s)
{
	static const char *const digests[] = {"SHA256", "SHA384", "SHA512"};
	EVP_PKEY *const keys[] = {request_key_p256(), request_key_rsa(2048, 65537)};
	for (size_t i = 0; i < 2 * COUNT_OF(digests); i++) {
		AUTO(bytes) struct bytes csr = {0};
		struct challenge c;
		ask(s, CHALLENGE_CSR, &c);
		request_make(&(struct request){.key = keys[i % 2], .digest = digests[i / 2]}, &csr);
		give_bytes(s, EVIDENCE_CSR, &csr);
		CHECK_FAILS(verifier_client_judge_csr(s->line, soon(), &s->verdict, &s->e), i % 2 ? E_KEY_WEAK : E_CSR_NONCE, s->e);
	}
	EVP_PKEY_free(keys[0]);
	EVP_PKEY_free(keys[1]);
}

static void life_without_a_tpm_is_judged_through_the_sockets(void **state)
{
	enroll_by_csr(*state);
}

static void whole_life_is_judged_through_the_sockets(void **state)
{
	struct slot *s = *state;
	uint8_t hash[SHA256_SIZE];
	enroll(s);
	assert_string_equal(s->ek_verdict.template_name, "L-1");
	assert_string_equal(s->ek_verdict.manufacturer, "id:00001014");
	sha256_of(s->ek.public_area.data, s->ek.public_area.len, hash);
	assert_memory_equal(s->ek_verdict.ek_sha256, hash, sizeof(hash));
	assert_memory_equal(s->verdict.leaf.y, s->leaf.public_area.data + s->leaf.public_area.len - 32, 32);
}

/* The line may ask at once: what the driver child sent before lies there. Nothing but luck would show a race here in one run. */
static void evidence_sent_before_the_question_counts(void **state)
{
	struct slot *s = *state;
	for (int i = 0; i < 100; i++) {
		uint8_t wrong[2] = {0, (uint8_t)i};
		give(s, EVIDENCE_EK_PUBLIC, wrong, sizeof(wrong));
		CHECK_FAILS(judge_ek(s), E_EK_TEMPLATE, s->e);
		give_bytes(s, EVIDENCE_EK_PUBLIC, &s->ek.public_area);
		if (i == 0)
			give_bytes(s, EVIDENCE_EK_CERT, &s->cert);
		CHECK_OK(judge_ek(s), s->e);
	}
}

static void read_status(pid_t pid, char ret[static 8192])
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	ret[fread(ret, 1, 8191, f)] = '\0';
	fclose(f);
}

/* One that polls a socket at its end without taking it off never sleeps. */
static void judge_comes_to_rest(const struct slot *s)
{
	char status[8192];
	int64_t until_ms = soon();
	do {
		assert_true(clock_steady_ms() < until_ms);
		clock_sleep_ms(5);
		read_status(s->judge, status);
	} while (!strstr(status, "State:\tS"));
}

static void line_is_served_when_the_driver_child_has_ended(void **state)
{
	struct slot *s = *state;
	give_bytes(s, EVIDENCE_EK_PUBLIC, &s->ek.public_area);
	give_bytes(s, EVIDENCE_EK_CERT, &s->cert);
	give_bytes(s, EVIDENCE_AK_PUBLIC, &s->ak.public_area);
	close(s->driver);
	s->driver = -1;
	CHECK_OK(judge_ek(s), s->e);
	CHECK_FAILS(verifier_client_challenge(s->line, soon(), CHALLENGE_AK, &s->e), E_CHILD_LOST, s->e);
	CHECK_FAILS(verifier_client_judge_attestation(s->line, soon(), &s->verdict, &s->e), E_CHALLENGE, s->e);
	judge_comes_to_rest(s);
}

static void challenge_never_reaches_the_line(void **state)
{
	struct slot *s = *state;
	static struct wire_msg m;
	give_bytes(s, EVIDENCE_EK_PUBLIC, &s->ek.public_area);
	give_bytes(s, EVIDENCE_EK_CERT, &s->cert);
	give_bytes(s, EVIDENCE_AK_PUBLIC, &s->ak.public_area);
	CHECK_OK(judge_ek(s), s->e);
	CHECK_OK(verifier_client_challenge(s->line, soon(), CHALLENGE_AK, &s->e), s->e);	/* and its answer is empty */
	CHECK_FAILS(wire_recv(s->line, &m, clock_steady_ms(), &s->e), E_CHILD_SILENT, s->e);
	CHECK_OK(wire_recv(s->driver, &m, soon(), &s->e), s->e);
	assert_int_equal(m.type, EVIDENCE_CHALLENGE);
}

static void challenge_out_of_order_is_refused_and_none_is_sent(void **state)
{
	struct slot *s = *state;
	static struct wire_msg m;
	give_bytes(s, EVIDENCE_AK_PUBLIC, &s->ak.public_area);
	CHECK_FAILS(verifier_client_challenge(s->line, soon(), CHALLENGE_AK, &s->e), E_VERIFIER, s->e);
	CHECK_FAILS(wire_recv(s->driver, &m, clock_steady_ms(), &s->e), E_CHILD_SILENT, s->e);
}

/* The line and its judge are of one build: a message of another shape ends the conversation, as wire.h says. */
static void question_of_another_shape_ends_the_judge(void **state)
{
	struct slot *s = *state;
	static struct wire_msg m;
	CHECK_OK(wire_send(s->line, 1, "x", 1, soon(), &s->e), s->e);
	CHECK_FAILS(wire_recv(s->line, &m, soon(), &s->e), E_CHILD_LOST, s->e);
}

/* ---- a hostile driver child ---- */

/* Its socket fills up; the line hears of it in time, and can still ask. */
static void driver_child_that_takes_no_challenge_does_not_hold_the_judge(void **state)
{
	struct slot *s = *state;
	int asked = 0;
	give_bytes(s, EVIDENCE_EK_PUBLIC, &s->ek.public_area);
	give_bytes(s, EVIDENCE_EK_CERT, &s->cert);
	give_bytes(s, EVIDENCE_AK_PUBLIC, &s->ak.public_area);
	CHECK_OK(judge_ek(s), s->e);
	while (verifier_client_challenge(s->line, soon(), CHALLENGE_AK, &s->e))
		assert_true(++asked < 10000);
	assert_int_equal(s->e.code, E_CHILD_SILENT);
	err_clear(&s->e);
	CHECK_OK(judge_ek(s), s->e);
}

/* Whatever it did: the job fails for good, as this unit's fault, and the judge lives. */
static void job_is_spoiled(struct slot *s)
{
	CHECK_FAILS(judge_ek(s), E_VERIFIER, s->e);
	if (wire_send(s->driver, EVIDENCE_WIRE_BASE + EVIDENCE_EK_PUBLIC, s->ek.public_area.data, s->ek.public_area.len,
		      clock_steady_ms(), &s->e))
		CHECK_FAILS(judge_ek(s), E_VERIFIER, s->e);
	err_clear(&s->e);
	CHECK_FAILS(verifier_client_challenge(s->line, soon(), CHALLENGE_AK, &s->e), E_VERIFIER, s->e);
	assert_int_equal(err_row(E_VERIFIER)->class, ERR_DEVICE);
	judge_comes_to_rest(s);
}

static void message_that_is_no_evidence_spoils_the_job(void **state)
{
	struct slot *s = *state;
	CHECK_OK(wire_send(s->driver, EVIDENCE_CHALLENGE, "x", 1, soon(), &s->e), s->e);
	job_is_spoiled(s);
}

static void evidence_of_kind_zero_spoils_the_job(void **state)
{
	struct slot *s = *state;
	give(s, 0, "x", 1);
	job_is_spoiled(s);
}

static void evidence_too_long_spoils_the_job(void **state)
{
	struct slot *s = *state;
	static const uint8_t large[EVIDENCE_MAX + 1];
	give(s, EVIDENCE_BUNDLE, large, sizeof(large));
	job_is_spoiled(s);
}

static void malformed_message_spoils_the_job_and_not_the_station(void **state)
{
	struct slot *s = *state;
	assert_int_equal(write(s->driver, "abc", 3), 3);
	job_is_spoiled(s);
}

static void device_that_never_stops_sending_is_cut_off(void **state)
{
	struct slot *s = *state;
	for (int i = 0; i < PIECES_MAX; i++)
		give(s, EVIDENCE_BUNDLE, "x", 1);
	give_bytes(s, EVIDENCE_EK_PUBLIC, &s->ek.public_area);
	job_is_spoiled(s);
}

static void device_that_sends_to_the_limit_is_judged(void **state)
{
	struct slot *s = *state;
	for (int i = 0; i < PIECES_MAX - 2; i++)
		give(s, EVIDENCE_BUNDLE, "x", 1);
	give_bytes(s, EVIDENCE_EK_CERT, &s->cert);
	give_bytes(s, EVIDENCE_EK_PUBLIC, &s->ek.public_area);
	CHECK_OK(judge_ek(s), s->e);
}

/* ---- the lock-down ---- */

static void judge_is_locked_in_while_it_serves(void **state)
{
	struct slot *s = *state;
	char status[8192];
	CHECK_FAILS(judge_ek(s), E_EK_TEMPLATE, s->e);	/* it serves */
	read_status(s->judge, status);
	assert_non_null(strstr(status, "Seccomp:\t2"));
	assert_non_null(strstr(status, "NoNewPrivs:\t1"));
}

/* Runs a judge under trace to its end: this program anew, so that nothing is warm from the tests before. */
static struct seen watch(const int its[2])
{
	pid_t pid = fork();
	if (!pid) {
		char line[16], driver[16];
		snprintf(line, sizeof(line), "%d", dup(its[0]));	/* which stay open */
		snprintf(driver, sizeof(driver), "%d", dup(its[1]));
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execl("/proc/self/exe", "judge", COLD, line, driver, soft_tpm_dir(), NULL);
		_exit(127);
	}
	close(its[0]);
	close(its[1]);
	return tracer_watch(pid);
}

static void judge_tries_nothing_that_its_lock_down_refuses(void **state)
{
	struct slot *s = *state;
	struct seen seen = {0};
	const int mine[2] = {s->line, s->driver};	/* of the judge that slot_open started */
	int its[2], tell[2];
	make_sockets(s, its);
	assert_int_equal(pipe(tell), 0);
	pid_t tracer = fork();
	if (!tracer) {
		close(s->line);
		close(s->driver);
		seen = watch(its);
		_exit(write(tell[1], &seen, sizeof(seen)) == sizeof(seen) ? 0 : 1);
	}
	close(its[0]);
	close(its[1]);
	enroll(s);
	show_requests(s);
	enroll_by_csr(s);
	close(s->line);
	close(s->driver);
	s->line = mine[0];
	s->driver = mine[1];
	assert_int_equal(exit_code(tracer), 0);
	assert_int_equal(read(tell[0], &seen, sizeof(seen)), sizeof(seen));
	close(tell[0]);
	close(tell[1]);
	assert_true(seen.locked);
	assert_true(seen.calls > 20);
	assert_int_equal(seen.refused, 0);	/* it never even tried */
}

/* A judge that cannot judge: whoever asks hears the cause, and what the device sent stays where it is, unread. */
static void nothing_is_read_and_the_cause_is_told(const struct verifier_policy *policy, void (*spoil)(void), const char *cause)
{
	struct slot s = {0};
	int unread = 0;
	judge_start(&s, policy, spoil);
	give(&s, EVIDENCE_EK_PUBLIC, "x", 1);
	assert_false(judge_ek(&s));
	assert_int_equal(s.e.code, E_VERIFIER);
	assert_non_null(strstr(s.e.what, cause));
	err_clear(&s.e);
	CHECK_FAILS(verifier_client_challenge(s.line, soon(), CHALLENGE_AK, &s.e), E_VERIFIER, s.e);
	assert_int_equal(ioctl(s.driver, SIOCOUTQ, &unread), 0);
	assert_true(unread > 0);
	close(s.line);
	close(s.driver);
	assert_int_equal(exit_code(s.judge), 0);
}

static void judge_that_cannot_start_tells_the_cause_to_whoever_asks(void **state)
{
	uint8_t junk[] = "junk";
	const struct bytes root = {.data = junk, .len = sizeof(junk)};
	const struct verifier_policy policy = {.roots = &root, .root_count = 1, .need_ek_cert = true};
	nothing_is_read_and_the_cause_is_told(&policy, NULL, "E-CFG-001");
}

static void judge_that_cannot_lock_itself_in_judges_nothing(void **state)
{
	nothing_is_read_and_the_cause_is_told(&plant.policy, forbid_prctl, "E-BASE-007");
}

static _Noreturn void be_cold(char **argv)
{
	soft_tpm_use(argv[4]);
	soft_tpm_vendor(&plant.root, &plant.issuing);
	plant.policy = (struct verifier_policy){&plant.root, 1, &plant.issuing, 1, true};
	verifier_child(atoi(argv[2]), atoi(argv[3]), &plant.policy);
}

#define T(name) cmocka_unit_test_setup_teardown(name, slot_open, slot_close)

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], COLD))
		be_cold(argv);
	assert(argc == 3);
	plant.python = argv[1];
	plant.manufacture = argv[2];
	const struct CMUnitTest tests[] = {
		T(whole_life_is_judged_through_the_sockets),
		T(life_without_a_tpm_is_judged_through_the_sockets),
		T(evidence_sent_before_the_question_counts),
		T(line_is_served_when_the_driver_child_has_ended),
		T(challenge_never_reaches_the_line),
		T(challenge_out_of_order_is_refused_and_none_is_sent),
		T(question_of_another_shape_ends_the_judge),
		T(driver_child_that_takes_no_challenge_does_not_hold_the_judge),
		T(message_that_is_no_evidence_spoils_the_job),
		T(evidence_of_kind_zero_spoils_the_job),
		T(evidence_too_long_spoils_the_job),
		T(malformed_message_spoils_the_job_and_not_the_station),
		T(device_that_never_stops_sending_is_cut_off),
		T(device_that_sends_to_the_limit_is_judged),
		T(judge_is_locked_in_while_it_serves),
		T(judge_tries_nothing_that_its_lock_down_refuses),
		cmocka_unit_test(judge_that_cannot_start_tells_the_cause_to_whoever_asks),
		cmocka_unit_test(judge_that_cannot_lock_itself_in_judges_nothing),
	};
	return cmocka_run_group_tests(tests, plant_open, plant_close);
}
