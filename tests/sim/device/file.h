/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_FILE_H
#define SIM_FILE_H

/* Files of the simulation: read whole, replace atomically. */

#include "why.h"

#include <stddef.h>
#include <stdint.h>

/* Gives the whole file in malloc'd memory, a zero byte after it. *ret_data is NULL when there is no such file. */
MUST_CHECK bool file_read(const char *dir, const char *name, size_t max, uint8_t **ret_data, size_t *ret_len,
	struct why *w);
/* Writes NAME.tmp and makes it durable, but leaves it beside the old file. */
MUST_CHECK bool file_stage(const char *dir, const char *name, const void *data, size_t len, struct why *w);
/* Lets NAME.tmp take the place of NAME, durably. */
MUST_CHECK bool file_swap(const char *dir, const char *name, struct why *w);
/* Both. */
MUST_CHECK bool file_replace(const char *dir, const char *name, const void *data, size_t len, struct why *w);
/* Removes NAME; none is fine. */
void file_remove(const char *dir, const char *name);

#endif
