/* SPDX-License-Identifier: Apache-2.0 */
/* The device's side of DPS over HTTPS (device API, by X.509 or by TPM): what the first boot of a device does, done from
 * here with the key that is in the device. The station's own credentials play no part.
 *
 * Registrations keep a pace of their own (pacer.h), since the service counts them apart. A Retry-After holds back the
 * device that was told, and an answer that did not come nobody; the others go by the pace, and its back-off after a 429. */
#ifndef STATION_DPS_RUNTIME_H
#define STATION_DPS_RUNTIME_H

#include "station/dps/dps.h"

struct runtime_result {
	struct registration state;	/* hub and device id are set if it succeeded */
	char operation_id[128];		/* "" if the service did not begin one */
	int64_t retry_after_ms;		/* with E_DPS_BUSY: what the service asks for; -1: nothing */
	int requests;			/* how many were sent */
};

/* Registers registration_id (which is the leaf's common name) and asks until the service has decided. Between two
 * questions it waits as the service's Retry-After says (1 to 300 s, else 2 s), also after 429 or 5xx, if that ends
 * before the deadline; else E_DPS_BUSY. True only when the device is assigned and the service named hub and device.
 * E_REHEARSAL: failed, disabled, or refused (native: the service's code, such as 401002; ret says what is known). E_NET:
 * unreachable, or not decided by the deadline. E_TLS, E_PROXY, E_DPS_ANSWER as in http.h, and the error of
 * identity->key's own callback. */
WARN_UNUSED bool runtime_register(struct dps *d, const char *registration_id, const struct http_identity *identity,
				  int64_t deadline_ms, struct runtime_result *ret, struct err *e);

/* The device's side of TPM attestation: what the device's TPM does, done by whoever
 * holds it. */
struct runtime_tpm {
	const struct bytes *ek, *srk;	/* TPM2B_PUBLIC with their sizes */
	/* Unwraps and keeps the service's key; then signs with it. */
	bool (*import)(void *ctx, const void *blob, size_t len, struct err *e);
	bool (*sign)(void *ctx, const void *text, size_t len, uint8_t ret[static SHA256_SIZE], struct err *e);
	void *ctx;
};

/* Registers by TPM attestation: asks, is challenged (401 with authenticationKey), has the TPM import that key, asks
 * again with a token signed by it, and waits as runtime_register does; the hub's key that comes with the assignment is
 * imported too, which proves that this TPM can read it. Errors as above, and those of the callbacks. */
WARN_UNUSED bool runtime_register_tpm(struct dps *d, const char *registration_id, const struct runtime_tpm *tpm,
				      int64_t deadline_ms, struct runtime_result *ret, struct err *e);

#endif
