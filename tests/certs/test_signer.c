/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/signer.h"
#include "certs/ca.h"
#include "certs/note.h"
#include "certs/signer_state.h"
#include "station/base/clock.h"
#include "station/base/wire.h"
#include "tests/certs/check.h"
#include "tests/certs/desk.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>
#include <linux/seccomp.h>

struct bench {
	struct desk desk;
	struct signer *signer;
	struct fake_log log;
};

static int open_bench(void **state)
{
	static struct bench b;
	struct err e = {0};
	memset(&b, 0, sizeof(b));
	desk_open(&b.desk);
	CHECK_OK(signer_open(&b.desk.setup, &b.signer, &e), e);
	*state = &b;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *b = *state;
	signer_close(b->signer);
	desk_close(&b->desk);
	return 0;
}

static void restart(struct bench *b)
{
	struct err e = {0};
	signer_close(b->signer);
	b->signer = NULL;
	CHECK_OK(signer_open(&b->desk.setup, &b->signer, &e), e);
}

static uint64_t head(struct bench *b)
{
	struct signer_info info;
	signer_who(b->signer, &info);
	return info.head_size;
}

static uint64_t count(struct bench *b)
{
	struct signer_info info;
	signer_who(b->signer, &info);
	return info.signed_count;
}

/* An honest request for this id. */
static void request_make(struct bench *b, const char *id, struct leaf_request *ret)
{
	memset(ret, 0, sizeof(*ret));
	intent_make(&ret->intent, id);
	log_receipt(&b->log, &ret->intent, head(b), &ret->receipt);
}

static bool ask(struct bench *b, const struct leaf_request *req, struct leaf_reply *ret, struct err *e)
{
	return signer_leaf(b->signer, req, clock_wall_ms(), ret, e);
}

/* Refused, and nothing was remembered or counted. */
static void refused(struct bench *b, const struct leaf_request *req, enum err_code code)
{
	struct err e = {0};
	struct leaf_reply leaf;
	struct signer_info before, after;
	signer_who(b->signer, &before);
	CHECK_FAILS(ask(b, req, &leaf, &e), code, e);
	signer_who(b->signer, &after);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void honest_request_gets_a_leaf_that_holds(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request req;
	struct leaf_reply leaf;
	struct signer_info info;
	for (unsigned i = 0; i < 20; i++) {
		request_make(b, "unit-1", &req);
		CHECK_OK(ask(b, &req, &leaf, &e), e);
		signer_who(b->signer, &info);
		struct bytes line = {.data = info.chain[0], .len = info.chain_len[0]};
		CHECK_OK(cert_chain_holds(leaf.der, leaf.len, &line, 1, info.root, info.root_len, &e), e);
		assert_int_equal(info.signed_count, i + 1);
		assert_int_equal(info.head_size, b->log.edge.size);
		log_add(&b->log, "other", 5);
	}
}

static void chain_for_a_device_leaves_the_root_out(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct signer_info info;
	struct cert_facts line, root;
	signer_who(b->signer, &info);
	assert_int_equal(info.chain_count, 1);
	CHECK_OK(cert_look(info.chain[0], info.chain_len[0], &line, &e), e);
	CHECK_OK(cert_look(info.root, info.root_len, &root, &e), e);
	assert_string_equal(line.common_name, "Example Line CA");
	assert_string_equal(root.common_name, "Example Root CA");
	assert_int_equal(info.ca_not_after_ms, line.not_after_ms);
}

static void same_intent_is_signed_again_after_a_power_cut(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request req;
	struct leaf_reply leaf;
	request_make(b, "unit-1", &req);
	uint64_t index = req.receipt.index;
	CHECK_OK(ask(b, &req, &leaf, &e), e);
	restart(b);
	assert_int_equal(head(b), b->log.edge.size);
	assert_int_equal(count(b), 1);
	log_prove(&b->log, index, head(b), &req.receipt);
	CHECK_OK(ask(b, &req, &leaf, &e), e);
	assert_int_equal(count(b), 2);
}

static void request_with_replayed_receipt_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request first, second;
	struct leaf_reply leaf;
	log_add(&b->log, "start", 5);
	request_make(b, "unit-1", &first);
	CHECK_OK(ask(b, &first, &leaf, &e), e);
	second = first;
	intent_make(&second.intent, "unit-1");	/* another key, the receipt of before */
	log_prove(&b->log, first.receipt.index, head(b), &second.receipt);
	refused(b, &second, E_RECEIPT);
}

