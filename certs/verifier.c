/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/verifier.h"
#include "certs/attest.h"
#include "certs/chain.h"
#include "certs/credential.h"
#include "certs/csr.h"
#include "certs/ek.h"
#include "certs/tpm2.h"
#include "station/base/text.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <string.h>

/* A question that waits for its answer. */
struct outstanding {
	bool waits;
	enum challenge_about about;
	uint8_t nonce[32];
	uint8_t secret[CREDENTIAL_SECRET];
	struct tpm2_public bound;	/* the AK, or the leaf, that the credential names: read once, so that it cannot change */
};

struct verifier {
	const struct verifier_policy *policy;
	struct chain *makers;
	struct bytes evidence[EVIDENCE_KINDS];	/* the device's bytes, unread until a claim needs them */
	bool ek_judged, leaf_judged;
	struct ek ek;
	struct key_public leaf;
	bool signs_proofs;	/* the key came by a CSR: what it signs for a nonce is proof_digest() */
	struct outstanding asked;
	struct key_checker checker;	/* for the signatures that the unit makes one after another */
};

bool verifier_new(const struct verifier_policy *policy, struct verifier **ret, struct err *e)
{
	struct verifier *v = calloc(1, sizeof(*v));
	if (!v)
		return err_set(e, E_NOMEM, "verifier");
	v->policy = policy;
	for (size_t i = 0; i < EVIDENCE_KINDS; i++)
		v->evidence[i].max = EVIDENCE_MAX;
	v->evidence[EVIDENCE_SECRET].secret = true;
	if (!chain_new(policy->roots, policy->root_count, policy->intermediates, policy->intermediate_count, &v->makers, e)) {
		verifier_free(v);
		return false;
	}
	*ret = v;
	return true;
}

void verifier_free(struct verifier *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < EVIDENCE_KINDS; i++)
		bytes_fini(&v->evidence[i]);
	chain_free(v->makers);
	key_checker_fini(&v->checker);
	wipe(v, sizeof(*v));
	free(v);
}

bool verifier_take(void *ctx, enum evidence_kind kind, const void *data, size_t len, struct err *e)
{
	struct verifier *v = ctx;
	if (kind < EVIDENCE_EK_PUBLIC || kind >= EVIDENCE_KINDS)
		return err_set(e, E_VERIFIER, "evidence of unknown kind %u", kind);
	if (len == 0 || len > EVIDENCE_MAX)
		return err_set(e, E_VERIFIER, "evidence %u of %zu bytes", kind, len);
	return bytes_set(&v->evidence[kind], data, len, e);
}

static struct span piece(const struct verifier *v, enum evidence_kind kind)
{
	return (struct span){v->evidence[kind].data, v->evidence[kind].len};
}

static void forget_question(struct verifier *v)
{
	wipe(&v->asked, sizeof(v->asked));
}

/* Takes the outstanding question away: whatever the outcome, it is asked once. */
static bool take_question(struct verifier *v, struct outstanding *ret)
{
	*ret = v->asked;
	forget_question(v);
	return ret->waits;
}

/* ---- the endorsement key ---- */

static bool judge_cert(struct verifier *v, const struct ek *ek, struct ek_cert *ret, struct err *e)
{
	struct span cert = piece(v, EVIDENCE_EK_CERT);
	if (cert.len)
		return ek_cert_judge(cert.data, cert.len, &ek->key, v->policy->need_ek_cert ? v->makers : NULL, ret, e);
	if (v->policy->need_ek_cert)
		return err_set(e, E_EK_CERT_MISSING, "no endorsement certificate was sent");
	return true;
}

