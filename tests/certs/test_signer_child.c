/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/signer.h"
#include "certs/ca.h"
#include "certs/note.h"
#include "station/base/clock.h"
#include "station/base/wire.h"
#include "tests/certs/check.h"
#include "tests/certs/desk.h"
#include "tests/certs/tracer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

struct bench {
	struct desk desk;
	struct fake_log log;
};

static int open_bench(void **state)
{
	static struct bench b;
	memset(&b, 0, sizeof(b));
	desk_open(&b.desk);
	*state = &b;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *b = *state;
	desk_close(&b->desk);
	return 0;
}

/* An honest request for this id, to a signer that last saw `head` entries. */
static void request_make(struct bench *b, const char *id, uint64_t head, struct leaf_request *ret)
{
	memset(ret, 0, sizeof(*ret));
	intent_make(&ret->intent, id);
	log_receipt(&b->log, &ret->intent, head, &ret->receipt);
}

static void permit_make(struct bench *b, const char *id, uint64_t head, struct leaf_request *ret)
{
	memset(ret, 0, sizeof(*ret));
	intent_make_permit(&ret->intent, id);
	log_receipt(&b->log, &ret->intent, head, &ret->receipt);
}

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
	request_make(b, "unit-1", 0, &req);
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
	checkpoint = (struct checkpoint_request){.size = r.size, .root = r.root, .consistency = r.consistency};
	CHECK_OK(signer_client_checkpoint(line, soon(), &checkpoint, &note, &e), e);
	CHECK_OK(note_open_checkpoint(note.note, strlen(note.note), info.log_vkey, &seen, &e), e);
	close(line);
	assert_int_equal(child_end(pid), 0);
}

static void permits_go_through_the_socket_and_are_counted(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct signer_info info;
	struct leaf_request req;
	struct permit_reply permit;
	struct leaf_reply leaf;
	int line;
	pid_t pid = child_start(b, &line);
	CHECK_OK(signer_client_ready(line, soon(), &info, &e), e);
	permit_make(b, "unit-1", 0, &req);
	CHECK_OK(signer_client_permit(line, soon(), &req, &permit, &e), e);
	assert_int_equal(permit.signed_count, 1);
	CHECK_FAILS(signer_client_leaf(line, soon(), &req, &leaf, &e), E_PROFILE, e);
	req.intent.serial[3] ^= 1;
	CHECK_FAILS(signer_client_permit(line, soon(), &req, &permit, &e), E_RECEIPT, e);
	close(line);
	assert_int_equal(child_end(pid), 0);
	pid = child_start(b, &line);
	CHECK_OK(signer_client_ready(line, soon(), &info, &e), e);
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
	pid_t pid = child_start(b, &line);
	CHECK_OK(signer_client_ready(line, soon(), &info, &e), e);
	assert_int_equal(desk_shell(out, sizeof(out), "cat /proc/%d/status", (int)pid), 0);
	assert_non_null(strstr(out, "Seccomp:\t2"));
	assert_non_null(strstr(out, "NoNewPrivs:\t1"));
	close(line);
	assert_int_equal(child_end(pid), 0);
}

#define COLD "--cold-signer"

/* Runs the signer under trace to its end: this program anew, so that nothing is warm from the tests
 * before. */
static struct seen watch_signer(struct bench *b, int line)
{
	pid_t pid = fork();
	if (!pid) {
		char socket[16];
		snprintf(socket, sizeof(socket), "%d", dup(line));	/* which, unlike `line`, stays open */
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		execl("/proc/self/exe", "signer", COLD, socket, b->desk.dir, NULL);
		_exit(127);
	}
	close(line);
	return tracer_watch(pid);
}

/* The line's half of the same conversation: a few leaves, permits, refusals and checkpoints. */
static void converse(struct bench *b, int line)
{
	struct err e = {0};
	struct signer_info info;
	struct leaf_request req;
	struct leaf_reply leaf;
	struct permit_reply permit;
	struct checkpoint_reply note;
	CHECK_OK(signer_client_ready(line, soon(), &info, &e), e);
	uint64_t head_size = info.head_size;
	for (int i = 0; i < 3; i++) {
		request_make(b, "unit-1", head_size, &req);
		CHECK_OK(signer_client_leaf(line, soon(), &req, &leaf, &e), e);
		req.receipt.size++;
		CHECK_FAILS(signer_client_leaf(line, soon(), &req, &leaf, &e), E_RECEIPT, e);
		permit_make(b, "unit-2", req.receipt.size - 1, &req);
		CHECK_OK(signer_client_permit(line, soon(), &req, &permit, &e), e);
		struct checkpoint_request head = {.size = b->log.edge.size};
		merkle_root(&b->log.edge, &head.root);
		CHECK_OK(signer_client_checkpoint(line, soon(), &head, &note, &e), e);
		head_size = head.size;
	}
}

static void signer_opens_nothing_after_its_lock_down(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct seen seen = {0};
	int talk[2], tell[2];
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
	struct signer *other;
	CHECK_OK(signer_open(&b->desk.setup, &other, &e), e);	/* it has the state open */
	pid_t pid = child_start(b, &line);
	CHECK_FAILS(signer_client_ready(line, soon(), &info, &e), E_SIGNER_STATE, e);
	close(line);
	assert_int_equal(child_end(pid), 1);
	signer_close(other);
}

static void child_ends_the_conversation_at_an_unknown_message(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct signer_info info;
	uint8_t byte;
	int line;
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
		T(child_serves_through_its_socket_and_ends_with_it),
		T(permits_go_through_the_socket_and_are_counted),
		T(child_is_locked_in_while_it_serves),
		T(signer_opens_nothing_after_its_lock_down),
		T(child_that_cannot_open_tells_the_cause),
		T(child_ends_the_conversation_at_an_unknown_message),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
