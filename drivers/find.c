/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/driver.h"

#include <string.h>

const struct driver *driver_real(const char *spec)
{
	const char *colon = strrchr(spec, ':');
	const char *name = colon ? colon + 1 : spec;
	for (const struct driver *const *d = driver_table; *d; d++)
		if (strcmp((*d)->name, name) == 0)
			return *d;
	return NULL;
}
