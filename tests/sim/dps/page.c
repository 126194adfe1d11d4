/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of a query: in order of key, the continuation being the last key that was given. */
#include "entries.h"

#include "util.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_DEFAULT 100
#define PAGE_MAX 1000

bool page_cut(const struct request *r, const char *const *keys, size_t n, size_t *ret_from,
	size_t *ret_to, struct answer *a)
{
	int64_t size = PAGE_DEFAULT;
	size_t len = 0, from = 0;
	if (r->max_items && (!text_number(r->max_items, &size) || size < 1))
		return answer_error(a, 400000, "The header x-ms-max-item-count is invalid.");
	if (size > PAGE_MAX)
		size = PAGE_MAX;
	if (r->continuation && *r->continuation) {
		uint8_t *last = base64_bytes(r->continuation, &len);
		if (!last)
			return answer_error(a, 400000, "The header x-ms-continuation is invalid.");
		while (from < n && strcmp(keys[from], (char *)last) <= 0)
			from++;
		free(last);
	}
	*ret_from = from;
	*ret_to = n - from < (size_t)size ? n : from + (size_t)size;
	return true;
}

void page_answer(struct answer *a, json_t *take_list, const char *item_type, size_t count,
	const char *more)
{
	answer_with(a, 200, take_list);
	answer_header(a, "x-ms-item-type", "%s", item_type);
	answer_header(a, "x-ms-max-item-count", "%zu", count);
	if (!more)
		return;
	AUTO_TEXT token = base64_of(more, strlen(more));
	answer_header(a, "x-ms-continuation", "%s", token);
}
