/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox without a device: drivers that misbehave inside it, and children that lie to the line. */
#include "drivers/sandbox.h"
#include "drivers/capture.h"
#include "drivers/sandbox_wire.h"
#include "certs/verifier.h"
#include "station/base/clock.h"
#include "station/base/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* ---- a driver that tries what it must not, and says in its identity what came of it ---- */

struct probe {
	bool opened;
	int file;
};

static bool probe_open(void *state, const struct driver_port *port, const struct driver_call *call, struct err *e)
{
	*(struct probe *)state = (struct probe){true, port->file};
	return true;
}

static void probe_close(void *state)
{
}

static int refused(long result)
{
	return result < 0 && errno == EPERM ? 'n' : 'Y';
}

static bool probe_identify(void *state, const struct driver_call *call, struct driver_identity *ret, struct err *e)
{
	char *argv[] = {NULL, NULL};
	snprintf(ret->serial, sizeof(ret->serial), "file %c socket %c device %c", refused(open("/etc/passwd", O_RDONLY)),
		 refused(socket(AF_INET, SOCK_STREAM, 0)), refused(open("/dev/bus/usb/001/002", O_RDWR)));
	snprintf(ret->model, sizeof(ret->model), "exec %c ptrace %c kill %c", refused(execve("/bin/true", argv, argv)),
		 refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL)), refused(kill(getppid(), 0)));
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	snprintf(ret->revision, sizeof(ret->revision), "fork %c", refused(pid));
	return true;
}

/* More than the socket to the verifier could ever be asked to carry. */
static bool probe_read_ek(void *state, const struct driver_call *call, struct driver_ek_read *ret, struct err *e)
{
	static const uint8_t much[EVIDENCE_MAX + 1];
	*ret = (struct driver_ek_read){1, 1};
	return call->evidence(call->evidence_ctx, EVIDENCE_EK_PUBLIC, "public", 6, e)
		&& call->evidence(call->evidence_ctx, EVIDENCE_EK_CERT, much, sizeof(much), e);
}

static bool probe_make_key(void *state, const struct driver_call *call, const struct driver_key_request *req,
			   struct driver_key_made *ret, struct err *e)
{
	clock_sleep_ms(300);
	ret->made = req->seed[0];
	return true;
}

static bool probe_activate(void *state, const struct driver_call *call, struct err *e)
{
	return call->evidence(call->evidence_ctx, EVIDENCE_SECRET, call->challenge, sizeof(*call->challenge), e);
}

static bool probe_install(void *state, const struct driver_call *call, const struct driver_bundle *bundle, struct err *e)
{
	return bundle->len == BUNDLE_MAX && bundle->data[BUNDLE_MAX - 1] == 0x77;
}

static bool probe_read_back(void *state, const struct driver_call *call, struct err *e)
{
	_exit(7);	/* as a crash would end it, without what a test's own handlers make of one */
}

/* What a hostile unit would do with the capture that its process was given to write. */
static bool probe_sign(void *state, const struct driver_call *call, const uint8_t digest[static SHA256_SIZE],
		       struct key_signature *ret, struct err *e)
{
	int file = ((struct probe *)state)->file;
	return pwrite(file, "x", 1, (off_t)CAPTURE_MAX - 1) == 1 && pwrite(file, "x", 1, (off_t)CAPTURE_MAX) != 1;
}

static const struct driver_match none[] = {{0}};
static const struct driver probe = {.name = "probe", .title = "a probe", .matches = none, .state_size = sizeof(struct probe),
	.open = probe_open, .close = probe_close, .identify = probe_identify, .read_ek = probe_read_ek, .make_key = probe_make_key,
	.activate = probe_activate, .certify = probe_activate, .prove_key = probe_activate, .install = probe_install,
	.read_back = probe_read_back, .sign = probe_sign};

/* ---- the line's side ---- */

struct line {
	struct sandbox sandbox;
	int fd, verifier, child;
};

static const struct driver_call *in_ms(int64_t ms)
{
	static struct driver_call call;
	call = (struct driver_call){.deadline_ms = clock_steady_ms() + ms};
	return &call;
}

typedef void child_main(int line);

