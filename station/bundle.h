/* SPDX-License-Identifier: Apache-2.0 */
/* The install bundle: what the device needs to register, as docs/tpm-bridge.md section 3 writes it. Pure. */
#ifndef STATION_BUNDLE_H
#define STATION_BUNDLE_H

#include "drivers/driver.h"
#include "station/base/bytes.h"

#define BUNDLE_KEY_PARENT 0x40000001u	/* TPM_RH_OWNER: the leaf key is a primary key */

struct bundle_parts {
	const struct bytes *leaf;	/* DER; NULL: the unit registers by its endorsement key, and gets neither certificate nor key */
	const struct bytes *chain;	/* DER, nearest to the leaf first */
	size_t chain_count;
	const char *id_scope, *global_endpoint, *registration_id;
	uint32_t key_handle;	/* of the key in its TPM; 0: the unit knows where its key is */
};

/* E_TEXT if it does not fit BUNDLE_MAX. */
WARN_UNUSED bool bundle_build(const struct bundle_parts *parts, struct driver_bundle *ret, struct err *e);

#endif
