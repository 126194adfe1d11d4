/* SPDX-License-Identifier: Apache-2.0 */
/* How a child process gives up its rights, for good: no new privileges, not dumpable, dies with its parent, Landlock where
 * the kernel has it (no file system at all), seccomp by an allow-list (default EPERM), resource limits. One filter for all
 * children and no test switch; what was opened before stays usable. libseccomp does the filter.
 *
 * Still possible afterwards: read, write, pread, pwrite, fdatasync on open descriptors; sendmsg and recvmsg on open sockets;
 * poll; memory without PROT_EXEC; time; random numbers; ioctl only of the usbfs type 'U'; exit.
 * Refused with EPERM: opening anything, sockets, fork, clone, exec, ptrace, kill, prctl, mmap or mprotect with PROT_EXEC. */
#ifndef STATION_BASE_LOCKDOWN_H
#define STATION_BASE_LOCKDOWN_H

#include "station/base/err.h"

/* Locks the calling process (single-threaded) in. E_LOCKDOWN. Landlock missing is no error; anything else is. */
WARN_UNUSED bool lockdown(struct err *e);

/* The same for who must know whether the clock is right: it may ask the kernel (clock_adjtime), and first gives up every
 * capability, so that it cannot set it. */
WARN_UNUSED bool lockdown_with_clock(struct err *e);

/* The softer first half, for every process of the station: not dumpable, no core file. */
WARN_UNUSED bool lockdown_no_core(struct err *e);

/* The child is killed when the process that forked it ends; call first thing after fork, with the parent's pid. */
WARN_UNUSED bool lockdown_die_with_parent(int parent_pid, struct err *e);

/* What a fetch of an algorithm, the time zone, a random number, a locale would open later: opened now.
 * For libcrypto itself see certs/warm.h. */
void lockdown_warm(void);

#endif