static void request_for_another_key_id_or_profile_than_recorded_is_refused(void **state)
{
	struct bench *b = *state;
	struct leaf_request good, bad;
	request_make(b, "unit-1", &good);
	bad = good, key_make(&bad.intent.key, NULL);
	refused(b, &bad, E_RECEIPT);
	bad = good, strcpy(bad.intent.registration_id, "unit-2");
	refused(b, &bad, E_RECEIPT);
	bad = good, strcpy(bad.intent.profile, "gateway");
	refused(b, &bad, E_RECEIPT);
	bad = good, bad.intent.serial[7] ^= 1;
	refused(b, &bad, E_RECEIPT);
	bad = good, strcpy(bad.intent.order, "po-1");
	refused(b, &bad, E_RECEIPT);
	bad = good, bad.intent.time_ms--;
	refused(b, &bad, E_RECEIPT);
	bad = good, bad.intent.job[0] = 'f';
	refused(b, &bad, E_RECEIPT);
}

static void proof_with_any_byte_changed_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request good, bad;
	struct leaf_reply leaf;
	for (int i = 0; i < 5; i++)
		log_add(&b->log, "x", 1);
	request_make(b, "unit-0", &good);
	CHECK_OK(ask(b, &good, &leaf, &e), e);
	for (int i = 0; i < 7; i++)
		log_add(&b->log, "y", 1);
	request_make(b, "unit-1", &good);
	assert_true(good.receipt.inclusion.count > 1 && good.receipt.consistency.count > 1);
	for (uint32_t i = 0; i < good.receipt.inclusion.count; i++) {
		bad = good, bad.receipt.inclusion.hash[i].h[5] ^= 1;
		refused(b, &bad, E_RECEIPT);
	}
	for (uint32_t i = 0; i < good.receipt.consistency.count; i++) {
		bad = good, bad.receipt.consistency.hash[i].h[5] ^= 1;
		refused(b, &bad, E_RECEIPT);
	}
	bad = good, bad.receipt.root.h[0] ^= 1;
	refused(b, &bad, E_RECEIPT);
	bad = good, bad.receipt.index--;
	refused(b, &bad, E_RECEIPT);
	bad = good, bad.receipt.index = bad.receipt.size;
	refused(b, &bad, E_RECEIPT);
	bad = good, bad.receipt.size++;
	refused(b, &bad, E_RECEIPT);
	bad = good, bad.receipt.inclusion.count = UINT32_MAX;
	refused(b, &bad, E_RECEIPT);
	bad = good, bad.receipt.consistency.count = UINT32_MAX;
	refused(b, &bad, E_RECEIPT);
	bad = good, bad.receipt.consistency.count = 0;
	refused(b, &bad, E_RECEIPT);
	CHECK_OK(ask(b, &good, &leaf, &e), e);
}

/* Somebody restores last week's ledger: it is shorter than what the signer saw. */
static void old_database_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request req;
	struct leaf_reply leaf;
	struct fake_log old;
	log_add(&b->log, "a", 1);
	old = b->log;
	request_make(b, "unit-1", &req);
	log_add(&b->log, "b", 1);
	log_prove(&b->log, req.receipt.index, 0, &req.receipt);
	CHECK_OK(ask(b, &req, &leaf, &e), e);
	b->log = old;
	memset(&req, 0, sizeof(req));
	intent_make(&req.intent, "unit-2");
	log_receipt(&b->log, &req.intent, 0, &req.receipt);
	assert_true(req.receipt.size < head(b));
	refused(b, &req, E_RECEIPT);
}

