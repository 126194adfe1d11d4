/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/driver.h"

#include <string.h>

static const struct driver *find(const char *name)
{
	for (const struct driver *const *d = driver_table; *d; d++)
		if (strcmp((*d)->name, name) == 0)
			return *d;
	return NULL;
}

/* What wraps a driver stands before it, each with a ':' behind. */
const struct driver *driver_real(const char *spec)
{
	const char *colon = strrchr(spec, ':');
	return find(colon ? colon + 1 : spec);
}

const struct driver *driver_find(const char *spec)
{
	return find(spec);
}
