/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/signer.h"
#include "certs/ca.h"
#include "certs/issue.h"
#include "certs/note_key.h"
#include "certs/ossl.h"
#include "certs/signer_state.h"
#include "certs/signer_warm.h"
#include "station/base/text.h"

#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <string.h>

_Static_assert(ISSUE_CERT_MAX == SIGNER_CERT_MAX, "a leaf fits its reply");
_Static_assert(NOTE_VKEY_ROOM == sizeof(((struct signer_info *)0)->log_vkey), "a verifier key fits");

#define PROFILES_MAX 64
#define CLOCK_STEP_MS 300000	/* a clock may have been set back by so much since the intent */

struct signer {
	struct signer_info who;		/* what does not change; head and count are in the state */
	struct signer_state state;
	struct custody custody;
	struct issuer ca;
	struct note_key log;
	struct signer_profile profiles[PROFILES_MAX];
	size_t profile_count;
};

/* ---- opening ---- */

static bool issued_by(const struct bytes *cert, const struct bytes *issuer, struct err *e)
{
	AUTO(x509) X509 *x = NULL;
	AUTO(x509) X509 *above = NULL;
	if (!ossl_x509(cert->data, cert->len, E_CA_FILE, &x, e) || !ossl_x509(issuer->data, issuer->len, E_CA_FILE, &above, e))
		return false;
	if (X509_check_issued(above, x) != X509_V_OK || X509_verify(x, X509_get0_pubkey(above)) != 1)
		return ossl_err(e, E_CA_FILE, "the certificates of the chain do not follow one another");
	return true;
}

/* Sorts one certificate of the file into what a device gets and the root above it. */
static bool take_certificate(struct signer *s, const struct bytes *cert, size_t at, size_t count, struct err *e)
{
	struct cert_facts facts;
	if (!cert_look(cert->data, cert->len, &facts, e))
		return false;
	if (!facts.is_ca || cert->len > SIGNER_CERT_MAX || (facts.self_signed && at + 1 != count))
		return err_set(e, E_CA_FILE, "certificate %zu of the chain is no CA in its place", at + 1);
	if (!at || facts.not_after_ms < s->who.ca_not_after_ms)
		s->who.ca_not_after_ms = facts.not_after_ms;
	if (facts.self_signed) {
		s->who.root_len = (uint32_t)cert->len;
		memcpy(s->who.root, cert->data, cert->len);
	}
	if (facts.self_signed && at)
		return true;
	if (s->who.chain_count == SIGNER_CHAIN_MAX)
		return err_set(e, E_CA_FILE, "a chain of more than %d certificates", SIGNER_CHAIN_MAX);
	memcpy(s->who.chain[s->who.chain_count], cert->data, cert->len);
	s->who.chain_len[s->who.chain_count++] = (uint32_t)cert->len;
	return true;
}

static bool take_chain(struct signer *s, const char *path, struct err *e)
{
	struct bytes certs[SIGNER_CHAIN_MAX + 1] = {0};
	size_t count = 0;
	bool ok = cert_read_pem_file(path, certs, COUNT_OF(certs), &count, e);
	for (size_t i = 0; ok && i < count; i++)
		ok = take_certificate(s, &certs[i], i, count, e) && (!i || issued_by(&certs[i - 1], &certs[i], e));
	for (size_t i = 0; i < count; i++)
		bytes_fini(&certs[i]);
	return ok || err_in(e, "%s", path);
}

static bool take_profiles(struct signer *s, const struct signer_setup *setup, struct err *e)
{
	if (setup->profile_count > PROFILES_MAX)
		return err_set(e, E_PROFILE, "more than %d profiles", PROFILES_MAX);
	s->profile_count = setup->profile_count;
	if (setup->profile_count)
		memcpy(s->profiles, setup->profiles, setup->profile_count * sizeof(s->profiles[0]));
	return true;
}

