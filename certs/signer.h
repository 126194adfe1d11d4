/* SPDX-License-Identifier: Apache-2.0 */
/* The process that holds the CA key.
 *
 * It answers few requests: sign a leaf for this key, id and profile, given a receipt; permit
 * this identity, given a receipt; sign this checkpoint; what is left; who are you. It builds the certificate itself (RFC 5280: CN =
 * registration id, clientAuth, digitalSignature, CA false, SKI, AKI) and re-encodes the key; nobody
 * can hand it bytes to sign. It remembers, in a small file opened before its lock-down, the newest
 * tree head it accepted and how many leaves it signed, and writes that before every signature: a
 * log that was shortened, forked or replaced is refused (E_RECEIPT).
 *
 * `struct signer` is the logic, used in-process by tests; signer_child runs it behind a socket;
 * signer_client_* asks. */
#ifndef CERTS_SIGNER_H
#define CERTS_SIGNER_H

#include "certs/intent.h"

#define SIGNER_CHAIN_MAX 4
#define SIGNER_CERT_MAX 4096
#define SIGNER_NOTE_MAX 2048

/* What a profile allows the signer to issue. */
struct signer_profile {
	char name[33];
	uint32_t validity_days;	/* of a leaf; cut to the CA's own end is not allowed: E_CA_EXPIRED instead */
	uint32_t kind;		/* enum intent_kind: the only one that this profile may ask for */
};

/* Lent while it opens. Paths may be relative to nothing: they are absolute. */
struct signer_setup {
	const char *chain_path;	/* PEM: the issuing CA first, then the certificates above it; the root may be there */
	const char *key_path;	/* encrypted PEM (PKCS#8) of the issuing CA */
	const char *passphrase;	/* a secret's reference (base/file.h) */
	const char *log_key_path;	/* encrypted PEM, Ed25519, same passphrase: signs checkpoints */
	const char *state_path;	/* made if absent */
	const char *origin;	/* the log's name in checkpoints, such as "line-1.example/station" */
	int64_t issue_until_ms;	/* wall clock; no leaf after it */
	const struct signer_profile *profiles;
	size_t profile_count;
};

/* Who the signer is. Fixed size. */
struct signer_info {
	uint64_t head_size;	/* the newest tree head accepted; 0 at first */
	struct merkle_hash head_root;
	uint64_t signed_count;	/* signatures of leaves in its life; the same intent signed again counts again */
	int64_t issue_until_ms;
	int64_t ca_not_after_ms;	/* of what ends first in the chain; no leaf outlives it */
	/* The chain as a device gets it: issuing CA first, self-signed root left out (unless it is itself the issuer). */
	uint32_t chain_count;
	uint32_t chain_len[SIGNER_CHAIN_MAX];
	uint8_t chain[SIGNER_CHAIN_MAX][SIGNER_CERT_MAX];
	uint32_t root_len;	/* the self-signed certificate that ends the chain; 0 if the file has none */
	uint8_t root[SIGNER_CERT_MAX];
	char log_vkey[160];	/* C2SP signed-note verifier key: name+hash+base64 */
};

struct leaf_request {
	struct intent intent;
	struct receipt receipt;
};

struct leaf_reply {
	uint32_t len;
	uint8_t der[SIGNER_CERT_MAX];
};

struct permit_reply {
	uint64_t signed_count;	/* after this one */
};

struct checkpoint_request {
	uint64_t size;
	struct merkle_hash root;
	struct merkle_proof consistency;	/* from the signer's last head */
	int64_t time_ms;	/* wall clock, put into the note as an extension line; 0 for none */
};

struct checkpoint_reply {
	char note[SIGNER_NOTE_MAX];	/* C2SP tlog-checkpoint as a signed note, NUL-terminated */
};

struct signer;

/* E_CA_FILE, E_SECRET, E_SIGNER_STATE. */
WARN_UNUSED bool signer_open(const struct signer_setup *setup, struct signer **ret, struct err *e);
void signer_close(struct signer *s);

void signer_who(const struct signer *s, struct signer_info *ret);
/* E_RECEIPT, E_PROFILE, E_CA_EXPIRED, E_ID_INVALID, E_KEY_WEAK, E_SIGNER_STATE, E_SIGN. A request
 * whose receipt's tree equals the last head is fine. */
WARN_UNUSED bool signer_leaf(struct signer *s, const struct leaf_request *req, int64_t now_ms, struct leaf_reply *ret,
			     struct err *e);
WARN_UNUSED bool signer_checkpoint(struct signer *s, const struct checkpoint_request *req, struct checkpoint_reply *ret,
				   struct err *e);

/* Permits the identity of an INTENT_PERMIT: the same checks and the same count as for a leaf, with nothing signed. E_RECEIPT,
 * E_PROFILE (also for a profile that says nothing of such identities, and for an INTENT_LEAF, as signer_leaf refuses an
 * INTENT_PERMIT), E_CA_EXPIRED (issue_until), E_ID_INVALID, E_KEY_WEAK, E_SIGNER_STATE. */
WARN_UNUSED bool signer_permit(struct signer *s, const struct leaf_request *req, int64_t now_ms, struct permit_reply *ret,
			       struct err *e);

/* ---- the child ---- */

/* Never returns. Opens everything, locks itself in, tells the line that it is ready (struct
 * signer_info, or the error), serves until the line's end closes. */
_Noreturn void signer_child(int line, const struct signer_setup *setup);

/* One request at a time: callers hold a lock. */
WARN_UNUSED bool signer_client_ready(int fd, int64_t deadline_ms, struct signer_info *ret, struct err *e);
WARN_UNUSED bool signer_client_leaf(int fd, int64_t deadline_ms, const struct leaf_request *req, struct leaf_reply *ret,
				    struct err *e);
WARN_UNUSED bool signer_client_permit(int fd, int64_t deadline_ms, const struct leaf_request *req, struct permit_reply *ret,
				      struct err *e);
WARN_UNUSED bool signer_client_checkpoint(int fd, int64_t deadline_ms, const struct checkpoint_request *req,
					  struct checkpoint_reply *ret, struct err *e);

#endif