bool verifier_judge_ek(struct verifier *v, struct ek_verdict *ret, struct err *e)
{
	struct span public_area = piece(v, EVIDENCE_EK_PUBLIC);
	struct ek_cert cert = {0};
	struct ek ek;
	v->ek_judged = v->leaf_judged = false;
	forget_question(v);
	if (!public_area.len)
		return err_set(e, E_EK_TEMPLATE, "no endorsement key was sent");
	if (!ek_parse(public_area.data, public_area.len, &ek, e) || !judge_cert(v, &ek, &cert, e))
		return false;
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->ek_sha256, ek.sha256, sizeof(ret->ek_sha256));
	memcpy(ret->spki_sha256, ek.spki_sha256, sizeof(ret->spki_sha256));
	memcpy(ret->cert_sha256, cert.sha256, sizeof(ret->cert_sha256));
	ret->key = ek.key;
	if (!TEXT_COPY(ret->template_name, ek.template_name, e) || !TEXT_COPY(ret->manufacturer, cert.manufacturer, e) ||
	    !TEXT_COPY(ret->model, cert.model, e) || !TEXT_COPY(ret->version, cert.version, e))
		return false;
	v->ek = ek;
	v->ek_judged = true;
	return true;
}

/* ---- challenges ---- */

typedef bool public_parser(const void *data, size_t len, struct tpm2_public *ret, struct err *e);

/* Of what stands in the leaf key's place. */
static public_parser *leaf_parser(const struct verifier *v)
{
	return v->policy->storage_key ? attest_storage_parse : attest_leaf_parse;
}

static bool make_credential(struct verifier *v, struct outstanding *q, struct challenge *ret, struct err *e)
{
	bool about_ak = q->about != CHALLENGE_LEAF;
	struct span key = piece(v, about_ak ? EVIDENCE_AK_PUBLIC : EVIDENCE_LEAF_PUBLIC);
	if (!v->ek_judged)
		return err_set(e, E_VERIFIER, "a challenge before the endorsement key was judged");
	if (!key.len)
		return err_set(e, E_CERTIFY, "no %s key was sent", about_ak ? "attestation" : "leaf");
	if (!(about_ak ? attest_ak_parse : leaf_parser(v))(key.data, key.len, &q->bound, e))
		return false;
	if (RAND_priv_bytes(q->secret, sizeof(q->secret)) != 1)
		return ossl_err(e, E_NOMEM, "random secret");
	return credential_make(&v->ek.key, q->bound.name, q->secret, ret, e);
}

/* A storage key can sign nothing and is certified by nobody: it is only ever named by a credential. */
static bool may_ask(const struct verifier *v, enum challenge_about about, struct err *e)
{
	if (v->policy->storage_key && about != CHALLENGE_LEAF && about != CHALLENGE_EK)
		return err_set(e, E_VERIFIER, "challenge %u, where a storage key is judged", about);
	if (about == CHALLENGE_KEY && !v->leaf_judged)
		return err_set(e, E_VERIFIER, "a challenge to a key that was not judged");
	return true;
}

static bool ask(struct verifier *v, struct outstanding *q, struct challenge *ret, struct err *e)
{
	if (!may_ask(v, q->about, e))
		return false;
	if (RAND_bytes(q->nonce, sizeof(q->nonce)) != 1)
		return ossl_err(e, E_NOMEM, "random nonce");
	memcpy(ret->nonce, q->nonce, sizeof(ret->nonce));
	ret->about = q->about;
	switch (q->about) {
	case CHALLENGE_AK:
	case CHALLENGE_LEAF:
	case CHALLENGE_EK:
		return make_credential(v, q, ret, e);
	case CHALLENGE_KEY:
	case CHALLENGE_CSR:
		return true;
	default:
		return err_set(e, E_VERIFIER, "a challenge about %u", q->about);
	}
}

bool verifier_challenge(struct verifier *v, enum challenge_about about, struct challenge *ret, struct err *e)
{
	struct outstanding q = {.waits = true, .about = about};
	forget_question(v);
	memset(ret, 0, sizeof(*ret));
	bool asked = ask(v, &q, ret, e);
	if (asked)
		v->asked = q;
	else
		memset(ret, 0, sizeof(*ret));
	wipe(&q, sizeof(q));
	return asked;
}

/* ---- the leaf key ---- */

