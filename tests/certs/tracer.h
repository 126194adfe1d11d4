/* SPDX-License-Identifier: Apache-2.0 */
/* Watches a child's system calls (ptrace) to its end: what it still tries behind its lock-down, and what the filter refuses. */
#ifndef TESTS_CERTS_TRACER_H
#define TESTS_CERTS_TRACER_H

#include <stdbool.h>
#include <sys/types.h>

struct seen {
	bool locked;		/* its filter is in force */
	unsigned calls, refused;	/* system calls from then on, and those that the filter refused */
};

/* The child has asked to be traced (PTRACE_TRACEME) and stops at its exec. */
struct seen tracer_watch(pid_t pid);

#endif