/* The same, but padded to the length that the signer expects, or beyond. */
static void receipt_of_forked_log_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request req;
	struct leaf_reply leaf;
	struct fake_log fork;
	log_add(&b->log, "a", 1);
	fork = b->log;
	request_make(b, "unit-1", &req);
	CHECK_OK(ask(b, &req, &leaf, &e), e);
	b->log = fork;
	memset(&req, 0, sizeof(req));
	intent_make(&req.intent, "unit-2");
	log_receipt(&b->log, &req.intent, 0, &req.receipt);
	assert_int_equal(req.receipt.size, head(b));
	refused(b, &req, E_RECEIPT);
	for (int i = 0; i < 6; i++) {
		log_add(&b->log, "pad", 3);
		log_prove(&b->log, 1, head(b), &req.receipt);
		refused(b, &req, E_RECEIPT);
	}
}

static void foreign_profile_is_refused(void **state)
{
	struct bench *b = *state;
	struct leaf_request req;
	memset(&req, 0, sizeof(req));
	intent_make(&req.intent, "unit-1");
	strcpy(req.intent.profile, "root-ca");
	log_receipt(&b->log, &req.intent, head(b), &req.receipt);
	refused(b, &req, E_PROFILE);
	req.intent.profile[0] = '\0';
	refused(b, &req, E_PROFILE);
	memset(req.intent.profile, 'x', sizeof(req.intent.profile));
	refused(b, &req, E_RECEIPT);
}

static void each_profile_has_its_own_validity(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request req = {0};
	struct leaf_reply leaf;
	struct cert_facts facts;
	intent_make(&req.intent, "unit-1");
	strcpy(req.intent.profile, "gateway");
	log_receipt(&b->log, &req.intent, head(b), &req.receipt);
	CHECK_OK(ask(b, &req, &leaf, &e), e);
	CHECK_OK(cert_look(leaf.der, leaf.len, &facts, &e), e);
	assert_in_range(facts.not_after_ms - clock_wall_ms(), 30 * 86400000LL - 10000, 30 * 86400000LL);
}

static void nothing_is_issued_after_issue_until(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request req;
	struct leaf_reply leaf;
	request_make(b, "unit-1", &req);
	CHECK_FAILS(signer_leaf(b->signer, &req, b->desk.setup.issue_until_ms, &leaf, &e), E_CA_EXPIRED, e);
	CHECK_FAILS(signer_leaf(b->signer, &req, 0, &leaf, &e), E_CA_EXPIRED, e);
	assert_int_equal(count(b), 0);
	CHECK_OK(signer_leaf(b->signer, &req, b->desk.setup.issue_until_ms - 1, &leaf, &e), e);
}

static void bad_id_or_key_is_refused_before_anything_is_remembered(void **state)
{
	struct bench *b = *state;
	struct leaf_request req = {0};
	intent_make(&req.intent, "Unit 1");
	log_receipt(&b->log, &req.intent, head(b), &req.receipt);
	refused(b, &req, E_ID_INVALID);
	request_make(b, "unit-1", &req);
	req.intent.key.y[0] ^= 1;
	refused(b, &req, E_KEY_WEAK);
}

static void checkpoint_of(struct bench *b, struct checkpoint_request *ret)
{
	struct receipt r;
	log_prove(&b->log, 0, head(b), &r);
	*ret = (struct checkpoint_request){.size = r.size, .root = r.root, .consistency = r.consistency, .time_ms = 1795384165123};
}

static void checkpoint_opens_with_the_signers_verifier_key(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct checkpoint_request req;
	struct checkpoint_reply reply;
	struct checkpoint seen;
	struct signer_info info;
	for (int i = 0; i < 9; i++) {
		log_add(&b->log, &i, sizeof(i));
		checkpoint_of(b, &req);
		CHECK_OK(signer_checkpoint(b->signer, &req, &reply, &e), e);
		checkpoint_of(b, &req);	/* the same again */
		CHECK_OK(signer_checkpoint(b->signer, &req, &reply, &e), e);
		signer_who(b->signer, &info);
		CHECK_OK(note_open_checkpoint(reply.note, strlen(reply.note), info.log_vkey, &seen, &e), e);
		assert_string_equal(seen.origin, DESK_ORIGIN);
		assert_int_equal(seen.size, b->log.edge.size);
		assert_memory_equal(&seen.root, &req.root, sizeof(seen.root));
		restart(b);
		assert_int_equal(head(b), b->log.edge.size);
	}
	assert_int_equal(count(b), 0);
}