static bool open_all(struct signer *s, const struct signer_setup *setup, struct err *e)
{
	s->who.issue_until_ms = setup->issue_until_ms;
	if (!take_chain(s, setup->chain_path, e) || !take_profiles(s, setup, e) ||
	    !custody_open(&setup->custody, &s->custody, e) ||
	    !issuer_init(&s->ca, s->who.chain[0], s->who.chain_len[0], &s->custody.key, e))
		return false;
	s->ca.not_after_ms = s->who.ca_not_after_ms;	/* no leaf outlives anything above it */
	return note_key_open(&s->log, setup->log_key_path, setup->custody.passphrase, setup->origin, e) &&
	       TEXT_COPY(s->who.log_vkey, s->log.vkey, e) && signer_state_open(&s->state, setup->state_path, e);
}

bool signer_open(const struct signer_setup *setup, struct signer **ret, struct err *e)
{
	struct signer *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, E_NOMEM, "signer");
	s->state.fd = -1;
	if (!open_all(s, setup, e)) {
		signer_close(s);
		return false;
	}
	*ret = s;
	return true;
}

void signer_close(struct signer *s)
{
	if (!s)
		return;
	signer_state_close(&s->state);
	note_key_fini(&s->log);
	issuer_fini(&s->ca);
	custody_close(&s->custody);
	free(s);
}

void signer_who(const struct signer *s, struct signer_info *ret)
{
	*ret = s->who;
	ret->head_size = s->state.now.head_size;
	ret->head_root = s->state.now.head_root;
	ret->signed_count = s->state.now.signed_count;
}

/* ---- a leaf, a permit ---- */

static const struct signer_profile *profile_find(const struct signer *s, const char *name)
{
	for (size_t i = 0; i < s->profile_count; i++)
		if (!strcmp(s->profiles[i].name, name))
			return &s->profiles[i];
	return NULL;
}

/* True if the tree (size, root) is the last accepted one or extends it. */
static bool head_extends(const struct signer *s, uint64_t size, const struct merkle_hash *root,
			 const struct merkle_proof *consistency, struct err *e)
{
	const struct signer_memory *last = &s->state.now;
	if (size < last->head_size)
		return err_set(e, E_RECEIPT, "the log has %llu entries, and had %llu before", (unsigned long long)size,
			       (unsigned long long)last->head_size);
	if (consistency->count > MERKLE_PROOF_MAX ||
	    !merkle_extends(last->head_size, &last->head_root, size, root, consistency))
		return err_set(e, E_RECEIPT, "the log does not extend the one that this signer knows");
	return true;
}

/* Promise 2: the entry is made here, from the very fields that are about to be signed or permitted. */
static bool intent_is_on_record(const struct signer *s, const struct leaf_request *req, struct err *e)
{
	const struct receipt *r = &req->receipt;
	AUTO(bytes) struct bytes entry = {0};
	struct merkle_hash leaf;
	if (!intent_entry(&req->intent, &entry, e) || !head_extends(s, r->size, &r->root, &r->consistency, e))
		return false;
	merkle_leaf(entry.data, entry.len, &leaf);
	if (r->index >= r->size || r->inclusion.count > MERKLE_PROOF_MAX ||
	    !merkle_includes(&leaf, r->index, r->size, &r->inclusion, &r->root))
		return err_set(e, E_RECEIPT, "this intent is not entry %llu of the log", (unsigned long long)r->index);
	return true;
}

/* Whether this may be asked for at all, by this profile and now. */
static bool request_is_allowed(const struct signer *s, const struct intent *intent, enum intent_kind kind, int64_t now_ms,
			       const struct signer_profile **ret, struct err *e)
{
	if (!intent_is_whole(intent))
		return err_set(e, E_RECEIPT, "a text of the request has no end");
	*ret = profile_find(s, intent->profile);
	if (!*ret)
		return err_set(e, E_PROFILE, "no profile of that name");
	if (intent->kind != kind || (*ret)->kind != kind)
		return err_set(e, E_PROFILE, "an identity of kind %u was asked for as %u by a profile of %u", intent->kind, kind,
			       (*ret)->kind);
	if (now_ms < s->ca.not_before_ms || now_ms >= s->who.issue_until_ms || now_ms >= s->who.ca_not_after_ms)
		return err_set(e, E_CA_EXPIRED, "not between the CA's beginning and issue_until or the CA's end");
	if (intent->time_ms > now_ms + CLOCK_STEP_MS)
		return err_set(e, E_RECEIPT, "the intent is from the future");
	return true;
}

