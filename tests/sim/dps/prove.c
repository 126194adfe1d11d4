/* SPDX-License-Identifier: Apache-2.0 */
#include "prove.h"

#include "cert.h"
#include "entries.h"
#include "holders.h"
#include "sas.h"
#include "util.h"

#include <stdlib.h>
#include <string.h>

#define CHALLENGE_LIFE_S 3600
#define KEY_NAME "registration"
#define KEY_SIZE 32

int64_t request_now_s(const struct request *r)
{
	return clock_ms() / 1000 + fault_of(r->fault, EFFECT_CLOCK_SKEW_S, 0);
}

void proof_fini(struct proof *p)
{
	X509_free(p->signer);
	free(p->primary);
	free(p->secondary);
	*p = (struct proof){0};
}

static bool is_disabled(const json_t *entry)
{
	return text_same(json_string_value(json_object_get(entry, "provisioningStatus")), "disabled");
}

static const json_t *attestation_of(const json_t *entry, const char *type)
{
	return json_object_get(json_object_get(entry, "attestation"), type);
}

/* ---- by certificate ---- */

static STACK_OF(X509) *verified_cas(const struct service *svc)
{
	STACK_OF(X509) *cas = must(sk_X509_new_null());
	const char *key = NULL;
	json_t *doc = NULL;
	json_object_foreach(svc->store.shelf[SHELF_CERTIFICATES], key, doc) {
		if (!json_is_true(json_object_get(doc, "isVerified")))
			continue;
		X509 *ca = cert_read(json_string_value(json_object_get(doc, "certificate")));
		sk_X509_push(cas, must(ca));
	}
	return cas;
}

/* The first certificate above the leaf that a group holds. */
static const json_t *group_of_chain(const struct service *svc, STACK_OF(X509) *chain, X509 **ret_signer)
{
	for (int i = 1; i < sk_X509_num(chain); i++) {
		AUTO_TEXT hash = cert_sha256(sk_X509_value(chain, i));
		const json_t *group = group_of_signer(svc, hash);
		if (!group)
			continue;
		*ret_signer = sk_X509_value(chain, i);
		X509_up_ref(*ret_signer);
		return group;
	}
	return NULL;
}

static enum refusal prove_by_chain(const struct service *svc, const struct request *r, struct proof *p)
{
	STACK_OF(X509) *anchors = verified_cas(svc);
	STACK_OF(X509) *chain = cert_chain(r->peers, anchors, &p->why);
	sk_X509_pop_free(anchors, X509_free);
	if (!chain)
		return NO_CHAIN;
	p->entry = group_of_chain(svc, chain, &p->signer);
	sk_X509_pop_free(chain, X509_free);
	if (!p->entry)
		return NO_ENROLLMENT;
	p->group_id = json_string_value(json_object_get(p->entry, "enrollmentGroupId"));
	return is_disabled(p->entry) ? DISABLED : PROVED;
}

static enum refusal prove_by_certificate(const struct service *svc, const struct request *r, struct proof *p)
{
	p->by = BY_X509;
	p->leaf = request_leaf(r);
	if (!p->leaf)
		return NO_PROOF;
	AUTO_TEXT cn = cert_common_name(p->leaf);
	if (!text_same(cn, p->registration_id))
		return NAME_DIFFERS;
	if (!cert_is_in_force(p->leaf))
		return NOT_IN_FORCE;
	AUTO_TEXT hash = cert_sha256(p->leaf);
	const json_t *mine = holder_of(svc, &entry_individuals, hash);
	if (!mine && !p->entry)
		return prove_by_chain(svc, r, p);
	if (!mine || mine != p->entry)
		return WRONG_CERTIFICATE;
	return is_disabled(mine) ? DISABLED : PROVED;
}

/* ---- by token ---- */

/* A device's token names {idScope}/registrations/{registrationId}, however encoded, and the key "registration". */
static bool token_is_for(const struct sas *t, const struct request *r)
{
	AUTO_TEXT asked = text_of("%s/registrations/%s", r->arg[0], r->arg[1]);
	AUTO_TEXT resource = percent_decode(t->sr, strlen(t->sr));
	AUTO_TEXT name = percent_decode(t->skn, strlen(t->skn));
	return text_same(resource, asked) && text_same(name, KEY_NAME) && sas_is_in_force(t, request_now_s(r));
}

/* The keys that the device has: the entry's own, or those derived from a group's for its id, as it spells it. */
static void take_keys(struct proof *p, const json_t *entry, bool derived)
{
	const json_t *keys = attestation_of(entry, "symmetricKey");
	const char *primary = json_string_value(json_object_get(keys, "primaryKey"));
	const char *secondary = json_string_value(json_object_get(keys, "secondaryKey"));
	free(p->primary);
	free(p->secondary);
	p->primary = derived ? sas_digest(primary, p->registration_id) : text_of("%s", primary);
	p->secondary = derived ? sas_digest(secondary, p->registration_id) : text_of("%s", secondary);
}

static bool is_signed_by_device(const struct sas *t, const struct proof *p)
{
	return sas_is_signed_with(t, p->primary) || sas_is_signed_with(t, p->secondary);
}

static enum refusal prove_by_group_key(const struct service *svc, const struct sas *t, struct proof *p)
{
	const char *key = NULL;
	json_t *group = NULL;
	json_object_foreach(svc->store.shelf[SHELF_GROUPS], key, group) {
		if (!attestation_of(group, "symmetricKey"))
			continue;
		take_keys(p, group, true);
		if (!is_signed_by_device(t, p))
			continue;
		p->entry = group;
		p->group_id = json_string_value(json_object_get(group, "enrollmentGroupId"));
		return is_disabled(group) ? DISABLED : PROVED;
	}
	return WRONG_TOKEN;
}

