/* SPDX-License-Identifier: Apache-2.0 */
/* fill_outbox LEDGER ORIGIN COUNT [--first N] [--spoiled N] [--age-hours H]: see filler.h; units are unit-NUMBER. */
#include "tests/station/filler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct err e = {0};
	struct filler f = {.prefix = "unit-", .first = 1};
	for (int i = 4; i + 1 < argc; i += 2) {
		unsigned value = (unsigned)strtoul(argv[i + 1], NULL, 10);
		if (!strcmp(argv[i], "--first"))
			f.first = value;
		else if (!strcmp(argv[i], "--spoiled"))
			f.spoiled = value;
		else if (!strcmp(argv[i], "--age-hours"))
			f.age_ms = (int64_t)value * 3600000;
		else
			argc = 0;
	}
	if (argc < 4 || argc % 2) {
		fprintf(stderr, "fill_outbox LEDGER ORIGIN COUNT [--first N] [--spoiled N] [--age-hours H]\n");
		return 2;
	}
	f.count = (unsigned)strtoul(argv[3], NULL, 10);
	if (filler_fill(argv[1], argv[2], &f, &e))
		return 0;
	fprintf(stderr, "fill_outbox: %s %s\n", err_row(e.code)->code, e.what);
	return 1;
}
