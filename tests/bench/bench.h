/* SPDX-License-Identifier: Apache-2.0 */
/* What every benchmark shares: time, medians, and one way to say the result.
 *
 * A benchmark compares its own figure with a limit that is measured in the same run, in rounds that take turns, so that a slow or busy
 * machine slows both. The ratio own / limit is what counts; it fails when the ratio is more than 10 % below its floor. */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bench {
	const char *name;	/* "ledger.first_1000" */
	double own;
	const char *unit;	/* "commits/s" */
	const char *against;	/* what the limit is: "pwrite 4 KiB + fdatasync" */
	double limit;
	double floor;	/* of own / limit; 0 if there is none yet */
};

/* Nanoseconds of the steady clock. */
uint64_t bench_now_ns(void);

/* The median; sorts the values. */
double bench_median(double *values, size_t count);

/* True if "--json" is among the arguments. */
bool bench_wants_json(int argc, char **argv);

/* Prints one line: columns (name, own, limit, ratio, floor), or a JSON object {"name","own","unit","against","limit","ratio","floor"}. False
 * if the ratio is below 0.9 times the floor. */
bool bench_print(const struct bench *b, bool json);

#endif
