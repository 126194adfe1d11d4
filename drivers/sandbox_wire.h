/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of the sandbox say to each other: one request and one reply per function of the vtable, of fixed size. */
#ifndef DRIVERS_SANDBOX_WIRE_H
#define DRIVERS_SANDBOX_WIRE_H

#include "drivers/driver.h"

/* A message's type is the function; a reply repeats it, or is WIRE_ERROR's own. */
enum sandbox_op {
	SANDBOX_OPEN = 1, SANDBOX_CLOSE, SANDBOX_IDENTIFY, SANDBOX_READ_EK, SANDBOX_PERSIST_EK, SANDBOX_MAKE_KEY, SANDBOX_READ_AK,
	SANDBOX_ACTIVATE, SANDBOX_CERTIFY, SANDBOX_PROVE_KEY, SANDBOX_SIGN, SANDBOX_INSTALL, SANDBOX_READ_BACK, SANDBOX_FINISH,
	SANDBOX_READ_CSR, SANDBOX_IMPORT_IDENTITY, SANDBOX_SIGN_IDENTITY,
};

struct sandbox_request {
	uint64_t turn;	/* the reply repeats it: an answer that came after its deadline is not taken for the next one */
	int64_t deadline_ms;
	union {
		struct driver_ek_request ek;
		struct driver_key_request key;
		uint8_t digest[SHA256_SIZE];
		struct driver_bundle bundle;
		struct driver_blob blob;
		struct driver_text text;
	} u;
};

struct sandbox_reply {
	uint64_t turn;
	struct err err;	/* code E_NONE: it succeeded */
	union {
		struct driver_identity identity;
		struct driver_ek_read ek;
		struct driver_key_made key;
		struct key_signature signature;
		uint8_t mac[SHA256_SIZE];
	} u;
};

#endif
