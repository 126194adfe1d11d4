/* SPDX-License-Identifier: Apache-2.0 */
/* A device with a TPM 2.0 behind the TPM bridge.
 *
 * Matches:   vendor interface FF/54/01 of any vendor and product.
 * Protocol:  docs/tpm-bridge.md, version 1: frames in drivers/bridge.c, TPM commands through drivers/tcti_usb.c and drivers/tpm.c.
 * Proof:     endorsement key and certificate, credential challenge, certification of the leaf key by an attestation key; a
 *            storage root key by a credential bound to it.
 * Writes:    EK at 81010001 (persist_ek), leaf key or storage root key (make_key), bundle (install), factory mode (finish);
 *            each compares first.
 * Closed:    a device whose factory mode is closed still identifies itself, shows its keys and its bundle, and activates
 *            credentials; everything else is E_UNIT_CLOSED.
 * Quirks:    none known. */
#include "drivers/bridge.h"
#include "drivers/tcti_usb.h"
#include "drivers/tpm.h"
#include "station/base/clock.h"

#include <string.h>

#define CLOSE_MS 1000
#define READ_HEADER 4	/* BUNDLE_READ's response: length of the whole, bytes */

struct unit {
	struct bridge bridge;
	struct tcti_usb tcti;
	struct tpm tpm;
	uint32_t leaf;	/* persistent handle, from make_key */
};

/* The TPM for one call of the driver. */
static struct tpm *tpm_for(struct unit *u, const struct driver_call *call)
{
	tcti_usb_begin(&u->tcti, call->deadline_ms);
	tpm_begin(&u->tpm, call->deadline_ms);
	return &u->tpm;
}

static bool give(const struct driver_call *call, enum evidence_kind kind, const void *data, size_t len, struct err *e)
{
	return !call->evidence || call->evidence(call->evidence_ctx, kind, data, len, e);
}

static bool unit_open(void *state, const struct driver_port *port, const struct driver_call *call, struct err *e)
{
	struct unit *u = state;
	if (!port->link)
		return err_set(e, E_NO_DRIVER, "the TPM bridge is a USB device");
	const struct bridge_wire wire = bridge_wire_usb(port->link);
	if (!bridge_open(&u->bridge, &wire, call->deadline_ms, e))
		return false;
	u->leaf = TPM_LEAF_HANDLE;
	tcti_usb_init(&u->tcti, &u->bridge);
	tcti_usb_begin(&u->tcti, call->deadline_ms);
	return tpm_open(&u->tpm, tcti_usb_context(&u->tcti), &u->tcti.cause, call->deadline_ms, e);
}

static void unit_close(void *state)
{
	struct unit *u = state;
	const struct driver_call last = {.deadline_ms = clock_steady_ms() + CLOSE_MS};
	if (u->tpm.sys)
		tpm_close(tpm_for(u, &last));
	bridge_close(&u->bridge);
	memset(u, 0, sizeof(*u));
}

static bool unit_identify(void *state, const struct driver_call *call, struct driver_identity *ret, struct err *e)
{
	struct unit *u = state;
	struct bridge_answer a;
	memset(ret, 0, sizeof(*ret));
	if (!bridge_refresh(&u->bridge, call->deadline_ms, e)
	    || !bridge_command(&u->bridge, BRIDGE_IDENTIFY, NULL, 0, &a, call->deadline_ms, e)
	    || !bridge_identity(a.data, a.len, ret, e))
		return err_in(e, "identify");
	ret->factory_closed = u->bridge.info.closed;
	ret->bundle_present = u->bridge.info.bundle_present;
	return true;
}

static bool unit_read_ek(void *state, const struct driver_call *call, struct driver_ek_read *ret, struct err *e)
{
	struct tpm *tpm = tpm_for(state, call);
	struct tpm_public ek;
	AUTO(bytes) struct bytes cert = {.max = EVIDENCE_MAX};
	if (!tpm_read_public(tpm, TPM_EK_HANDLE, &ek, e) || !tpm_read_nv(tpm, TPM_EK_CERT_INDEX, &cert, e))
		return err_in(e, "reading the EK");
	ret->present = ek.len > 0;
	ret->has_certificate = cert.len > 0;
	return (!ek.len || give(call, EVIDENCE_EK_PUBLIC, ek.data, ek.len, e))
		&& (!cert.len || give(call, EVIDENCE_EK_CERT, cert.data, cert.len, e));
}

/* A closed device would refuse the command that writes, but not without an error of the TPM's beside it. */
static bool unit_is_open(const struct unit *u, struct err *e)
{
	return !u->bridge.info.closed || err_set(e, E_UNIT_CLOSED, "factory mode is closed");
}

static bool unit_persist_ek(void *state, const struct driver_call *call, const struct driver_ek_request *req, struct err *e)
{
	struct driver_ek_read again;
	if (!unit_is_open(state, e) || !tpm_make_ek(tpm_for(state, call), req->replace_mismatch, e))
		return err_in(e, "making the EK");
	if (!unit_read_ek(state, call, &again, e))
		return false;
	return again.present || err_set(e, E_TPM, "the EK that was stored is not there");
}