/* Starts the sandbox's own child, or one that lies. */
static void begin(struct line *l, child_main *liar)
{
	int line[2], verifier[2];
	struct err e = {0};
	memset(l, 0, sizeof(*l));
	assert_true(wire_pair(line, &e) && wire_pair(verifier, &e));
	l->child = fork();
	assert_true(l->child >= 0);
	if (l->child == 0) {
		const struct driver_port port = {.fd = -1, .file = memfd_create("capture", 0)};
		close(line[0]);
		close(verifier[0]);
		if (!liar)
			sandbox_child(&probe, &port, line[1], verifier[1]);
		liar(line[1]);
		_exit(0);
	}
	close(line[1]);
	close(verifier[1]);
	l->fd = line[0];
	l->verifier = verifier[0];
	const struct driver_port port = {.fd = l->fd};
	if (!sandbox_driver.open(&l->sandbox, &port, in_ms(5000), &e))
		fail_msg("open: %s", e.what);
}

static int end(struct line *l)
{
	int status;
	sandbox_driver.close(&l->sandbox);
	close(l->fd);
	close(l->verifier);
	assert_int_equal(waitpid(l->child, &status, 0), l->child);
	return status;
}

static void driver_in_the_sandbox_can_open_nothing_and_start_nothing(void **state)
{
	struct line l;
	struct driver_identity id;
	struct err e = {0};
	begin(&l, NULL);
	if (!sandbox_driver.identify(&l.sandbox, in_ms(5000), &id, &e))
		fail_msg("identify: %s", e.what);
	assert_string_equal(id.serial, "file n socket n device n");
	assert_string_equal(id.model, "exec n ptrace n kill n");
	assert_string_equal(id.revision, "fork n");
	assert_int_equal(end(&l), 0);
}

static void evidence_goes_to_the_verifier_and_too_long_a_piece_does_not(void **state)
{
	static struct wire_msg m;
	struct line l;
	struct driver_ek_read ek;
	struct err e = {0}, none_left = {0};
	begin(&l, NULL);
	assert_false(sandbox_driver.read_ek(&l.sandbox, in_ms(5000), &ek, &e));
	assert_int_equal(e.code, E_BRIDGE);
	assert_true(wire_recv(l.verifier, &m, 0, &e));
	assert_int_equal(m.type, EVIDENCE_WIRE_BASE + EVIDENCE_EK_PUBLIC);
	assert_memory_equal(m.data, "public", 6);
	assert_false(wire_recv(l.verifier, &m, 0, &none_left));
	assert_int_equal(end(&l), 0);
}

static void challenge_send(struct line *l, uint32_t about, uint8_t mark)
{
	struct err e = {0};
	struct challenge c = {.about = about, .nonce = {mark}};
	assert_true(wire_send(l->verifier, EVIDENCE_CHALLENGE, &c, sizeof(c), clock_steady_ms() + 1000, &e));
}

/* Which challenge the driver was given: the mark in its nonce. */
static int answered(struct line *l, bool (*function)(void *, const struct driver_call *, struct err *))
{
	static struct wire_msg m;
	struct challenge c;
	struct err e = {0};
	if (!function(&l->sandbox, in_ms(150), &e))
		return -(int)e.code;
	assert_true(wire_recv(l->verifier, &m, 0, &e));
	assert_int_equal(m.len, sizeof(c));
	memcpy(&c, m.data, sizeof(c));
	return c.nonce[0];
}

static void challenge_is_the_last_that_came_and_fits_its_question(void **state)
{
	struct line l;
	begin(&l, NULL);
	assert_int_equal(answered(&l, sandbox_driver.activate), -E_CHILD_SILENT);
	challenge_send(&l, CHALLENGE_AK, 1);
	challenge_send(&l, CHALLENGE_AK, 2);
	assert_int_equal(answered(&l, sandbox_driver.activate), 2);
	assert_int_equal(answered(&l, sandbox_driver.certify), 2);
	assert_int_equal(answered(&l, sandbox_driver.prove_key), -E_CHILD_SILENT);
	challenge_send(&l, CHALLENGE_KEY, 3);
	assert_int_equal(answered(&l, sandbox_driver.prove_key), 3);
	assert_int_equal(answered(&l, sandbox_driver.certify), -E_CHILD_SILENT);
	challenge_send(&l, CHALLENGE_LEAF, 4);
	assert_int_equal(answered(&l, sandbox_driver.activate), 4);
	assert_int_equal(end(&l), 0);
}