static bool secret_came_back(const struct verifier *v, const struct outstanding *q, struct err *e)
{
	struct span secret = piece(v, EVIDENCE_SECRET);
	if (secret.len != CREDENTIAL_SECRET || CRYPTO_memcmp(secret.data, q->secret, CREDENTIAL_SECRET) != 0)
		return err_set(e, E_CHALLENGE, "the credential's secret did not come back");
	return true;
}

/* The attestation key is in the TPM, and says that the leaf key is too. */
static bool judge_certified(const struct verifier *v, const struct outstanding *q, struct tpm2_public *leaf,
			    uint8_t evidence[static SHA256_SIZE], struct err *e)
{
	struct span key = piece(v, EVIDENCE_LEAF_PUBLIC);
	const struct span parts[] = {piece(v, EVIDENCE_ATTEST), piece(v, EVIDENCE_ATTEST_SIG)};
	if (!key.len || !parts[0].len || !parts[1].len)
		return err_set(e, E_CERTIFY, "leaf key, attestation or its signature was not sent");
	if (!attest_leaf_parse(key.data, key.len, leaf, e) ||
	    !attest_proves_leaf(&q->bound, leaf, q->nonce, &parts[0], &parts[1], e))
		return false;
	sha256(parts, COUNT_OF(parts), evidence);
	return true;
}

/* The leaf key itself is in the TPM: the credential named it. The evidence is the secret's hash, hashed. */
static void judge_named(const struct outstanding *q, struct tpm2_public *leaf, uint8_t evidence[static SHA256_SIZE])
{
	uint8_t hash[SHA256_SIZE];
	*leaf = q->bound;
	sha256_of(q->secret, sizeof(q->secret), hash);
	sha256_of(hash, sizeof(hash), evidence);
}

static bool judge_answer(struct verifier *v, const struct outstanding *q, struct attest_verdict *ret, struct err *e)
{
	struct tpm2_public leaf;
	if (!secret_came_back(v, q, e))
		return false;
	if (q->about == CHALLENGE_LEAF)
		judge_named(q, &leaf, ret->evidence_sha256);
	else if (!judge_certified(v, q, &leaf, ret->evidence_sha256, e))
		return false;
	if (!key_spki_sha256(&leaf.key, ret->spki_sha256, e))
		return false;
	sha256_of(q->nonce, sizeof(q->nonce), ret->nonce_sha256);
	ret->leaf = leaf.key;
	return true;
}

/* Remembers the key that was proved; of one that was not, nothing stays. */
static bool conclude(struct verifier *v, bool held, struct attest_verdict *ret)
{
	v->leaf_judged = held;
	if (held)
		v->leaf = ret->leaf;
	else
		memset(ret, 0, sizeof(*ret));
	return held;
}

bool verifier_judge_attestation(struct verifier *v, struct attest_verdict *ret, struct err *e)
{
	struct outstanding q;
	bool held, asked = take_question(v, &q) && (q.about == CHALLENGE_AK || q.about == CHALLENGE_LEAF);
	memset(ret, 0, sizeof(*ret));
	held = asked ? judge_answer(v, &q, ret, e) : err_set(e, E_CHALLENGE, "no credential challenge is outstanding");
	wipe(&q, sizeof(q));
	v->signs_proofs = false;
	return conclude(v, held, ret);
}

bool verifier_judge_holder(struct verifier *v, struct err *e)
{
	struct outstanding q;
	bool asked = take_question(v, &q) && q.about == CHALLENGE_EK;
	bool held = asked ? secret_came_back(v, &q, e) : err_set(e, E_CHALLENGE, "no credential challenge is outstanding");
	wipe(&q, sizeof(q));
	return held;
}

/* ---- a unit without a TPM ---- */

