/* SPDX-License-Identifier: Apache-2.0 */
#include "station/base/lockdown.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <linux/capability.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* poll refuses more entries than RLIMIT_NOFILE, and libusb then waits for ever: never 0. Landlock's ruleset needs one as well. */
#define OPEN_FILES 16
#define DATA_BYTES ((rlim_t)512 << 20)
#define IOCTL_TYPE_MASK 0xff00
#define IOCTL_TYPE_USBFS ((unsigned)'U' << 8)
#define EXEC_FORBIDDEN(argument) SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)

static const int allowed[] = {
	/* open descriptors and sockets */
	SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(pread64), SCMP_SYS(pwrite64),
	SCMP_SYS(fdatasync), SCMP_SYS(close), SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(sendmsg), SCMP_SYS(recvmsg),
	SCMP_SYS(poll), SCMP_SYS(ppoll),
	/* memory; mmap and mprotect have rules of their own */
	SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(brk), SCMP_SYS(madvise),
	/* time, chance, threads' locks */
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_getres), SCMP_SYS(gettimeofday), SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep),
	SCMP_SYS(timerfd_settime), SCMP_SYS(getrandom), SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(restart_syscall),
	/* itself */
	SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(exit), SCMP_SYS(exit_group),
#ifdef __SANITIZE_ADDRESS__
	/* what the sanitizer's own run time does between and after checks */
	SCMP_SYS(sigaltstack), SCMP_SYS(rt_sigaction), SCMP_SYS(sched_getaffinity), SCMP_SYS(getrusage),
#endif
};

static bool filter_fill(scmp_filter_ctx filter, bool clock, struct err *e)
{
	int rc = 0;
	if (clock)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clock_adjtime), 0);
	if (clock && rc == 0)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(adjtimex), 0);
	for (size_t i = 0; i < COUNT_OF(allowed) && rc == 0; i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	if (rc == 0)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, EXEC_FORBIDDEN(2));
	if (rc == 0)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, EXEC_FORBIDDEN(2));
	if (rc == 0)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
				      SCMP_CMP(1, SCMP_CMP_MASKED_EQ, IOCTL_TYPE_MASK, IOCTL_TYPE_USBFS));
	return rc == 0 || err_native(e, E_LOCKDOWN, rc, "seccomp rule: %s", strerror(-rc));
}

/* System calls of another ABI (32 bit, x32) have other numbers, so a list of ours says nothing about them: they end the process. */
static bool filter_load(bool clock, struct err *e)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!filter)
		return err_set(e, E_LOCKDOWN, "seccomp_init");
	int rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (rc == 0)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	bool ok = rc == 0 ? filter_fill(filter, clock, e) : err_native(e, E_LOCKDOWN, rc, "seccomp: %s", strerror(-rc));
	if (ok && (rc = seccomp_load(filter)) != 0)
		ok = err_native(e, E_LOCKDOWN, rc, "seccomp_load: %s", strerror(-rc));
	seccomp_release(filter);
	return ok;
}

/* As the kernel of today knows it; the header of the build system may be older. */
struct ruleset {
	uint64_t fs, net, scoped;
};

/* Which rights a kernel's Landlock can take away, by its ABI version; asking for others is an error. */
static size_t ruleset_of(long abi, struct ruleset *ret)
{
	unsigned fs_bits = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;
	ret->fs = ((uint64_t)1 << fs_bits) - 1;
	ret->net = abi >= 4 ? 3 : 0;
	ret->scoped = abi >= 6 ? 3 : 0;
	return abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
}

static bool landlock(struct err *e)
{
	struct ruleset rules;
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1 && (errno == ENOSYS || errno == EOPNOTSUPP))
		return true;
	if (abi < 1)
		return err_errno(e, E_LOCKDOWN, "Landlock's version");
	size_t size = ruleset_of(abi, &rules);
	AUTO_FD int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, size, 0);
	if (fd < 0)
		return err_errno(e, E_LOCKDOWN, "Landlock's rules");
	if (syscall(SYS_landlock_restrict_self, fd, 0) != 0)
		return err_errno(e, E_LOCKDOWN, "Landlock");
	return true;
}

static bool limit(int what, rlim_t most, struct err *e)
{
	struct rlimit now;
	if (getrlimit(what, &now) != 0)
		return err_errno(e, E_LOCKDOWN, "getrlimit %d", what);
	if (now.rlim_max != RLIM_INFINITY && now.rlim_max < most)
		most = now.rlim_max;
	if (setrlimit(what, &(struct rlimit){most, most}) != 0)
		return err_errno(e, E_LOCKDOWN, "setrlimit %d", what);
	return true;
}

static bool limits(struct err *e)
{
#ifndef __SANITIZE_ADDRESS__	/* the sanitizer's shadow memory counts as data */
	if (!limit(RLIMIT_DATA, DATA_BYTES, e))
		return false;
#endif
	return limit(RLIMIT_NOFILE, OPEN_FILES, e) && limit(RLIMIT_NPROC, 0, e) && limit(RLIMIT_MEMLOCK, 0, e);
}

bool lockdown_no_core(struct err *e)
{
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return err_errno(e, E_LOCKDOWN, "not dumpable");
	return limit(RLIMIT_CORE, 0, e);
}

static bool no_capabilities(struct err *e)
{
	struct __user_cap_header_struct who = {_LINUX_CAPABILITY_VERSION_3, 0};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
	struct __user_cap_data_struct has[_LINUX_CAPABILITY_U32S_3] = {{0}};
	/* A service that has none to give up is often not allowed to ask for it, either. */
	if (syscall(SYS_capget, &who, has) == 0 && !memcmp(has, none, sizeof(has)))
		return true;
	return syscall(SYS_capset, &who, none) == 0 || err_errno(e, E_LOCKDOWN, "giving up capabilities");
}

static bool lock_in(bool clock, struct err *e)
{
	if (!lockdown_no_core(e))
		return false;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_errno(e, E_LOCKDOWN, "no new privileges");
	return landlock(e) && limits(e) && (!clock || no_capabilities(e)) && filter_load(clock, e);
}

bool lockdown(struct err *e)
{
	return lock_in(false, e);
}

bool lockdown_with_clock(struct err *e)
{
	return lock_in(true, e);
}

bool lockdown_die_with_parent(int parent_pid, struct err *e)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
		return err_errno(e, E_LOCKDOWN, "die with the parent");
	/* It may have ended before we asked. */
	if (getppid() != parent_pid)
		return err_set(e, E_LOCKDOWN, "the parent has ended");
	return true;
}

void lockdown_warm(void)
{
	char text[64], byte;
	struct tm tm;
	time_t now = time(NULL);
	tzset();
	if (localtime_r(&now, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %Z", &tm);
	snprintf(text, sizeof(text), "%s %.3f", strerror(EPERM), (double)now);
	/* A kernel without entropy yet is waited for by who needs the number. */
	(void)!getrandom(&byte, sizeof(byte), GRND_NONBLOCK);
}