static void answer_that_comes_late_is_not_taken_for_the_next(void **state)
{
	struct line l;
	struct driver_key_request one = {.seed = {1}}, zero = {.seed = {0}};
	struct driver_key_made made = {0};
	struct err e = {0}, late = {0};
	begin(&l, NULL);
	struct driver_call call = {.deadline_ms = clock_steady_ms() - 150};
	assert_false(sandbox_driver.make_key(&l.sandbox, &call, &one, &made, &late));
	assert_int_equal(late.code, E_CHILD_SILENT);
	if (!sandbox_driver.make_key(&l.sandbox, in_ms(5000), &zero, &made, &e))
		fail_msg("make_key: %s", e.what);
	assert_int_equal(made.made, 0);
	assert_int_equal(end(&l), 0);
}

static void longest_bundle_arrives_whole(void **state)
{
	static struct driver_bundle b = {.len = BUNDLE_MAX};
	struct line l;
	struct err e = {0};
	begin(&l, NULL);
	b.data[BUNDLE_MAX - 1] = 0x77;
	assert_true(sandbox_driver.install(&l.sandbox, in_ms(5000), &b, &e));
	assert_int_equal(end(&l), 0);
}

static void function_that_the_driver_lacks_is_said_to_be_missing(void **state)
{
	struct line l;
	uint8_t hash[SHA256_SIZE] = {0};
	struct err e = {0};
	begin(&l, NULL);
	assert_false(sandbox_driver.finish(&l.sandbox, in_ms(5000), hash, &e));
	assert_int_equal(e.code, E_NO_DRIVER);
	assert_int_equal(end(&l), 0);
}

static void capture_grows_no_longer_than_a_capture_may_be(void **state)
{
	struct line l;
	struct err e = {0};
	const uint8_t digest[SHA256_SIZE] = {0};
	struct key_signature made;
	signal(SIGXFSZ, SIG_IGN);	/* as the line's processes have it */
	begin(&l, NULL);
	assert_true(sandbox_driver.sign(&l.sandbox, in_ms(5000), digest, &made, &e));
	assert_int_equal(end(&l), 0);
}

