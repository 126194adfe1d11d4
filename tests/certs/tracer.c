/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/certs/tracer.h"

#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/ptrace.h>
#include <linux/seccomp.h>

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

struct seen tracer_watch(pid_t pid)
{
	struct ptrace_syscall_info last = {0};
	struct seen seen = {0};
	int status;
	if (waitpid(pid, &status, 0) != pid || ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL) < 0)
		return seen;
	while (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status))
		if (WSTOPSIG(status) == (SIGTRAP | 0x80))
			see(pid, &last, &seen);
	return seen;
}