static void checkpoint_of_a_forked_or_shortened_log_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct checkpoint_request good, bad;
	struct checkpoint_reply reply;
	struct fake_log old;
	log_add(&b->log, "a", 1);
	old = b->log;
	log_add(&b->log, "b", 1);
	checkpoint_of(b, &good);
	CHECK_OK(signer_checkpoint(b->signer, &good, &reply, &e), e);
	b->log = old;
	struct receipt r;
	log_prove(&b->log, 0, 0, &r);
	bad = (struct checkpoint_request){.size = r.size, .root = r.root, .consistency = r.consistency};
	CHECK_FAILS(signer_checkpoint(b->signer, &bad, &reply, &e), E_RECEIPT, e);
	log_add(&b->log, "B", 1);
	log_prove(&b->log, 0, 2, &r);
	bad = (struct checkpoint_request){.size = r.size, .root = r.root, .consistency = r.consistency};
	CHECK_FAILS(signer_checkpoint(b->signer, &bad, &reply, &e), E_RECEIPT, e);
	bad = (struct checkpoint_request){0};
	CHECK_FAILS(signer_checkpoint(b->signer, &bad, &reply, &e), E_RECEIPT, e);
}

/* ---- the state ---- */

static void second_signer_on_one_state_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct signer *second = NULL;
	CHECK_FAILS(signer_open(&b->desk.setup, &second, &e), E_SIGNER_STATE, e);
	assert_null(second);
}

static void write_file(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0 && pwrite(fd, data, len, 0) == (ssize_t)len && close(fd) == 0);
}

static size_t read_whole(const char *path, uint8_t *out, size_t room)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, out, room);
	assert_true(fd >= 0 && n > 0 && close(fd) == 0);
	return (size_t)n;
}

static void memory_is(const char *path, const struct signer_memory *a, const struct signer_memory *b)
{
	struct err e = {0};
	struct signer_state s;
	CHECK_OK(signer_state_open(&s, path, &e), e);
	if (memcmp(&s.now, a, sizeof(*a)) != 0)
		assert_memory_equal(&s.now, b, sizeof(*b));
	signer_state_close(&s);
}

/* Power goes while a slot is being written: after any number of its bytes the file tells the old state or the new one. */
static void state_torn_at_any_byte_is_the_old_or_the_new_one(void **state)
{
	struct bench *b = *state;
	const char *path = desk_path(&b->desk, "torn.state");
	struct err e = {0};
	struct signer_state s;
	struct signer_memory memory[4] = {{0}};
	uint8_t before[8192], after[8192], torn[8192];
	CHECK_OK(signer_state_open(&s, path, &e), e);
	for (unsigned i = 1; i < COUNT_OF(memory); i++) {
		memory[i] = (struct signer_memory){i * 1000, {{(uint8_t)i}}, i};
		size_t len = read_whole(path, before, sizeof(before));
		CHECK_OK(signer_state_write(&s, &memory[i], &e), e);
		assert_int_equal(read_whole(path, after, sizeof(after)), len);
		size_t first = 0;
		while (before[first] == after[first])
			first++;
		size_t slot = first / SIGNER_SLOT_APART * SIGNER_SLOT_APART;
		assert_memory_equal(before + (SIGNER_SLOT_APART - slot), after + (SIGNER_SLOT_APART - slot), SIGNER_SLOT_SIZE);
		signer_state_close(&s);
		for (size_t cut = 0; cut <= SIGNER_SLOT_SIZE; cut++) {
			memcpy(torn, before, len);
			memcpy(torn + slot, after + slot, cut);
			write_file(path, torn, len);
			memory_is(path, &memory[i - 1], &memory[i]);
			memcpy(torn, after, len);	/* the sectors may also come the other way round */
			memcpy(torn + slot, before + slot, cut);
			write_file(path, torn, len);
			memory_is(path, &memory[i - 1], &memory[i]);
		}
		write_file(path, after, len);
		memory_is(path, &memory[i], &memory[i]);
		CHECK_OK(signer_state_open(&s, path, &e), e);
	}
	signer_state_close(&s);
}

