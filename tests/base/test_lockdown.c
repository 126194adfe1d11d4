/* SPDX-License-Identifier: Apache-2.0 */
/* The lock-down as a locked-in process sees it: each attempt is made in a child of its own, after lockdown(). */
#include "station/base/lockdown.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

/* What a child may use that was opened before: a file and a socket pair. */
struct opened {
	int file, ours, peer;
};

/* Returns 0 or an errno. */
typedef int attempt(const struct opened *o);

#define ERRNO_OF(call) ((call) < 0 ? errno : 0)

static int open_a_file(const struct opened *o)
{
	return ERRNO_OF(syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY, 0));
}

static int open_by_the_old_call(const struct opened *o)
{
#ifdef SYS_open
	return ERRNO_OF(syscall(SYS_open, "/etc/passwd", O_RDONLY, 0));
#else
	return EPERM;
#endif
}

static int open_another_device(const struct opened *o)
{
	return ERRNO_OF(syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR, 0));
}

static int open_by_openat2(const struct opened *o)
{
	uint64_t how[3] = {O_RDONLY};
	return ERRNO_OF(syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", how, sizeof(how)));
}

static int open_a_socket(const struct opened *o)
{
	return ERRNO_OF(syscall(SYS_socket, AF_INET, SOCK_STREAM, 0));
}

static int open_a_socket_pair(const struct opened *o)
{
	int pair[2];
	return ERRNO_OF(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, pair));
}

static int connect_a_socket(const struct opened *o)
{
	struct sockaddr a = {AF_UNSPEC};
	return ERRNO_OF(syscall(SYS_connect, o->ours, &a, sizeof(a)));
}

static int fork_a_process(const struct opened *o)
{
	long pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0);
	if (pid == 0)
		_exit(0);
	return ERRNO_OF(pid);
}

static int fork_by_clone3(const struct opened *o)
{
	uint64_t args[11] = {[4] = SIGCHLD};
	long pid = syscall(SYS_clone3, args, sizeof(args));
	if (pid == 0)
		_exit(0);
	return ERRNO_OF(pid);
}

static int execute_a_program(const struct opened *o)
{
	char *argv[] = {NULL, NULL};
	return ERRNO_OF(syscall(SYS_execve, "/bin/true", argv, argv));
}

static int execute_a_descriptor(const struct opened *o)
{
	char *argv[] = {NULL, NULL};
	return ERRNO_OF(syscall(SYS_execveat, o->file, "", argv, argv, AT_EMPTY_PATH));
}

static int trace_a_process(const struct opened *o)
{
	return ERRNO_OF(syscall(SYS_ptrace, PTRACE_TRACEME, 0, NULL, NULL));
}

static int read_the_parents_memory(const struct opened *o)
{
	char c;
	struct iovec here = {&c, 1}, there = {&c, 1};
	return ERRNO_OF(syscall(SYS_process_vm_readv, getppid(), &here, 1, &there, 1, 0));
}

static int kill_the_parent(const struct opened *o)
{
	return ERRNO_OF(syscall(SYS_kill, getpid(), 0));
}

static int duplicate_a_descriptor(const struct opened *o)
{
	return ERRNO_OF(syscall(SYS_dup3, o->file, 15, 0));
}

