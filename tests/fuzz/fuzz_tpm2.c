/* SPDX-License-Identifier: Apache-2.0 */
/* Everything in the judge that reads a device's bytes, as a libFuzzer target: each reader alone, and the judge itself in a
 * conversation. The first byte says which of them gets the rest.
 *
 * Built with -fsanitize=fuzzer it searches; with replay.c it is an ordinary test. */
#include "certs/attest.h"
#include "certs/ek.h"
#include "certs/verifier.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* As if it were of the key that it names, or the reading would end there. */
static void read_ek_cert(const uint8_t *data, size_t len)
{
	struct key_public named = {0};
	struct ek_cert cert;
	struct err e = {0}, ignored = {0};
	const uint8_t *end = data;
	AUTO(x509) X509 *x = d2i_X509(NULL, &end, (long)len);
	if (x && X509_get0_pubkey(x))
		(void)!ossl_key_public(X509_get0_pubkey(x), &named, &ignored);
	(void)!ek_cert_judge(data, len, &named, NULL, &cert, &e);
}

static void read_public(const uint8_t *data, size_t len)
{
	struct tpm2_public p;
	struct ek ek;
	struct err e = {0}, e_ek = {0}, e_ak = {0}, e_leaf = {0};
	bool read = tpm2_public_parse(data, len, E_CERTIFY, &p, &e);
	bool taken = ek_parse(data, len, &ek, &e_ek);
	taken |= attest_ak_parse(data, len, &p, &e_ak);
	taken |= attest_leaf_parse(data, len, &p, &e_leaf);
	if (taken && !read)
		abort();	/* a key was taken from what is no key */
}

static void read_attestation(const uint8_t *data, size_t len)
{
	struct tpm2_certify c;
	struct err e = {0};
	if (tpm2_certify_parse(data, len, E_CERTIFY, &c, &e) && (c.name.len > TPM2_NAME_MAX || c.extra_len > sizeof(c.extra)))
		abort();
}

static void read_signature(const uint8_t *data, size_t len)
{
	struct key_signature s;
	struct err e = {0};
	(void)!tpm2_signature_parse(data, len, E_CERTIFY, &s, &e);
}

/* ---- the judge ---- */

/* What is said to the judge, one byte each. A smaller byte is a kind of evidence, with two bytes of length and the piece behind. */
enum {
	SAY_JUDGE_EK = 0x10,
	SAY_CHALLENGE = 0x20,	/* and what about, in the low bits */
	SAY_JUDGE_ATTESTATION = 0x30,
	SAY_JUDGE_INSTALL = 0x40,	/* and whether the unit is closed */
	SAY_JUDGE_CSR = 0x50,
};

struct talk {
	const uint8_t *at;
	size_t left;
	struct verifier_policy policy;	/* no maker is accepted */
	struct verifier *judge;
	bool ek_judged;
};

static void must(bool what)
{
	if (!what)
		abort();
}

static void send_piece(struct talk *t, uint8_t kind)
{
	struct err e = {0};
	if (t->left < 2)
		return;
	size_t len = (size_t)t->at[0] << 8 | t->at[1];
	t->at += 2;
	t->left -= 2;
	if (len > t->left)
		len = t->left;
	bool sound = kind >= EVIDENCE_EK_PUBLIC && kind < EVIDENCE_KINDS && len > 0 && len <= EVIDENCE_MAX;
	must(verifier_take(t->judge, kind, t->at, len, &e) == sound);
	t->at += len;
	t->left -= len;
}

static void judge_ek(struct talk *t)
{
	struct ek_verdict v;
	struct err e = {0};
	t->ek_judged = verifier_judge_ek(t->judge, &v, &e);
	must(t->ek_judged == (e.code == E_NONE));
	must(!t->ek_judged || !t->policy.need_ek_cert);
	must(!t->ek_judged || (!v.manufacturer[0] && !v.model[0] && !v.version[0]));
}

static void challenge(struct talk *t, enum challenge_about about)
{
	static const struct challenge none;
	struct challenge c;
	struct err e = {0};
	bool asked = verifier_challenge(t->judge, about, &c, &e);
	must(!asked || about == CHALLENGE_CSR || (t->ek_judged && about != CHALLENGE_KEY));
	must(!asked || about == CHALLENGE_LEAF || !t->policy.storage_key);
	must(asked == (e.code == E_NONE));
	must(asked || !memcmp(&c, &none, sizeof(c)));
}

/* No input holds the secret, so nothing is ever proved. */
static void judge_attestation(struct talk *t)
{
	static const struct attest_verdict none;
	struct attest_verdict v;
	struct err e = {0};
	must(!verifier_judge_attestation(t->judge, &v, &e) && e.code == E_CHALLENGE);
	must(!memcmp(&v, &none, sizeof(v)));
}

/* Nor does any hold the nonce. */
static void judge_csr(struct talk *t)
{
	static const struct attest_verdict none;
	struct attest_verdict v;
	struct err e = {0};
	must(!verifier_judge_csr(t->judge, &v, &e));
	must(e.code == E_VERIFIER || e.code == E_CSR || e.code == E_CSR_NONCE || e.code == E_KEY_WEAK);
	must(!memcmp(&v, &none, sizeof(v)));
}

static void judge_install(struct talk *t, bool closed)
{
	static const uint8_t any[SHA256_SIZE];
	struct err e = {0};
	must(!verifier_judge_install(t->judge, any, closed, &e) && e.code == E_VERIFIER);
}

static void say(struct talk *t, uint8_t what)
{
	if (what < SAY_JUDGE_EK)
		send_piece(t, what);
	else if (what < SAY_CHALLENGE)
		judge_ek(t);
	else if (what < SAY_JUDGE_ATTESTATION)
		challenge(t, what & 0xf);
	else if (what < SAY_JUDGE_INSTALL)
		judge_attestation(t);
	else if (what < SAY_JUDGE_CSR)
		judge_install(t, what & 1);
	else
		judge_csr(t);
}

/* The first byte says whether the policy asks for a certificate, and whether for a storage key. */
static void converse(const uint8_t *data, size_t len)
{
	struct talk t = {0};
	struct err e = {0};
	if (!len)
		return;
	t.at = data + 1;
	t.left = len - 1;
	t.policy.need_ek_cert = data[0] & 1;
	t.policy.storage_key = data[0] & 2;
	must(verifier_new(&t.policy, &t.judge, &e));
	while (t.left) {
		t.left--;
		say(&t, *t.at++);
	}
	verifier_free(t.judge);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const readers[])(const uint8_t *, size_t) = {read_public, read_attestation, read_signature, read_ek_cert,
								  converse};
	if (len)
		readers[data[0] % COUNT_OF(readers)](data + 1, len - 1);
	return 0;
}