static void state_without_a_whole_slot_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct signer_state s;
	const char *path = desk_path(&b->desk, "bad.state");
	CHECK_OK(signer_state_open(&s, path, &e), e);
	signer_state_close(&s);
	uint8_t file[8192];
	size_t len = read_whole(path, file, sizeof(file));
	file[20] ^= 1;
	write_file(path, file, len);
	CHECK_OK(signer_state_open(&s, path, &e), e);	/* the other slot is whole */
	signer_state_close(&s);
	file[SIGNER_SLOT_APART + 20] ^= 1;
	write_file(path, file, len);
	CHECK_FAILS(signer_state_open(&s, path, &e), E_SIGNER_STATE, e);
	write_file(path, "", 0);	/* emptied, which is not the same as new */
	CHECK_FAILS(signer_state_open(&s, path, &e), E_SIGNER_STATE, e);
	CHECK_FAILS(signer_state_open(&s, "/nowhere/at/all", &e), E_SIGNER_STATE, e);
	assert_int_equal(s.fd, -1);
}

static void nothing_is_signed_when_the_state_cannot_be_written(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct signer_state s;
	const struct signer_memory memory = {1, {{1}}, 1};
	CHECK_OK(signer_state_open(&s, desk_path(&b->desk, "ro.state"), &e), e);
	int writable = s.fd;
	s.fd = open(desk_path(&b->desk, "ro.state"), O_RDONLY);
	CHECK_FAILS(signer_state_write(&s, &memory, &e), E_SIGNER_STATE, e);
	close(s.fd);
	s.fd = writable;
	CHECK_FAILS(signer_state_write(&s, &memory, &e), E_SIGNER_STATE, e);	/* what is on disk is unknown now */
	assert_int_equal(s.now.head_size, 0);
	signer_state_close(&s);
}

/* ---- opening ---- */

static void setup_that_does_not_fit_together_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct signer *s = NULL;
	char path[128];
	signer_close(b->signer);
	b->signer = NULL;
	struct signer_setup bad = b->desk.setup;
	snprintf(path, sizeof(path), "%s/root.key", b->desk.dir);
	bad.key_path = path;	/* not the key of the chain's first certificate */
	CHECK_FAILS(signer_open(&bad, &s, &e), E_CA_FILE, e);
	bad = b->desk.setup, bad.log_key_path = b->desk.key;
	CHECK_FAILS(signer_open(&bad, &s, &e), E_CA_FILE, e);
	bad = b->desk.setup, bad.origin = "two words";
	CHECK_FAILS(signer_open(&bad, &s, &e), E_CA_FILE, e);
	bad = b->desk.setup, bad.passphrase = "file:/nowhere/at/all";
	CHECK_FAILS(signer_open(&bad, &s, &e), E_SECRET, e);
	assert_int_equal(desk_shell(NULL, 0, "cat %s/root.pem %s/line.pem >%s/swapped.pem", b->desk.dir, b->desk.dir, b->desk.dir), 0);
	bad = b->desk.setup, bad.chain_path = desk_path(&b->desk, "swapped.pem");
	CHECK_FAILS(signer_open(&bad, &s, &e), E_CA_FILE, e);
	assert_int_equal(desk_shell(NULL, 0, "cat %s/line.pem %s/line.pem >%s/twice.pem", b->desk.dir, b->desk.dir, b->desk.dir), 0);
	bad = b->desk.setup, bad.chain_path = desk_path(&b->desk, "twice.pem");
	CHECK_FAILS(signer_open(&bad, &s, &e), E_CA_FILE, e);
	assert_null(s);
}

/* ---- the child ---- */

static pid_t child_start(struct bench *b, int *ret_line)
{
	struct err e = {0};
	int pair[2];
	CHECK_OK(wire_pair(pair, &e), e);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		close(pair[0]);
		signer_child(pair[1], &b->desk.setup);
	}
	close(pair[1]);
	*ret_line = pair[0];
	return pid;
}

