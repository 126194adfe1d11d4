/* SPDX-License-Identifier: Apache-2.0 */
/* The process that holds the CA key, and counts.
 *
 * It answers few requests: take this order; sign a leaf for this key, id and profile, given a receipt; permit this
 * identity, given a receipt; sign this checkpoint; accept this clock, given a
 * receipt. It builds what it signs itself (RFC 5280); nobody can hand it bytes to sign. It remembers (signer_state.h)
 * the newest tree head that it accepted and what it counted, and writes that before every signature: a log that was
 * shortened, forked or replaced is refused (E_RECEIPT), an order that is used up (E_ORDER_SPENT), a memory that was
 * restored (E_ANCHOR, where there is an anchor).
 *
 * What it counts are identities: the intent at one index of the log is one, however often it is asked for. An intent
 * that replaces an identity draws on the order's own allowance for that.
 *
 * `struct signer` is the logic, used in-process by tests; signer_child runs it behind a socket; signer_client_* asks. */
#ifndef CERTS_SIGNER_H
#define CERTS_SIGNER_H

#include "certs/issue.h"
#include "certs/custody.h"
#include "certs/intent.h"
#include "certs/order_note.h"

#define SIGNER_CHAIN_MAX 4
#define SIGNER_CERT_MAX 4096
#define SIGNER_NOTE_MAX 2048

/* What a profile allows the signer to issue. */
struct signer_profile {
	char name[33];
	uint32_t validity_days;	/* of a leaf; cut to the CA's own end is not allowed: E_CA_EXPIRED instead */
	uint32_t kind;		/* enum intent_kind: the only one that this profile may ask for */
	struct leaf_form form;
};

/* Lent while it opens. Paths may be relative to nothing: they are absolute. */
struct signer_setup {
	const char *chain_path;	/* PEM: the issuing CA first, then the certificates above it; the root may be there */
	struct custody_setup custody;	/* the issuing CA's key, and the anchor of the count */
	const char *log_key_path;	/* encrypted PEM, Ed25519, custody's passphrase: signs checkpoints */
	const char *state_path;	/* signer.state; made if absent and there is no anchor. signer.counted beside it */
	const char *order_key_path[2];	/* the verifier keys of those who sign orders,
		a line of text each; NULL or "": orders are not
					   signed here, and not counted by the signer */
	uint32_t lease;		/* identities per step of the anchor, at least 1 */
	bool production;	/* wants a key in hardware, an anchor and signed orders: E_CUSTODY */
	const char *origin;	/* the log's name in checkpoints, such as "line-1.example/station" */
	int64_t issue_until_ms;	/* wall clock; no leaf after it */
	const struct signer_profile *profiles;
	size_t profile_count;
};

