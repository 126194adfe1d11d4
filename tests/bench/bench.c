/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t bench_now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double bench_median(double *values, size_t count)
{
	qsort(values, count, sizeof(values[0]), compare);
	return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

bool bench_wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--json"))
			return true;
	return false;
}

bool bench_print(const struct bench *b, bool json)
{
	double ratio = b->own / b->limit;
	char floor[16];
	snprintf(floor, sizeof(floor), b->floor > 0 ? "%.2f" : json ? "null" : "-", b->floor);
	if (json)
		printf("{\"name\":\"%s\",\"own\":%.6g,\"unit\":\"%s\",\"against\":\"%s\",\"limit\":%.6g,\"ratio\":%.3f,\"floor\":%s}\n",
		       b->name, b->own, b->unit, b->against, b->limit, ratio, floor);
	else
		printf("%-28s %12.6g %-12s limit %12.6g (%s)  ratio %.3f  floor %s\n", b->name, b->own, b->unit, b->limit, b->against,
		       ratio, floor);
	fflush(stdout);
	return ratio >= 0.9 * b->floor;
}
