/* SPDX-License-Identifier: Apache-2.0 */
/* What a driver is: a const struct of facts and functions about one kind of device.
 *
 * A driver knows its protocol and nothing else: not the pipeline, not the ledger, not who judges. It runs in a child process that
 * owns one USB descriptor (drivers/sandbox.c wraps any driver through this same vtable, so no driver knows about it).
 * Each function is a named moment in a unit's life, is called from one thread, may block until call->deadline_ms
 * (steady clock), and must return by then. A slot that is NULL means that this kind of device has no such moment.
 *
 * Writers: only persist_ek, make_key, install and finish may change a device. All of them must be harmless when
 * repeated, and must leave the device as it was or complete when power is cut inside them.
 *
 * The device's bytes go to call->evidence and nowhere else; what a function returns is small, typed and bounded.
 *
 * A new driver is one file, drivers/NAME.c, which defines `const struct driver NAME_driver`, and NAME in the list in
 * drivers/meson.build. */
#ifndef DRIVERS_DRIVER_H
#define DRIVERS_DRIVER_H

#include "certs/evidence.h"
#include "certs/key.h"

#define DRIVER_TEXT 65	/* serial, model, revision: 1 to 64 printable ASCII characters and NUL */
#define BUNDLE_MAX 12288u

/* One USB interface that a driver may take. -1 matches anything. */
struct driver_match {
	int vendor, product;
	int class, subclass, protocol;
};

struct usb_link;

/* Where the bytes flow: one opened USB device. fd is usbfs, already opened and inherited; -1 where `path` (a directory)
 * is the device. For a driver of a tty (tty = true) fd is the tty, opened and inherited. link is the interface that
 * fits the driver's matches, claimed by whoever calls open before rights are given up (usb_link_open), and lent; NULL
 * where path is the device. */
struct driver_port {
	int fd;
	const char *path;
	struct usb_link *link;
	const char *spec;	/* the driver as the profile names it, with what wraps it */
	int file;		/* of a wrapper: the capture that `record` writes or `replay` reads, opened and inherited; -1 without */
};

/* With every call. */
struct driver_call {
	int64_t deadline_ms;
	evidence_sink *evidence;	/* takes the device's bytes; NULL where a caller wants none */
	void *evidence_ctx;
	const struct challenge *challenge;	/* for activate, certify, prove_key; NULL elsewhere */
};

/* identify's result. Fixed size. */
struct driver_identity {
	char serial[DRIVER_TEXT], model[DRIVER_TEXT], revision[DRIVER_TEXT];
	uint8_t factory_closed;	/* factory mode is closed: nothing can be written any more */
	uint8_t bundle_present;
};

/* The key of this job. */
struct driver_key_request {
	uint8_t storage;		/* 1: DPS's TPM attestation: the storage root key at 0x81000001 (docs/tpm-bridge.md, section 4), made if
					   nothing lies there; seed and handle mean nothing */
	uint8_t seed[SHA256_SIZE];	/* SHA-256 of the job's id: the same seed gives the same key */
	uint32_t handle;		/* TPM persistent handle */
	uint8_t replace_other;		/* a key of another job in that place may be replaced; else E_KEY_OTHER */
	uint8_t look;			/* 1: show the key that lies there, whose ever it is, and make nothing */
};

struct driver_key_made {
	uint8_t made;		/* 1: newly made; 0: it was there already. Of a look: 1: there is a key; 0: none */
};

/* read_ek's and persist_ek's options. */
struct driver_ek_request {
	uint8_t replace_mismatch;	/* persist_ek: what lies at 0x81010001 and does not match the certificate may be replaced */
};

struct driver_ek_read {
	uint8_t present;	/* 0: nothing lies at 0x81010001, and persist_ek is the next step */
	uint8_t has_certificate;
};

struct driver_bundle {
	uint32_t len;
	uint8_t data[BUNDLE_MAX];	/* docs/tpm-bridge.md, section 3 */
};

/* The blob with which DPS gives a TPM its key (docs/tpm-bridge.md, section 4), as it came. */
struct driver_blob {
	uint32_t len;
	uint8_t data[4096];
};

/* What is to be signed with that key: "SCOPE%2fregistrations%2fID" LF expiry. */
struct driver_text {
	uint32_t len;
	uint8_t data[512];
};

/* How a unit proves that its key is its own. */
enum driver_proof {
	PROOF_TPM,	/* endorsement key, credential challenge, certification */
	PROOF_CSR,	/* a CSR bound to our nonce, and the nonce signed by the key behind it */
};

struct driver {
	const char *name;	/* as in profiles: "tpm_bridge" */
	const char *title;	/* for a person */
	const struct driver_match *matches;	/* ends with an all-zero row */
	enum driver_proof proof;
	bool tty;	/* the device is the tty that the kernel made of this USB device */
	bool bridged;	/* what USB says of itself may be the bridge's in front of the unit: its serial number is not the unit's */
	size_t state_size;	/* the caller gives that many zeroed bytes as `state` */

