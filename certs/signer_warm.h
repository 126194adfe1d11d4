/* SPDX-License-Identifier: Apache-2.0 */
/* Between signer.c and signer_child.c only. */
#ifndef CERTS_SIGNER_WARM_H
#define CERTS_SIGNER_WARM_H

#include "certs/signer.h"

/* Does once, and throws away, everything that a request will do: builds a leaf, signs a random
 * digest and a checkpoint of nothing. After it the signer opens nothing. A CA that has expired is
 * no failure here: requests will say so. E_SIGN, E_NOMEM. */
WARN_UNUSED bool signer_warm(struct signer *s, int64_t now_ms, struct err *e);

#endif
