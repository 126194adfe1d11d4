/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/driver.h"

#include <string.h>

const struct driver *driver_find(const char *name)
{
	for (const struct driver *const *d = driver_table; *d; d++)
		if (strcmp((*d)->name, name) == 0)
			return *d;
	return NULL;
}
