/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel whose clock is synchronised, or not, as a test wants it: loaded before the C library. */
#include <stdlib.h>
#include <sys/timex.h>

int adjtimex(struct timex *t)
{
	const char *told = getenv("CLOCK_STATE");
	(void)t;
	return told ? atoi(told) : TIME_OK;
}