static void child_that_ends_is_lost(void **state)
{
	struct line l;
	struct err e = {0};
	begin(&l, NULL);
	assert_false(sandbox_driver.read_back(&l.sandbox, in_ms(5000), &e));
	assert_int_equal(e.code, E_CHILD_LOST);
	int status = end(&l);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static void child_ends_when_its_line_closes(void **state)
{
	struct line l;
	int status;
	begin(&l, NULL);
	close(l.fd);
	close(l.verifier);
	assert_int_equal(waitpid(l.child, &status, 0), l.child);
	assert_int_equal(status, 0);
}

/* ---- children that lie: each answers open truly, and then as it likes ---- */

static struct sandbox_request liar_hears(int line, uint32_t *ret_op)
{
	static struct wire_msg m;
	struct sandbox_request r;
	struct err e = {0};
	if (!wire_recv(line, &m, WIRE_FOREVER, &e))
		_exit(0);
	memcpy(&r, m.data, sizeof(r));
	*ret_op = m.type;
	return r;
}

static void liar_says(int line, uint32_t op, const void *data, size_t len)
{
	struct err e = {0};
	if (!wire_send(line, op, data, len, clock_steady_ms() + 1000, &e))
		_exit(0);
}

static void liar_is_honest_once(int line)
{
	uint32_t op;
	struct sandbox_reply reply = {.turn = liar_hears(line, &op).turn};
	liar_says(line, op, &reply, sizeof(reply));
}

static struct sandbox_reply lie;
static size_t lie_len;
static uint32_t lie_op;
static int64_t lie_turn;

static void liar(int line)
{
	liar_is_honest_once(line);
	for (;;) {
		uint32_t op;
		lie.turn = liar_hears(line, &op).turn + (uint64_t)lie_turn;
		liar_says(line, lie_op ? lie_op : op, &lie, lie_len);
	}
}

static enum err_code lied_to(struct driver_identity *id)
{
	struct line l;
	struct err e = {0};
	begin(&l, liar);
	bool ok = sandbox_driver.identify(&l.sandbox, in_ms(300), id, &e);
	assert_true(ok == (e.code == E_NONE));
	for (const char *c = e.what; *c; c++)
		assert_in_range(*c, 0x20, 0x7e);
	kill(l.child, SIGKILL);
	end(&l);
	return e.code;
}

static void lie_begin(void)
{
	memset(&lie, 0, sizeof(lie));
	strcpy(lie.u.identity.serial, "S");
	strcpy(lie.u.identity.model, "M");
	strcpy(lie.u.identity.revision, "R");
	lie_len = sizeof(lie);
	lie_op = 0;
	lie_turn = 0;
}

static void honest_answer_is_believed(void **state)
{
	struct driver_identity id;
	lie_begin();
	assert_int_equal(lied_to(&id), E_NONE);
	assert_string_equal(id.serial, "S");
}

static void texts_that_are_no_texts_are_refused(void **state)
{
	struct driver_identity id;
	lie_begin();
	memset(lie.u.identity.serial, 'S', DRIVER_TEXT);
	assert_int_equal(lied_to(&id), E_BRIDGE);
	lie_begin();
	strcpy(lie.u.identity.model, "\x1b[2J");
	assert_int_equal(lied_to(&id), E_BRIDGE);
	lie_begin();
	lie.u.identity.revision[0] = '\0';
	assert_int_equal(lied_to(&id), E_BRIDGE);
	lie_begin();
	lie.u.identity.factory_closed = 2;
	assert_int_equal(lied_to(&id), E_BRIDGE);
}

static void answer_of_another_shape_loses_the_child_and_not_the_line(void **state)
{
	struct driver_identity id;
	lie_begin();
	lie_len = sizeof(lie) - 1;
	assert_int_equal(lied_to(&id), E_CHILD_LOST);
	lie_begin();
	lie_len = 0;
	assert_int_equal(lied_to(&id), E_CHILD_LOST);
	lie_begin();
	lie_op = WIRE_ERROR;
	assert_int_equal(lied_to(&id), E_CHILD_LOST);
	lie_begin();
	lie_turn = 1;
	assert_int_equal(lied_to(&id), E_CHILD_LOST);
	lie_begin();
	lie_turn = -1;	/* an old turn is dropped, for ever */
	assert_int_equal(lied_to(&id), E_CHILD_SILENT);
}

static void error_of_the_child_fails_the_unit_and_never_the_line(void **state)
{
	struct driver_identity id;
	for (uint32_t code = 1; code < E_COUNT + 3u; code++) {
		lie_begin();
		lie.err.code = code;
		memset(lie.err.what, '\x1b', sizeof(lie.err.what));
		enum err_code got = lied_to(&id);
		assert_int_not_equal(err_row(got)->class, ERR_STATION);
		assert_int_not_equal(err_row(got)->exhausted, ERR_STATION);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(driver_in_the_sandbox_can_open_nothing_and_start_nothing),
		cmocka_unit_test(evidence_goes_to_the_verifier_and_too_long_a_piece_does_not),
		cmocka_unit_test(challenge_is_the_last_that_came_and_fits_its_question),
		cmocka_unit_test(answer_that_comes_late_is_not_taken_for_the_next),
		cmocka_unit_test(longest_bundle_arrives_whole),
		cmocka_unit_test(function_that_the_driver_lacks_is_said_to_be_missing),
		cmocka_unit_test(capture_grows_no_longer_than_a_capture_may_be),
		cmocka_unit_test(child_that_ends_is_lost),
		cmocka_unit_test(child_ends_when_its_line_closes),
		cmocka_unit_test(honest_answer_is_believed),
		cmocka_unit_test(texts_that_are_no_texts_are_refused),
		cmocka_unit_test(answer_of_another_shape_loses_the_child_and_not_the_line),
		cmocka_unit_test(error_of_the_child_fails_the_unit_and_never_the_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
