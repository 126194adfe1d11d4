/* SPDX-License-Identifier: Apache-2.0 */
/* Cleanup at the end of a scope, and the few compiler attributes that the house uses.
 *
 * AUTO(bytes) struct bytes b = {0};   calls bytes_fini(&b) when b leaves its scope.
 * AUTO_FD int fd = -1;                closes the descriptor.
 * AUTO_FREE char *s = NULL;           frees what malloc gave.
 * A room declares the cleanup of its own type beside the type: AUTO_DEFINE(bytes, struct bytes). */
#ifndef STATION_BASE_AUTO_H
#define STATION_BASE_AUTO_H

#include <stdlib.h>
#include <unistd.h>

#define WARN_UNUSED __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

#define AUTO(name) __attribute__((cleanup(name##_auto)))
#define AUTO_DEFINE(name, type) \
	static inline void name##_auto(type *x) { name##_fini(x); }

static inline void fd_auto(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void free_auto(void *p)
{
	free(*(void **)p);
}

#define AUTO_FD __attribute__((cleanup(fd_auto)))
#define AUTO_FREE __attribute__((cleanup(free_auto)))

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

#endif