/* Who the signer is. Fixed size. */
struct signer_info {
	uint64_t head_size;	/* the newest tree head accepted; 0 at first */
	struct merkle_hash head_root;
	uint64_t signed_count;	/* identities in its life, permits too; the same intent asked for again is not a second one */
	bool production, in_hardware, anchored;
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

/* What the signer has counted of an order; zeros where it knows none. */
struct order_reply {
	uint32_t allowed, used;	/* count and scrap; and what is forfeited counts as used */
	uint32_t replace_allowed, replaced;
};

struct leaf_reply {
	struct order_reply order;	/* after this one */
	uint32_t len;
	uint8_t der[SIGNER_CERT_MAX];
};

struct permit_reply {
	struct order_reply order;	/* after this one */
	uint64_t signed_count;
};

struct order_request {
	uint32_t len;
	char note[ORDER_NOTE_MAX];
};

struct checkpoint_request {
	uint64_t size;
	struct merkle_hash root;
	struct merkle_proof consistency;	/* from the signer's last head */
};

/* An entry of type "clock.accepted" that is on record: two people stand for the clock, for CLOCK_ACCEPTED_MS from now. */
#define CLOCK_ENTRY_MAX 1024
#define CLOCK_ACCEPTED_MS (12 * 60 * 60 * (int64_t)1000)
struct clock_request {
	uint32_t len;
	char entry[CLOCK_ENTRY_MAX];
	struct receipt receipt;
};

struct checkpoint_reply {
	char note[SIGNER_NOTE_MAX];	/* C2SP tlog-checkpoint as a signed note, NUL-terminated */
};

struct signer;

/* E_CA_FILE, E_SECRET, E_SIGNER_STATE, E_CUSTODY, E_ANCHOR, E_TOKEN_GONE, E_TOKEN_PIN. */
WARN_UNUSED bool signer_open(const struct signer_setup *setup, struct signer **ret, struct err *e);
void signer_close(struct signer *s);

void signer_who(const struct signer *s, struct signer_info *ret);
/* Takes an order, so that identities may be asked for under it, until this signer ends; the same one again says what is
 * left. An order of the same number with other terms (an amended one) replaces it; what was counted stays.
 * E_ORDER_UNSIGNED, E_ORDER, E_ORDER_TERMS (not for this station or CA, not now, made before this memory was begun, too
 * many orders at once). */
WARN_UNUSED bool signer_order(struct signer *s, const struct order_request *req, int64_t now_ms, struct order_reply *ret,
			      struct err *e);

/* E_RECEIPT, E_PROFILE, E_CA_EXPIRED, E_ID_INVALID, E_KEY_WEAK, E_SIGNER_STATE, E_SIGN, E_CLOCK_REFUSED;
 * E_ORDER_UNSIGNED (orders are signed here, and this one was not handed in), E_ORDER_TERMS, E_ORDER_SPENT; of the
 * custody E_TOKEN_GONE, E_KEY_SPENT. A request whose receipt's tree equals the last head is fine. */
WARN_UNUSED bool signer_leaf(struct signer *s, const struct leaf_request *req, int64_t now_ms, struct leaf_reply *ret,
			     struct err *e);
/* The note says in extension lines when this was, as the signer sees it: "time RFC3339", "boot-ms N" (CLOCK_BOOTTIME),
 * "boot-id UUID", "clock synchronised" or "clock unsynchronised". E_RECEIPT, E_SIGNER_STATE. */
WARN_UNUSED bool signer_checkpoint(struct signer *s, const struct checkpoint_request *req, int64_t now_ms,
				   struct checkpoint_reply *ret,
				   struct err *e);
/* E_RECEIPT; E_CLOCK_REFUSED if the entry does not name two people. */
WARN_UNUSED bool signer_clock(struct signer *s, const struct clock_request *req, int64_t now_ms, struct err *e);

/* Permits the identity of an INTENT_PERMIT: the same checks and the same count as for a leaf, with nothing signed. Errors of
 * signer_leaf; E_PROFILE also for a profile that says nothing of such identities, and for an INTENT_LEAF, as signer_leaf refuses an
 * INTENT_PERMIT. */
WARN_UNUSED bool signer_permit(struct signer *s, const struct leaf_request *req, int64_t now_ms, struct permit_reply *ret,
			       struct err *e);

/* Begins a memory that is tied to the anchor, where there is none: by people, at the ceremony or on a spare. Orders that
 * were made before are void from here. E_SIGNER_STATE if there is one; errors of signer_open. */
WARN_UNUSED bool signer_begin(const struct signer_setup *setup, int64_t now_ms, struct err *e);

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
WARN_UNUSED bool signer_client_order(int fd, int64_t deadline_ms, const struct order_request *req, struct order_reply *ret,
				     struct err *e);
WARN_UNUSED bool signer_client_clock(int fd, int64_t deadline_ms, const struct clock_request *req, struct err *e);
WARN_UNUSED bool signer_client_checkpoint(int fd, int64_t deadline_ms, const struct checkpoint_request *req,
					  struct checkpoint_reply *ret, struct err *e);

#endif
