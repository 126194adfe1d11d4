/* SPDX-License-Identifier: Apache-2.0 */
/* Did you mean … ? */
#include "station/config_reading.h"

#include <string.h>

/* Edits between two short words, counting a swap of neighbours as one; large when a word is
 * long. */
static int distance(const char *a, const char *b)
{
	int d[34][34];
	int n = (int)strlen(a), m = (int)strlen(b);
	if (n > 32 || m > 32)
		return 99;
	for (int i = 0; i <= n; i++)
		for (int k = 0; k <= m; k++) {
			if (!i || !k) {
				d[i][k] = i + k;
				continue;
			}
			int same = d[i - 1][k - 1] + (a[i - 1] != b[k - 1]);
			int skip = 1 + (d[i - 1][k] < d[i][k - 1] ? d[i - 1][k] : d[i][k - 1]);
			d[i][k] = same < skip ? same : skip;
			bool swap = i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1];
			if (swap && d[i - 2][k - 2] + 1 < d[i][k])
				d[i][k] = d[i - 2][k - 2] + 1;
		}
	return d[n][m];
}

/* Of one of the words: the nearest one that may be meant; NULL for none. */
const char *config_nearer(const char *word, const char *candidate, const char *best)
{
	int d = distance(word, candidate);
	if (d > 3 || d * 2 >= (int)strlen(candidate) + 1)
		return best;
	int so_far = best ? distance(word, best) : d + 1;
	bool begins_alike = candidate[0] == word[0];	/* of two that are as near */
	return d < so_far || (d == so_far && begins_alike && best[0] != word[0]) ? candidate : best;
}
