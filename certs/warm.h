/* SPDX-License-Identifier: Apache-2.0 */
/* What libcrypto would open or fetch later, done now: call in the launcher, so that children
 * inherit it, and before a lock-down. */
#ifndef CERTS_WARM_H
#define CERTS_WARM_H

void certs_warm(void);

#endif