/* On disk before anything is said or signed. */
static bool count_identity(struct signer *s, const struct receipt *r, struct err *e)
{
	const struct signer_memory next = {r->size, r->root, s->state.now.signed_count + 1};
	return signer_state_write(&s->state, &next, e);
}

bool signer_leaf(struct signer *s, const struct leaf_request *req, int64_t now_ms, struct leaf_reply *ret, struct err *e)
{
	const struct signer_profile *profile;
	struct tbs tbs;
	size_t len;
	if (!request_is_allowed(s, &req->intent, INTENT_LEAF, now_ms, &profile, e))
		return false;
	const struct leaf_order order = {req->intent.registration_id, &req->intent.key, req->intent.serial, profile->validity_days};
	/* The leaf begins with its intent, not with this moment: signing an intent again gives the same certificate, not a second one
	 * under the same serial number. */
	if (!issue_build(&s->ca, &order, req->intent.time_ms, &tbs, e) || !intent_is_on_record(s, req, e))
		return false;
	if (!count_identity(s, &req->receipt, e) || !issue_sign(&s->ca, &tbs, ret->der, &len, e))
		return false;
	ret->len = (uint32_t)len;
	return true;
}

bool signer_permit(struct signer *s, const struct leaf_request *req, int64_t now_ms, struct permit_reply *ret, struct err *e)
{
	const struct signer_profile *profile;
	if (!request_is_allowed(s, &req->intent, INTENT_PERMIT, now_ms, &profile, e) ||
	    !issue_id_is_valid(req->intent.registration_id, e) || !intent_is_on_record(s, req, e) ||
	    !count_identity(s, &req->receipt, e))
		return false;
	ret->signed_count = s->state.now.signed_count;
	return true;
}

/* ---- a checkpoint ---- */

static bool head_adopt(struct signer *s, const struct checkpoint_request *req, struct err *e)
{
	const struct signer_memory *last = &s->state.now;
	const struct signer_memory next = {req->size, req->root, last->signed_count};
	if (req->size == last->head_size && last->head_size)
		return true;	/* known, and on disk */
	return signer_state_write(&s->state, &next, e);
}

bool signer_checkpoint(struct signer *s, const struct checkpoint_request *req, int64_t now_ms, struct checkpoint_reply *ret,
		       struct err *e)
{
	AUTO(bytes) struct bytes note = {.max = sizeof(ret->note) - 1};
	if (!req->size)
		return err_set(e, E_RECEIPT, "a checkpoint of an empty log says nothing");
	if (!head_extends(s, req->size, &req->root, &req->consistency, e) || !head_adopt(s, req, e))
		return false;
	memset(ret, 0, sizeof(*ret));
	if (!note_key_sign(&s->log, req->size, &req->root, now_ms, &note, e))
		return false;
	memcpy(ret->note, note.data, note.len);
	return true;
}

/* ---- before the lock-down ---- */

bool signer_warm(struct signer *s, int64_t now_ms, struct err *e)
{
	static const struct merkle_hash no_root;
	struct intent intent = {.job = "warm", .registration_id = "warm", .serial = {1}, .time_ms = now_ms, .key = s->custody.key.key};
	const struct leaf_order order = {intent.registration_id, &intent.key, intent.serial, 1};
	uint8_t digest[SHA256_SIZE];
	struct err expired = {0};
	struct tbs tbs;
	struct keystore_signature signature;
	AUTO(bytes) struct bytes entry = {0}, note = {0};
	if (RAND_bytes(digest, sizeof(digest)) != 1)
		return ossl_err(e, E_SIGN, "random numbers");
	if (!issue_build(&s->ca, &order, now_ms, &tbs, &expired) && expired.code != E_CA_EXPIRED)
		return err_native(e, expired.code, expired.native, "%s", expired.what);
	bool ok = intent_entry(&intent, &entry, e) && keystore_sign(&s->custody.key, digest, &signature, e) &&
		  note_key_sign(&s->log, 0, &no_root, now_ms, &note, e);
	wipe(&signature, sizeof(signature));
	bytes_clear(&note);
	return ok;
}
