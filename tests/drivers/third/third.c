/* SPDX-License-Identifier: Apache-2.0 */
/* A product of another maker that speaks the TPM bridge, as somebody would add it: this file, and its name in the list
 * of drivers.
 *
 * Matches:   interface FF/54/01 of 1209:7077 only.
 * Protocol:  docs/tpm-bridge.md, as drivers/tpm_bridge.c.
 * Quirks:    its revision comes in any case of letters; the maker's documents say it in capitals. After power on its
 *            TPM may not be ready yet, so opening waits a moment. */
#include "drivers/driver.h"
#include "station/base/clock.h"

#include <ctype.h>
#include <string.h>

#define READY_MS 5

extern const struct driver tpm_bridge_driver;

struct third {
	void *bridge;
};

static bool third_open(void *state, const struct driver_port *port, const struct driver_call *call, struct err *e)
{
	struct third *t = state;
	t->bridge = calloc(1, tpm_bridge_driver.state_size);
	if (!t->bridge)
		return err_set(e, E_NOMEM, "the bridge's state");
	clock_sleep_ms(READY_MS);
	return tpm_bridge_driver.open(t->bridge, port, call, e);
}

static void third_close(void *state)
{
	struct third *t = state;
	if (t->bridge)
		tpm_bridge_driver.close(t->bridge);
	free(t->bridge);
	t->bridge = NULL;
}

static bool third_identify(void *state, const struct driver_call *call, struct driver_identity *ret, struct err *e)
{
	if (!tpm_bridge_driver.identify(((struct third *)state)->bridge, call, ret, e))
		return false;
	for (char *c = ret->revision; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	return true;
}

/* Everything else is the bridge's. */
#define BRIDGE(function, ...) return tpm_bridge_driver.function(((struct third *)state)->bridge, __VA_ARGS__)
#define PLAIN(function) \
	static bool third_##function(void *state, const struct driver_call *call, struct err *e) { BRIDGE(function, call, e); }

PLAIN(read_ak)
PLAIN(activate)
PLAIN(certify)
PLAIN(prove_key)
PLAIN(read_back)

static bool third_read_ek(void *state, const struct driver_call *call, struct driver_ek_read *ret, struct err *e)
{
	BRIDGE(read_ek, call, ret, e);
}

static bool third_persist_ek(void *state, const struct driver_call *call, const struct driver_ek_request *req, struct err *e)
{
	BRIDGE(persist_ek, call, req, e);
}

static bool third_make_key(void *state, const struct driver_call *call, const struct driver_key_request *req,
			   struct driver_key_made *ret, struct err *e)
{
	BRIDGE(make_key, call, req, ret, e);
}

static bool third_sign(void *state, const struct driver_call *call, const uint8_t digest[static SHA256_SIZE],
		       struct key_signature *ret, struct err *e)
{
	BRIDGE(sign, call, digest, ret, e);
}

static bool third_import_identity(void *state, const struct driver_call *call, const struct driver_blob *blob, struct err *e)
{
	BRIDGE(import_identity, call, blob, e);
}

static bool third_sign_identity(void *state, const struct driver_call *call, const struct driver_text *text,
				uint8_t ret[static SHA256_SIZE], struct err *e)
{
	BRIDGE(sign_identity, call, text, ret, e);
}

static bool third_install(void *state, const struct driver_call *call, const struct driver_bundle *bundle, struct err *e)
{
	BRIDGE(install, call, bundle, e);
}

static bool third_finish(void *state, const struct driver_call *call, const uint8_t bundle_sha256[static SHA256_SIZE],
			 struct err *e)
{
	BRIDGE(finish, call, bundle_sha256, e);
}

static const struct driver_match matches[] = {{0x1209, 0x7077, 0xff, 0x54, 0x01}, {0}};

const struct driver third_driver = {
	.name = "third",
	.title = "A third maker's device on the TPM bridge",
	.matches = matches,
	.state_size = sizeof(struct third),
	.open = third_open,
	.close = third_close,
	.identify = third_identify,
	.read_ek = third_read_ek,
	.persist_ek = third_persist_ek,
	.make_key = third_make_key,
	.read_ak = third_read_ak,
	.activate = third_activate,
	.certify = third_certify,
	.prove_key = third_prove_key,
	.sign = third_sign,
	.import_identity = third_import_identity,
	.sign_identity = third_sign_identity,
	.install = third_install,
	.read_back = third_read_back,
	.finish = third_finish,
};
