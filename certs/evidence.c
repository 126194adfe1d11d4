/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/evidence.h"

void proof_digest(const uint8_t nonce[static 32], uint8_t ret[static SHA256_SIZE])
{
	const struct span parts[] = {{PROOF_LABEL, sizeof(PROOF_LABEL)}, {nonce, 32}};	/* the zero byte is the label's own end */
	sha256(parts, COUNT_OF(parts), ret);
}