static int child_end(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int64_t soon(void)
{
	return clock_steady_ms() + 10000;
}

static void child_serves_through_its_socket_and_ends_with_it(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct signer_info info;
	struct leaf_request req;
	struct leaf_reply leaf;
	struct checkpoint_request checkpoint;
	struct checkpoint_reply note;
	struct checkpoint seen;
	int line;
	request_make(b, "unit-1", &req);
	signer_close(b->signer);
	b->signer = NULL;
	pid_t pid = child_start(b, &line);
	CHECK_OK(signer_client_ready(line, soon(), &info, &e), e);
	assert_int_equal(info.head_size, 0);
	CHECK_OK(signer_client_leaf(line, soon(), &req, &leaf, &e), e);
	struct bytes above = {.data = info.chain[0], .len = info.chain_len[0]};
	CHECK_OK(cert_chain_holds(leaf.der, leaf.len, &above, 1, info.root, info.root_len, &e), e);
	req.intent.serial[3] ^= 1;
	CHECK_FAILS(signer_client_leaf(line, soon(), &req, &leaf, &e), E_RECEIPT, e);
	log_add(&b->log, "more", 4);
	struct receipt r;
	log_prove(&b->log, 0, 1, &r);
	checkpoint = (struct checkpoint_request){.size = r.size, .root = r.root, .consistency = r.consistency, .time_ms = clock_wall_ms()};
	CHECK_OK(signer_client_checkpoint(line, soon(), &checkpoint, &note, &e), e);
	CHECK_OK(note_open_checkpoint(note.note, strlen(note.note), info.log_vkey, &seen, &e), e);
	CHECK_OK(signer_client_who(line, soon(), &info, &e), e);
	assert_int_equal(info.head_size, 2);
	assert_int_equal(info.signed_count, 1);
	close(line);
	assert_int_equal(child_end(pid), 0);
}

static void child_is_locked_in_while_it_serves(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct signer_info info;
	char out[8192];
	int line;
	signer_close(b->signer);
	b->signer = NULL;
	pid_t pid = child_start(b, &line);
	CHECK_OK(signer_client_ready(line, soon(), &info, &e), e);
	assert_int_equal(desk_shell(out, sizeof(out), "cat /proc/%d/status", (int)pid), 0);
	assert_non_null(strstr(out, "Seccomp:\t2"));
	assert_non_null(strstr(out, "NoNewPrivs:\t1"));
	close(line);
	assert_int_equal(child_end(pid), 0);
}

/* What a tracer saw of the child. */
struct seen {
	bool locked;		/* its filter is in force */
	unsigned calls, refused;	/* system calls from then on, and those that the filter refused */
};

static void see(pid_t pid, struct ptrace_syscall_info *last, struct seen *seen)
{
	struct ptrace_syscall_info now;
	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(now), &now) <= 0)
		return;
	if (now.op == PTRACE_SYSCALL_INFO_ENTRY)
		*last = now;
	if (now.op != PTRACE_SYSCALL_INFO_EXIT)
		return;
	seen->calls += seen->locked;
	seen->refused += seen->locked && now.exit.rval == -EPERM;
	if (last->entry.nr == SYS_seccomp && last->entry.args[0] == SECCOMP_SET_MODE_FILTER && now.exit.rval == 0)
		seen->locked = true;
}

#define COLD "--cold-signer"

/* Runs the signer under trace to its end: this program anew, so that nothing is warm from the tests before. */
static struct seen watch_signer(struct bench *b, int line)
{
	struct ptrace_syscall_info last = {0};
	struct seen seen = {0};
	int status;
	pid_t pid = fork();
	if (!pid) {
		char socket[16];
		snprintf(socket, sizeof(socket), "%d", dup(line));	/* which, unlike `line`, stays open */
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execl("/proc/self/exe", "signer", COLD, socket, b->desk.dir, NULL);
		_exit(127);
	}
	close(line);
	if (waitpid(pid, &status, 0) != pid || ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) < 0)
		return seen;
	while (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status))
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			see(pid, &last, &seen);
	return seen;
}

