/* SPDX-License-Identifier: Apache-2.0 */
/* What drivers/driver.h asks of every driver, asked of every driver in the registry: bare, and in a locked-in process of its own.
 * Arguments: the bench's directory; bare or wrapped; names of drivers, or none for all. */
#include "life.h"

#include <stdio.h>
#include <string.h>

#define TESTS_MAX 60

static int test_end(void **state)
{
	rig_clear();
	return 0;
}

static bool fits(const struct conform_test *t)
{
	return by_tpm() ? t->tpm : t->csr;
}

static int run(const struct driver *d, bool wrapped)
{
	static const struct conform_test *const parts[] = {
		conform_key, conform_install, conform_time, conform_power, conform_child, conform_line,
	};
	struct CMUnitTest tests[TESTS_MAX];
	size_t count = 0;
	char name[DRIVER_TEXT + 16];
	subject_set(d, wrapped);
	for (size_t i = 0; i < COUNT_OF(parts); i++)
		for (const struct conform_test *t = parts[i]; t->test && count < TESTS_MAX; t++)
			if (fits(t))
				tests[count++] = (struct CMUnitTest){t->name, t->test, NULL, test_end, NULL};
	snprintf(name, sizeof(name), "%s, %s", d->name, wrapped ? "wrapped" : "bare");
	printf("%s\n", name);
	return _cmocka_run_group_tests(name, tests, count, NULL, NULL);
}

int main(int argc, char **argv)
{
	int failed = 0;
	if (argc < 3)
		return 2;
	bool wrapped = strcmp(argv[2], "wrapped") == 0;
	rig_start(argv[1]);
	for (int i = 3; i < argc; i++)
		failed += driver_find(argv[i]) ? run(driver_find(argv[i]), wrapped) : 1;
	for (const struct driver *const *d = driver_table; argc == 3 && *d; d++)
		failed += run(*d, wrapped);
	rig_stop();
	return failed != 0;
}