static enum refusal prove_by_key(const struct service *svc, const struct request *r, const struct sas *t,
	struct proof *p)
{
	p->by = BY_KEY;
	if (!token_is_for(t, r))
		return WRONG_TOKEN;
	if (!p->entry)
		return prove_by_group_key(svc, t, p);
	take_keys(p, p->entry, false);
	if (!is_signed_by_device(t, p))
		return WRONG_TOKEN;
	return is_disabled(p->entry) ? DISABLED : PROVED;
}

/* ---- by TPM ---- */

/* Is the key in this body the enrolled one? Bytes count, not their spelling in base64. */
static bool is_enrolled_ek(const json_t *entry, const struct tpm_key *ek)
{
	struct tpm_key kept;
	return tpm_key_read(&kept, json_string_value(json_object_get(attestation_of(entry, "tpm"), "endorsementKey"))) &&
		memcmp(kept.name, ek->name, sizeof ek->name) == 0;
}

static json_t *challenge_of(const struct service *svc, const struct request *r)
{
	AUTO_TEXT key = text_lower(r->arg[1]);
	json_t *c = store_get(&svc->store, SHELF_CHALLENGES, key);
	return json_integer_value(json_object_get(c, "expires")) > request_now_s(r) ? c : NULL;
}

/* A token that the challenge's key signed; both keys are then those that were challenged. */
static enum refusal prove_by_challenge(const struct service *svc, const struct request *r,
	const struct sas *t, struct proof *p)
{
	const json_t *c = challenge_of(svc, r);
	if (!c || !token_is_for(t, r) || !sas_is_signed_with(t, json_string_value(json_object_get(c, "key"))) ||
		!tpm_key_read(&p->ek, json_string_value(json_object_get(c, "endorsementKey"))) ||
		!tpm_key_read(&p->srk, json_string_value(json_object_get(c, "storageRootKey"))))
		return WRONG_TOKEN;
	if (!is_enrolled_ek(p->entry, &p->ek))
		return WRONG_EK;
	return is_disabled(p->entry) ? DISABLED : PROVED;
}

static enum refusal prove_by_tpm(const struct service *svc, const struct request *r, const struct sas *t,
	struct proof *p)
{
	const json_t *sent = json_object_get(r->json, "tpm");
	p->by = BY_TPM;
	if (!sent && !t->sig)
		return NO_PROOF;
	if (sent && (!tpm_key_read(&p->ek, json_string_value(json_object_get(sent, "endorsementKey"))) ||
		!is_enrolled_ek(p->entry, &p->ek)))
		return WRONG_EK;
	if (t->sig)
		return prove_by_challenge(svc, r, t, p);
	if (is_disabled(p->entry))
		return DISABLED;
	return tpm_key_read(&p->srk, json_string_value(json_object_get(sent, "storageRootKey"))) ? CHALLENGED : WRONG_EK;
}

void challenge(struct service *svc, const struct request *r, const struct proof *p, struct answer *a)
{
	uint8_t bytes[KEY_SIZE];
	random_fill(bytes, sizeof bytes);
	AUTO_TEXT blob = tpm_key_wrap(&p->ek, &p->srk, bytes, sizeof bytes);
	AUTO_TEXT text = base64_of(bytes, sizeof bytes);
	AUTO_TEXT key = text_lower(r->arg[1]);
	const json_t *sent = json_object_get(r->json, "tpm");
	json_t *kept = must(json_pack("{s:s, s:I, s:O, s:O}", "key", text,
		"expires", (json_int_t)(request_now_s(r) + CHALLENGE_LIFE_S),
		"endorsementKey", json_object_get(sent, "endorsementKey"),
		"storageRootKey", json_object_get(sent, "storageRootKey")));
	if (!store_put(&svc->store, SHELF_CHALLENGES, key, kept)) {
		answer_error(a, 500000, "The state cannot be written.");
		return;
	}
	answer_with(a, 401, must(json_pack("{s:s, s:s, s:s}",
		"message", "Authorization required: sign with the key that is enclosed.",
		"authenticationKey", blob, "keyName", KEY_NAME)));
}

/* ---- which of them ---- */

static enum refusal prove_with(const struct service *svc, const struct request *r, const struct sas *t,
	struct proof *p)
{
	if (attestation_of(p->entry, "tpm"))
		return prove_by_tpm(svc, r, t, p);
	if (!p->entry && json_is_object(json_object_get(r->json, "tpm")))
		return NO_TPM_ENROLLMENT;
	bool wants_token = p->entry ? attestation_of(p->entry, "symmetricKey") != NULL : t->sig != NULL;
	if (!wants_token)
		return prove_by_certificate(svc, r, p);
	return t->sig ? prove_by_key(svc, r, t, p) : NO_PROOF;
}

enum refusal prove(const struct service *svc, const struct request *r, struct proof *p)
{
	struct sas t = {0};
	p->registration_id = r->arg[1];
	p->entry = entry_find(svc, &entry_individuals, p->registration_id);
	bool broken = sas_is_meant(r->authorization) && !sas_parse(&t, r->authorization);
	enum refusal why = broken ? WRONG_TOKEN : prove_with(svc, r, &t, p);
	sas_fini(&t);
	return why;
}