static bool leaf_show(struct unit *u, const struct driver_call *call, struct tpm_public *ret, struct err *e)
{
	if (!tpm_read_public(tpm_for(u, call), u->leaf, ret, e))
		return err_in(e, "reading the leaf key");
	return ret->len || err_set(e, E_UNIT_CLOSED, "a closed unit without a leaf key at %08x", u->leaf);
}

static bool leaf_look(struct unit *u, const struct driver_call *call, struct driver_key_made *ret, struct err *e)
{
	struct tpm_public leaf;
	if (!tpm_read_public(tpm_for(u, call), u->leaf, &leaf, e))
		return err_in(e, "reading the leaf key");
	ret->made = leaf.len > 0;
	return !leaf.len || give(call, EVIDENCE_LEAF_PUBLIC, leaf.data, leaf.len, e);
}

static bool unit_make_key(void *state, const struct driver_call *call, const struct driver_key_request *req,
			  struct driver_key_made *ret, struct err *e)
{
	struct unit *u = state;
	struct tpm_public leaf;
	bool made = false;
	u->leaf = req->storage ? TPM_STORAGE_HANDLE : req->handle;
	if (req->look)
		return leaf_look(u, call, ret, e);
	bool ok = u->bridge.info.closed ? leaf_show(u, call, &leaf, e)
		: req->storage ? tpm_make_storage(tpm_for(u, call), req->replace_other, &made, &leaf, e)
		: tpm_make_leaf(tpm_for(u, call), req->handle, req->seed, req->replace_other, &made, &leaf, e);
	if (!ok)
		return err_in(e, req->storage ? "making the storage root key" : "making the leaf key");
	ret->made = made;
	return give(call, EVIDENCE_LEAF_PUBLIC, leaf.data, leaf.len, e);
}

static bool unit_read_ak(void *state, const struct driver_call *call, struct err *e)
{
	struct tpm_public ak;
	if (!unit_is_open(state, e) || !tpm_load_ak(tpm_for(state, call), &ak, e))
		return err_in(e, "reading the attestation key");
	return give(call, EVIDENCE_AK_PUBLIC, ak.data, ak.len, e);
}

static bool unit_activate(void *state, const struct driver_call *call, struct err *e)
{
	struct unit *u = state;
	AUTO(bytes) struct bytes secret = {.secret = true};
	uint32_t object = call->challenge->about == CHALLENGE_LEAF ? u->leaf : 0;
	if (!tpm_activate(tpm_for(u, call), object, call->challenge, &secret, e))
		return err_in(e, "answering the credential challenge");
	return give(call, EVIDENCE_SECRET, secret.data, secret.len, e);
}

static bool unit_certify(void *state, const struct driver_call *call, struct err *e)
{
	struct unit *u = state;
	AUTO(bytes) struct bytes attest = {0}, signature = {0};
	if (!tpm_certify(tpm_for(u, call), u->leaf, call->challenge->nonce, &attest, &signature, e))
		return err_in(e, "certifying the leaf key");
	return give(call, EVIDENCE_ATTEST, attest.data, attest.len, e)
		&& give(call, EVIDENCE_ATTEST_SIG, signature.data, signature.len, e);
}

static bool unit_sign(void *state, const struct driver_call *call, const uint8_t digest[static SHA256_SIZE],
		      struct key_signature *ret, struct err *e)
{
	struct unit *u = state;
	return tpm_sign(tpm_for(u, call), u->leaf, digest, ret, e) || err_in(e, "signing with the leaf key");
}

static bool unit_prove_key(void *state, const struct driver_call *call, struct err *e)
{
	struct key_signature signature;
	return unit_sign(state, call, call->challenge->nonce, &signature, e)
		&& give(call, EVIDENCE_SIGNATURE, &signature, sizeof(signature), e);
}

static bool unit_import_identity(void *state, const struct driver_call *call, const struct driver_blob *blob, struct err *e)
{
	if (!unit_is_open(state, e) || !tpm_import_identity(tpm_for(state, call), blob->data, blob->len, e))
		return err_in(e, "unwrapping the service's key");
	return true;
}

static bool unit_sign_identity(void *state, const struct driver_call *call, const struct driver_text *text,
			       uint8_t ret[static SHA256_SIZE], struct err *e)
{
	return tpm_hmac(tpm_for(state, call), text->data, text->len, ret, e) || err_in(e, "signing with the service's key");
}

