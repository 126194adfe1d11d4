/* SPDX-License-Identifier: Apache-2.0 */
/* A directory for what a fuzz target must have as a file; it goes when the process ends in order. */
#ifndef TESTS_FUZZ_SCRATCH_H
#define TESTS_FUZZ_SCRATCH_H

/* The path of `name` in it; the same memory for ever. Aborts where there is no such directory to be had. */
const char *scratch_path(const char *name);

/* Ends a target whose claim does not hold. */
#define must(claim) do { if (!(claim)) scratch_fail(__FILE__, __LINE__, #claim); } while (0)
_Noreturn void scratch_fail(const char *file, int line, const char *claim);

#endif
