/* SPDX-License-Identifier: Apache-2.0 */
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct {
	char dir[32], path[64];
} scratch;

static void clean_up(void)
{
	unlink(scratch.path);
	rmdir(scratch.dir);
}

const char *scratch_path(const char *name)
{
	if (scratch.path[0])
		return scratch.path;
	snprintf(scratch.dir, sizeof(scratch.dir), "/tmp/fuzz.XXXXXX");
	must(mkdtemp(scratch.dir));
	snprintf(scratch.path, sizeof(scratch.path), "%s/%s", scratch.dir, name);
	atexit(clean_up);
	return scratch.path;
}

_Noreturn void scratch_fail(const char *file, int line, const char *claim)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, claim);
	abort();
}