static int undo_it_by_prctl(const struct opened *o)
{
	return ERRNO_OF(syscall(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int raise_a_limit(const struct opened *o)
{
	return ERRNO_OF(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, NULL));
}

static int map_executable_memory(const struct opened *o)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? errno : 0;
}

static int make_memory_executable(const struct opened *o)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? ENOMEM : ERRNO_OF(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int make_memory_executable_by_key(const struct opened *o)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return p == MAP_FAILED ? ENOMEM : ERRNO_OF(syscall(SYS_pkey_mprotect, p, 4096, PROT_READ | PROT_EXEC, -1));
}

static int ask_a_terminal(const struct opened *o)
{
	char c = 'x';
	return ERRNO_OF(syscall(SYS_ioctl, o->file, 0x5412 /* TIOCSTI, type 'T' */, &c));
}

static int truncate_a_file(const struct opened *o)
{
	return ERRNO_OF(syscall(SYS_ftruncate, o->file, 0));
}

static int use_io_uring(const struct opened *o)
{
	char params[120] = {0};
	return ERRNO_OF(syscall(SYS_io_uring_setup, 4, params));
}

static const struct refusal {
	const char *name;
	attempt *make;
} refusals[] = {
	{"open a file", open_a_file}, {"open a file by open", open_by_the_old_call}, {"open a file by openat2", open_by_openat2},
	{"open another device", open_another_device}, {"open a socket", open_a_socket}, {"open a socket pair", open_a_socket_pair},
	{"connect a socket", connect_a_socket}, {"fork", fork_a_process}, {"clone3", fork_by_clone3},
	{"exec", execute_a_program}, {"execveat", execute_a_descriptor}, {"ptrace", trace_a_process},
	{"process_vm_readv", read_the_parents_memory}, {"kill", kill_the_parent}, {"dup3", duplicate_a_descriptor},
	{"prctl", undo_it_by_prctl}, {"prlimit", raise_a_limit}, {"mmap executable", map_executable_memory},
	{"mprotect executable", make_memory_executable}, {"pkey_mprotect executable", make_memory_executable_by_key},
	{"ioctl of another type", ask_a_terminal}, {"ftruncate", truncate_a_file}, {"io_uring", use_io_uring},
};

static int use_what_was_opened(const struct opened *o)
{
	char c = 'a';
	struct pollfd p = {o->ours, POLLIN | POLLOUT, 0};
	struct iovec iov = {&c, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	if (write(o->file, &c, 1) != 1 || pread(o->file, &c, 1, 0) != 1 || pwrite(o->file, &c, 1, 0) != 1)
		return errno;
	if (fdatasync(o->file) != 0 || sendmsg(o->peer, &m, MSG_NOSIGNAL) != 1 || poll(&p, 1, 100) != 1)
		return errno;
	return recvmsg(o->ours, &m, MSG_DONTWAIT) == 1 ? 0 : errno;
}

static int use_memory_time_and_chance(const struct opened *o)
{
	struct timespec moment = {0, 1000};
	volatile char *big = malloc(4 << 20);
	char chance[16];
	if (!big)
		return ENOMEM;
	big[1 << 20] = 1;
	free((void *)(uintptr_t)big);
	if (clock_gettime(CLOCK_REALTIME, &moment) != 0 || getrandom(chance, sizeof(chance), 0) != sizeof(chance))
		return errno;
	moment = (struct timespec){0, 1000};
	return clock_nanosleep(CLOCK_MONOTONIC, 0, &moment, NULL);
}

/* A file is no usbfs: ENOTTY comes from the file, EPERM would come from the filter. */
static int ask_usbfs(const struct opened *o)
{
	int rc = ERRNO_OF(syscall(SYS_ioctl, o->file, 0x8004551a /* GET_CAPABILITIES, type 'U' */, NULL));
	return rc == ENOTTY ? 0 : rc;
}

/* Runs the attempt locked in; its errno, or 1000 + signal, or -1 when the lock-down failed. */
static int locked_in(attempt *try)
{
	struct opened o;
	int pair[2], status;
	char path[] = "/tmp/test_lockdown.XXXXXX";
	o.file = mkstemp(path);
	assert_true(o.file >= 0);
	unlink(path);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	o.ours = pair[0];
	o.peer = pair[1];
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct err e = {0};
		lockdown_warm();
		if (!lockdown(&e)) {
			dprintf(2, "%s\n", e.what);
			_exit(255);
		}
		_exit(try(&o));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(o.file);
	close(o.ours);
	close(o.peer);
	if (WIFSIGNALED(status))
		return 1000 + WTERMSIG(status);
	return WEXITSTATUS(status) == 255 ? -1 : WEXITSTATUS(status);
}

static void locked_in_process_gets_eperm_for_everything_else(void **state)
{
	for (size_t i = 0; i < COUNT_OF(refusals); i++) {
		int rc = locked_in(refusals[i].make);
		if (rc != EPERM)
			fail_msg("%s: %d", refusals[i].name, rc);
	}
}

static void locked_in_process_uses_what_it_has(void **state)
{
	assert_int_equal(locked_in(use_what_was_opened), 0);
	assert_int_equal(locked_in(use_memory_time_and_chance), 0);
	assert_int_equal(locked_in(ask_usbfs), 0);
}

#ifdef __x86_64__
static int call_by_x32(const struct opened *o)
{
	return ERRNO_OF(syscall(0x40000000 | SYS_getpid));
}

static void call_of_another_abi_ends_the_process(void **state)
{
	assert_int_equal(locked_in(call_by_x32), 1000 + SIGSYS);
}
#endif

static int claims_of_proc(int status)
{
	char text[4096];
	ssize_t n = pread(status, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return 254;
	text[n] = '\0';
	if (!strstr(text, "Seccomp:\t2") || !strstr(text, "NoNewPrivs:\t1"))
		return 253;
	return 0;
}

static void kernel_says_that_the_process_is_locked_in(void **state)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		struct err e = {0};
		struct rlimit files;
		int fd = open("/proc/thread-self/status", O_RDONLY);
		if (!lockdown(&e) || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1 || getrlimit(RLIMIT_NOFILE, &files) == 0)
			_exit(252);
		_exit(claims_of_proc(fd));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void no_core_is_dumped_of_any_process_of_the_station(void **state)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		struct err e = {0};
		struct rlimit core;
		_exit(!lockdown_no_core(&e) || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0
		      || getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_max != 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* grandparent (test) - parent - child: the parent ends, and the child, which would sleep for long, closes its end of the pipe. */
static void child_dies_with_its_parent(void **state)
{
	int alive[2], ready[2];
	char c;
	assert_int_equal(pipe(alive) | pipe(ready), 0);
	pid_t parent = fork();
	if (parent == 0) {
		pid_t me = getpid();
		if (fork() == 0) {
			struct err e = {0};
			if (lockdown_die_with_parent(me, &e) && write(ready[1], "r", 1) == 1)
				sleep(30);
			_exit(0);
		}
		_exit(read(ready[0], &c, 1) != 1);
	}
	close(alive[1]);
	assert_int_equal(waitpid(parent, NULL, 0), parent);
	struct pollfd p = {alive[0], POLLIN, 0};
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(read(alive[0], &c, 1), 0);
	close(alive[0]);
	close(ready[0]);
	close(ready[1]);
}

static void orphan_is_told_that_its_parent_has_ended(void **state)
{
	int status;
	pid_t pid = fork();
	if (pid == 0) {
		struct err e = {0};
		_exit(lockdown_die_with_parent(getpid(), &e) || e.code != E_LOCKDOWN);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(locked_in_process_gets_eperm_for_everything_else),
		cmocka_unit_test(locked_in_process_uses_what_it_has),
#ifdef __x86_64__
		cmocka_unit_test(call_of_another_abi_ends_the_process),
#endif
		cmocka_unit_test(kernel_says_that_the_process_is_locked_in),
		cmocka_unit_test(no_core_is_dumped_of_any_process_of_the_station),
		cmocka_unit_test(child_dies_with_its_parent),
		cmocka_unit_test(orphan_is_told_that_its_parent_has_ended),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
