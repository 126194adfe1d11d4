/* SPDX-License-Identifier: Apache-2.0 */
/* A number outside of the disk that only grows: what makes a restored or edited memory of the signer worthless. A row of
 * operations: an NV counter of the station's TPM (own_tpm.h), or an object on a token (token.h). Used by one thread at a
 * time. */
#ifndef CERTS_ANCHOR_H
#define CERTS_ANCHOR_H

#include "station/base/err.h"

#include <stdint.h>

struct anchor_ops {
	const char *name;	/* "tpm", "token" */
	/* Both: E_TOKEN_GONE, E_ANCHOR (it is not what it should be). After the lock-down they open nothing. */
	bool (*read)(void *state, uint64_t *ret, struct err *e);
	/* Grows it by one and gives the new number, which is lasting when this returns. */
	bool (*advance)(void *state, uint64_t *ret, struct err *e);
	void (*close)(void *state);	/* NULL: nothing to do */
};

struct anchor {
	const struct anchor_ops *ops;	/* NULL: there is none */
	void *state;
};

#endif
