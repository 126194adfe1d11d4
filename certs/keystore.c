/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/keystore.h"

#include <string.h>

bool keystore_sign(const struct keystore *k, const uint8_t digest[static SHA256_SIZE], struct keystore_signature *ret,
		   struct err *e)
{
	return k->ops->sign(k->state, digest, ret, e);
}

void keystore_close(struct keystore *k)
{
	if (k && k->ops && k->ops->close)
		k->ops->close(k->state);
	if (k)
		memset(k, 0, sizeof(*k));
}