/* Reads the stored bundle; nothing where none is stored. */
static bool bundle_read(struct unit *u, const struct driver_call *call, struct bytes *ret, struct err *e)
{
	struct bridge_answer a;
	uint8_t request[8];
	uint32_t whole = 0;
	do {
		put_u32(request, (uint32_t)ret->len);
		put_u32(request + 4, u->bridge.info.payload_max - READ_HEADER);
		if (!bridge_send(&u->bridge, BRIDGE_BUNDLE_READ, &(struct span){request, sizeof(request)}, 1, call->deadline_ms, e)
		    || !bridge_receive(&u->bridge, &a, call->deadline_ms, e))
			return false;
		if (a.status == BRIDGE_NO_BUNDLE && !ret->len)
			return true;
		if (!bridge_status_is_ok(a.status, e))
			return false;
		if (a.len <= READ_HEADER || (ret->len && get_u32(a.data) != whole))
			return err_set(e, E_BRIDGE, "BUNDLE_READ gave %zu bytes at %zu of %u", a.len, ret->len, whole);
		whole = get_u32(a.data);
		if (whole > BUNDLE_MAX || a.len - READ_HEADER > whole - ret->len)
			return err_set(e, E_BRIDGE, "BUNDLE_READ gave %zu bytes at %zu of %u", a.len, ret->len, whole);
		if (!bytes_add(ret, a.data + READ_HEADER, a.len - READ_HEADER, e))
			return false;
	} while (ret->len < whole);
	return true;
}

static bool bundle_write(struct unit *u, const struct driver_call *call, const struct driver_bundle *bundle, struct err *e)
{
	struct bridge_answer a;
	uint8_t number[4], hash[SHA256_SIZE];
	uint32_t part = u->bridge.info.payload_max - sizeof(number);
	put_u32(number, bundle->len);
	sha256_of(bundle->data, bundle->len, hash);
	const struct span begin[] = {{number, sizeof(number)}, {hash, sizeof(hash)}};
	if (!bridge_command(&u->bridge, BRIDGE_BUNDLE_BEGIN, begin, 2, &a, call->deadline_ms, e))
		return false;
	for (uint32_t at = 0; at < bundle->len; at += part) {
		uint32_t n = bundle->len - at < part ? bundle->len - at : part;
		const struct span data[] = {{number, sizeof(number)}, {bundle->data + at, n}};
		put_u32(number, at);
		if (!bridge_command(&u->bridge, BRIDGE_BUNDLE_DATA, data, 2, &a, call->deadline_ms, e))
			return false;
	}
	return bridge_command(&u->bridge, BRIDGE_BUNDLE_COMMIT, NULL, 0, &a, call->deadline_ms, e);
}

static bool unit_install(void *state, const struct driver_call *call, const struct driver_bundle *bundle, struct err *e)
{
	struct unit *u = state;
	struct err first = {0};
	AUTO(bytes) struct bytes there = {.max = BUNDLE_MAX};
	if (!bundle_read(u, call, &there, e))
		return err_in(e, "comparing the bundle");
	if (there.len && there.len == bundle->len && memcmp(there.data, bundle->data, there.len) == 0)
		return true;
	if (bundle->len > u->bridge.info.bundle_max)
		return err_set(e, E_UNIT_STORAGE, "the device takes bundles of %u bytes, not %u", u->bridge.info.bundle_max, bundle->len);
	if (bundle_write(u, call, bundle, &first))
		return true;
	/* Storage gets a second chance (docs/tpm-bridge.md, section 2). */
	if (first.code != E_UNIT_STORAGE)
		*e = first;
	else if (bundle_write(u, call, bundle, e))
		return true;
	return err_in(e, "installing the bundle");
}

static bool unit_read_back(void *state, const struct driver_call *call, struct err *e)
{
	AUTO(bytes) struct bytes there = {.max = BUNDLE_MAX};
	if (!bundle_read(state, call, &there, e))
		return err_in(e, "reading the bundle back");
	if (!there.len)
		return err_set(e, E_READ_BACK, "no bundle is stored");
	return give(call, EVIDENCE_BUNDLE, there.data, there.len, e);
}

static bool unit_finish(void *state, const struct driver_call *call, const uint8_t bundle_sha256[static SHA256_SIZE],
			struct err *e)
{
	struct unit *u = state;
	struct bridge_answer a;
	if (!bridge_command(&u->bridge, BRIDGE_FINISH, &(struct span){bundle_sha256, SHA256_SIZE}, 1, &a, call->deadline_ms, e)
	    || !bridge_refresh(&u->bridge, call->deadline_ms, e))
		return err_in(e, "closing factory mode");
	return u->bridge.info.closed || err_set(e, E_BRIDGE, "the device says that its factory mode is still open");
}

static const struct driver_match matches[] = {{-1, -1, 0xff, 0x54, 0x01}, {0}};

const struct driver tpm_bridge_driver = {
	.name = "tpm_bridge",
	.title = "TPM 2.0 behind the TPM bridge",
	.matches = matches,
	.state_size = sizeof(struct unit),
	.open = unit_open,
	.close = unit_close,
	.identify = unit_identify,
	.read_ek = unit_read_ek,
	.persist_ek = unit_persist_ek,
	.make_key = unit_make_key,
	.read_ak = unit_read_ak,
	.activate = unit_activate,
	.certify = unit_certify,
	.prove_key = unit_prove_key,
	.sign = unit_sign,
	.import_identity = unit_import_identity,
	.sign_identity = unit_sign_identity,
	.install = unit_install,
	.read_back = unit_read_back,
	.finish = unit_finish,
};