/* The line's half of the same conversation: a few leaves, refusals and checkpoints. */
static void converse(struct bench *b, int line)
{
	struct err e = {0};
	struct signer_info info;
	struct leaf_request req;
	struct leaf_reply leaf;
	struct checkpoint_reply note;
	CHECK_OK(signer_client_ready(line, soon(), &info, &e), e);
	for (int i = 0; i < 3; i++) {
		CHECK_OK(signer_client_who(line, soon(), &info, &e), e);
		memset(&req, 0, sizeof(req));
		intent_make(&req.intent, "unit-1");
		log_receipt(&b->log, &req.intent, info.head_size, &req.receipt);
		CHECK_OK(signer_client_leaf(line, soon(), &req, &leaf, &e), e);
		req.receipt.size++;
		CHECK_FAILS(signer_client_leaf(line, soon(), &req, &leaf, &e), E_RECEIPT, e);
		struct checkpoint_request head = {.size = b->log.edge.size, .time_ms = clock_wall_ms()};
		merkle_root(&b->log.edge, &head.root);
		CHECK_OK(signer_client_checkpoint(line, soon(), &head, &note, &e), e);
	}
}

static void signer_opens_nothing_after_its_lock_down(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct seen seen = {0};
	int talk[2], tell[2];
	signer_close(b->signer);
	b->signer = NULL;
	CHECK_OK(wire_pair(talk, &e), e);
	assert_int_equal(pipe(tell), 0);
	pid_t tracer = fork();
	if (!tracer) {
		close(talk[0]);
		seen = watch_signer(b, talk[1]);
		_exit(write(tell[1], &seen, sizeof(seen)) == sizeof(seen) ? 0 : 1);
	}
	close(talk[1]);
	converse(b, talk[0]);
	close(talk[0]);
	assert_int_equal(child_end(tracer), 0);
	assert_int_equal(read(tell[0], &seen, sizeof(seen)), sizeof(seen));
	close(tell[0]);
	close(tell[1]);
	assert_true(seen.locked);
	assert_true(seen.calls > 20);
	assert_int_equal(seen.refused, 0);	/* it never even tried */
}

static void child_that_cannot_open_tells_the_cause(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct signer_info info;
	int line;
	pid_t pid = child_start(b, &line);	/* the bench's own signer has the state open */
	CHECK_FAILS(signer_client_ready(line, soon(), &info, &e), E_SIGNER_STATE, e);
	close(line);
	assert_int_equal(child_end(pid), 1);
}

static void child_ends_the_conversation_at_an_unknown_message(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct signer_info info;
	uint8_t byte;
	int line;
	signer_close(b->signer);
	b->signer = NULL;
	pid_t pid = child_start(b, &line);
	CHECK_OK(signer_client_ready(line, soon(), &info, &e), e);
	CHECK_OK(wire_send(line, 3, "short", 5, soon(), &e), e);
	CHECK_FAILS(wire_expect(line, 3, &byte, 1, soon(), &e), E_WIRE, e);
	CHECK_FAILS(wire_expect(line, 3, &byte, 1, soon(), &e), E_CHILD_LOST, e);
	close(line);
	assert_int_equal(child_end(pid), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], COLD)) {
		struct desk desk;
		desk_at(&desk, argv[3]);
		signer_child(atoi(argv[2]), &desk.setup);
	}
	const struct CMUnitTest tests[] = {
		T(honest_request_gets_a_leaf_that_holds),
		T(chain_for_a_device_leaves_the_root_out),
		T(same_intent_is_signed_again_after_a_power_cut),
		T(request_with_replayed_receipt_is_refused),
		T(request_for_another_key_id_or_profile_than_recorded_is_refused),
		T(proof_with_any_byte_changed_is_refused),
		T(old_database_is_refused),
		T(receipt_of_forked_log_is_refused),
		T(foreign_profile_is_refused),
		T(each_profile_has_its_own_validity),
		T(nothing_is_issued_after_issue_until),
		T(bad_id_or_key_is_refused_before_anything_is_remembered),
		T(checkpoint_opens_with_the_signers_verifier_key),
		T(checkpoint_of_a_forked_or_shortened_log_is_refused),
		T(second_signer_on_one_state_is_refused),
		T(state_torn_at_any_byte_is_the_old_or_the_new_one),
		T(state_without_a_whole_slot_is_refused),
		T(nothing_is_signed_when_the_state_cannot_be_written),
		T(setup_that_does_not_fit_together_is_refused),
		T(child_serves_through_its_socket_and_ends_with_it),
		T(child_is_locked_in_while_it_serves),
		T(signer_opens_nothing_after_its_lock_down),
		T(child_that_cannot_open_tells_the_cause),
		T(child_ends_the_conversation_at_an_unknown_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