static bool signature_is_over(struct verifier *v, const struct key_public *key, const uint8_t digest[static SHA256_SIZE],
			      struct err *e)
{
	struct span sent = piece(v, EVIDENCE_SIGNATURE);
	struct key_signature sig;
	if (sent.len != sizeof(sig))
		return err_set(e, E_KEY_SILENT, "no signature was sent");
	memcpy(&sig, sent.data, sizeof(sig));
	if (!key_checker_signed(&v->checker, key, digest, &sig))
		return err_set(e, E_KEY_SILENT, "the signature is not by the judged key over the nonce");
	return true;
}

/* The request was made for this nonce, and its key is there now and signs. */
static bool judge_request(struct verifier *v, const struct outstanding *q, struct attest_verdict *ret, struct err *e)
{
	const struct span parts[] = {piece(v, EVIDENCE_CSR), piece(v, EVIDENCE_SIGNATURE)};
	char nonce_hex[2 * sizeof(q->nonce) + 1];
	uint8_t digest[SHA256_SIZE];
	struct csr csr;
	if (!parts[0].len)
		return err_set(e, E_CSR, "no certificate request was sent");
	if (!csr_parse_with(&v->checker, parts[0].data, parts[0].len, &csr, e))
		return false;
	if (csr.key.kind != KEY_P256)
		return err_set(e, E_KEY_WEAK, "a certificate request for another key than P-256");
	hex_encode(q->nonce, sizeof(q->nonce), nonce_hex);
	if (strcmp(csr.challenge, nonce_hex) != 0)
		return err_set(e, E_CSR_NONCE, "the challenge password is \"%s\"", csr.challenge);
	proof_digest(q->nonce, digest);
	if (!signature_is_over(v, &csr.key, digest, e) || !key_spki_sha256(&csr.key, ret->spki_sha256, e))
		return false;
	sha256(parts, COUNT_OF(parts), ret->evidence_sha256);
	sha256_of(q->nonce, sizeof(q->nonce), ret->nonce_sha256);
	ret->leaf = csr.key;
	return true;
}

bool verifier_judge_csr(struct verifier *v, struct attest_verdict *ret, struct err *e)
{
	struct outstanding q;
	bool held, asked = take_question(v, &q) && q.about == CHALLENGE_CSR;
	memset(ret, 0, sizeof(*ret));
	held = asked ? judge_request(v, &q, ret, e) : err_set(e, E_VERIFIER, "no certificate request was asked for");
	wipe(&q, sizeof(q));
	v->signs_proofs = held;
	return conclude(v, held, ret);
}

/* ---- what was installed ---- */

static bool key_answers(struct verifier *v, const struct outstanding *q, struct err *e)
{
	uint8_t digest[SHA256_SIZE];
	if (v->signs_proofs)
		proof_digest(q->nonce, digest);
	else
		memcpy(digest, q->nonce, sizeof(digest));
	return signature_is_over(v, &v->leaf, digest, e);
}

static bool bundle_is(const struct verifier *v, const uint8_t expected[static SHA256_SIZE], struct err *e)
{
	struct span bundle = piece(v, EVIDENCE_BUNDLE);
	uint8_t hash[SHA256_SIZE];
	sha256_of(bundle.data, bundle.len, hash);
	if (!bundle.len || memcmp(hash, expected, SHA256_SIZE) != 0)
		return err_set(e, E_READ_BACK, "%zu bytes were read back, of another hash", bundle.len);
	return true;
}

bool verifier_judge_install(struct verifier *v, const uint8_t bundle_sha256[static SHA256_SIZE], bool closed, struct err *e)
{
	struct outstanding q;
	bool asked = take_question(v, &q) && q.about == CHALLENGE_KEY;
	bool held;
	if (!v->leaf_judged)
		held = err_set(e, E_VERIFIER, "an installation before the leaf key was judged");
	else if (!closed && !asked)
		held = err_set(e, E_KEY_SILENT, "no challenge to the key is outstanding");
	else
		held = bundle_is(v, bundle_sha256, e) && (closed || key_answers(v, &q, e));
	wipe(&q, sizeof(q));
	bytes_clear(&v->evidence[EVIDENCE_BUNDLE]);
	return held;
}