	/* Called: once, with a port. Must: open the protocol, leaving the device in a clean state. Must not: write. May fail with
	 * E_USB, E_USB_GONE, E_BRIDGE, E_BRIDGE_VERSION, E_NO_DRIVER; on a tty E_TTY, E_SERIAL_LINE, E_SERIAL_VERSION. */
	bool (*open)(void *state, const struct driver_port *port, const struct driver_call *call, struct err *e);
	/* Called: once, after open, whatever happened. Must: free what open took, flush TPM sessions and objects it made. */
	void (*close)(void *state);
	/* Called: after open. Must: ask the device, not a descriptor. May fail with E_USB*, E_BRIDGE*, E_UNIT_BUSY. */
	bool (*identify)(void *state, const struct driver_call *call, struct driver_identity *ret, struct err *e);

	/* Called: in stage read key. Must: give EVIDENCE_EK_PUBLIC (if an EK is persisted) and EVIDENCE_EK_CERT (if there is
	 * one). Must not write. */
	bool (*read_ek)(void *state, const struct driver_call *call, struct driver_ek_read *ret, struct err *e);
	/* Called: when nothing lies at 0x81010001, or when what lies there is refused by the judge and the profile says
	 * replace. Must: make the TCG template's EK, persist it at 0x81010001, and give both pieces of evidence anew.
	 * E_EK_MISMATCH when something lies there and may not be replaced. */
	bool (*persist_ek)(void *state, const struct driver_call *call, const struct driver_ek_request *req, struct err *e);
	/* Called: in stage make key. Must: return the job's key if it is there, else make and persist it; give
	 * EVIDENCE_LEAF_PUBLIC. On a closed device: give the evidence of the key that is there, and make nothing. With req->look: the
	 * same, on any device; nothing where there is none. E_KEY_OTHER. */
	bool (*make_key)(void *state, const struct driver_call *call, const struct driver_key_request *req,
			 struct driver_key_made *ret, struct err *e);
	/* Called: before the credential challenge of an open device. Must: give EVIDENCE_AK_PUBLIC. */
	bool (*read_ak)(void *state, const struct driver_call *call, struct err *e);
	/* Called: with call->challenge about CHALLENGE_AK, CHALLENGE_EK or CHALLENGE_LEAF. Must: TPM2_ActivateCredential, give
	 * EVIDENCE_SECRET. A TPM that refuses the credential is E_CHALLENGE. */
	bool (*activate)(void *state, const struct driver_call *call, struct err *e);
	/* Called: with the same challenge, after activate. Must: TPM2_Certify(leaf key, attestation key, qualifyingData =
	 * nonce), give EVIDENCE_ATTEST and EVIDENCE_ATTEST_SIG. */
	bool (*certify)(void *state, const struct driver_call *call, struct err *e);
	/* Called: with call->challenge about CHALLENGE_KEY. Must: sign the nonce, taken as a SHA-256 digest, with the leaf
	 * key; give EVIDENCE_SIGNATURE. */
	bool (*prove_key)(void *state, const struct driver_call *call, struct err *e);
	/* Called: in stage attest, PROOF_CSR, with call->challenge about CHALLENGE_CSR. Must: give EVIDENCE_CSR of the job's key with
	 * the nonce in it, and EVIDENCE_SIGNATURE over proof_digest() of it. Also on a closed device. */
	bool (*read_csr)(void *state, const struct driver_call *call, struct err *e);
	/* Called: in the rehearsal of DPS's TPM attestation. Must: unwrap the key in the blob with endorsement and storage root key,
	 * and keep it loaded, never persistent, until the next blob or close. E_CHALLENGE when the TPM refuses the blob. */
	bool (*import_identity)(void *state, const struct driver_call *call, const struct driver_blob *blob, struct err *e);
	/* Called: after import_identity. Must: HMAC-SHA256 the text with that key. */
	bool (*sign_identity)(void *state, const struct driver_call *call, const struct driver_text *text,
			      uint8_t ret[static SHA256_SIZE], struct err *e);
	/* Called: in the rehearsal. Must: sign this SHA-256 digest with the leaf key. */
	bool (*sign)(void *state, const struct driver_call *call, const uint8_t digest[static SHA256_SIZE],
		     struct key_signature *ret, struct err *e);

	/* Called: in stage install. Must: store the bundle atomically; nothing at all if the device already holds exactly it. */
	bool (*install)(void *state, const struct driver_call *call, const struct driver_bundle *bundle, struct err *e);
	/* Called: in stage verify. Must: answer from the device's store, never from memory; give EVIDENCE_BUNDLE. */
	bool (*read_back)(void *state, const struct driver_call *call, struct err *e);
	/* Called: in stage finish. Must: leave factory mode for good, given the hash of the bundle that is installed.
	 * Harmless when closed already. */
	bool (*finish)(void *state, const struct driver_call *call, const uint8_t bundle_sha256[static SHA256_SIZE],
		       struct err *e);
};

/* The registry: every driver of this build, NULL at the end; generated from the list in drivers/meson.build. */
extern const struct driver *const driver_table[];

/* The driver of that name, or NULL. A name may say what wraps the driver: "fault(PLAN):tpm_bridge", "record:tpm_bridge"
 * (drivers/wrap.h); what is found then is the outermost wrapper. */
const struct driver *driver_find(const char *spec);

/* The innermost driver of such a name, whose facts (matches, proof, tty) count, or NULL. */
const struct driver *driver_real(const char *spec);

#endif
