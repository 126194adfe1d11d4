/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/signer.h"
#include "certs/ca.h"
#include "certs/count.h"
#include "certs/issue.h"
#include "certs/note_key.h"
#include "certs/ossl.h"
#include "certs/signer_clock.h"
#include "certs/signer_warm.h"
#include "station/base/file.h"
#include "station/base/json.h"
#include "station/base/text.h"

#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <string.h>

_Static_assert(ISSUE_CERT_MAX == SIGNER_CERT_MAX, "a leaf fits its reply");
_Static_assert(NOTE_VKEY_ROOM == sizeof(((struct signer_info *)0)->log_vkey), "a verifier key fits");

#define PROFILES_MAX 64

struct signer {
	struct signer_info who;		/* what does not change; head and count are in `count` */
	struct custody custody;
	struct count count;
	struct signer_clock clock;
	struct issuer ca;
	struct note_key log;
	struct signer_profile profiles[PROFILES_MAX];
	size_t profile_count;
	char *order_vkey[2];		/* NULL: orders are not signed here */
	uint8_t ca_sha256[SHA256_SIZE];
	struct order_terms order[SIGNER_ORDERS];	/* those that were handed in */
	size_t order_count;
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

static bool take_order_key(const char *path, char **ret, struct err *e)
{
	AUTO(bytes) struct bytes text = {.max = 512};
	if (!file_read(path, &text, e))
		return err_in(e, "a key of those who sign orders");
	*ret = strndup(bytes_text(&text), strcspn(bytes_text(&text), "\r\n"));
	return *ret || err_set(e, E_NOMEM, "keys of orders");
}

static bool take_order_keys(struct signer *s, const struct signer_setup *setup, struct err *e)
{
	const char *const *path = setup->order_key_path;
	if (!path[0] || !path[0][0])
		return true;
	return take_order_key(path[0], &s->order_vkey[0], e) && take_order_key(path[1], &s->order_vkey[1], e);
}

/* What a production line may not do without, said here as well: the configuration is the line's. */
static bool custody_is_enough(struct signer *s, const struct signer_setup *setup, struct err *e)
{
	s->who.production = setup->production;
	s->who.in_hardware = s->custody.key.ops->in_hardware;
	s->who.anchored = s->custody.anchor.ops != NULL;
	if (!setup->production)
		return true;
	if (!s->who.in_hardware)
		return err_set(e, E_CUSTODY, "the CA's key can be read out of its %s", s->custody.key.ops->name);
	if (!s->who.anchored)
		return err_set(e, E_CUSTODY, "the count has no anchor");
	return s->order_vkey[0] || err_set(e, E_CUSTODY, "nobody signs orders");
}

/* All but the count. */
static bool open_keys(struct signer *s, const struct signer_setup *setup, struct err *e)
{
	s->who.issue_until_ms = setup->issue_until_ms;
	signer_clock_init(&s->clock);
	if (!take_chain(s, setup->chain_path, e) || !take_profiles(s, setup, e) || !take_order_keys(s, setup, e) ||
	    !custody_open(&setup->custody, &s->custody, e) || !custody_is_enough(s, setup, e) ||
	    !issuer_init(&s->ca, s->who.chain[0], s->who.chain_len[0], &s->custody.key, e))
		return false;
	s->ca.not_after_ms = s->who.ca_not_after_ms;	/* no leaf outlives anything above it */
	sha256_of(s->who.chain[0], s->who.chain_len[0], s->ca_sha256);
	return note_key_open(&s->log, setup->log_key_path, setup->custody.passphrase, setup->origin, e) &&
	       TEXT_COPY(s->who.log_vkey, s->log.vkey, e);
}

static bool count_setup_of(const struct signer *s, const struct signer_setup *setup, struct count_setup *ret, struct err *e)
{
	*ret = (struct count_setup){.state_path = setup->state_path, .anchor = &s->custody.anchor, .lease = setup->lease};
	return key_spki_sha256(&s->custody.key.key, ret->issuer, e) && note_key_derive(&s->log, "the signer's memory", ret->key, e);
}

static bool open_all(struct signer *s, const struct signer_setup *setup, struct err *e)
{
	struct count_setup count;
	bool ok = open_keys(s, setup, e) && count_setup_of(s, setup, &count, e) && count_open(&s->count, &count, e);
	wipe(&count, sizeof(count));
	return ok;
}

bool signer_begin(const struct signer_setup *setup, int64_t now_ms, struct err *e)
{
	struct count_setup count;
	struct signer *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, E_NOMEM, "signer");
	s->count.state.fd = -1;
	bool ok = open_keys(s, setup, e) && count_setup_of(s, setup, &count, e) && count_begin(&count, now_ms, e);
	wipe(&count, sizeof(count));
	signer_close(s);
	return ok;
}

bool signer_open(const struct signer_setup *setup, struct signer **ret, struct err *e)
{
	struct signer *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, E_NOMEM, "signer");
	s->count.state.fd = -1;
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
	count_close(&s->count);
	free(s->order_vkey[0]);
	free(s->order_vkey[1]);
	note_key_fini(&s->log);
	issuer_fini(&s->ca);
	custody_close(&s->custody);
	free(s);
}

void signer_who(const struct signer *s, struct signer_info *ret)
{
	*ret = s->who;
	ret->head_size = s->count.state.now.head_size;
	ret->head_root = s->count.state.now.head_root;
	ret->signed_count = s->count.state.now.signed_count;
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
	const struct signer_memory *last = &s->count.state.now;
	if (size < last->head_size)
		return err_set(e, E_RECEIPT, "the log has %llu entries, and had %llu before", (unsigned long long)size,
			       (unsigned long long)last->head_size);
	if (consistency->count > MERKLE_PROOF_MAX ||
	    !merkle_extends(last->head_size, &last->head_root, size, root, consistency))
		return err_set(e, E_RECEIPT, "the log does not extend the one that this signer knows");
	return true;
}

static bool entry_is_on_record(const struct signer *s, const void *entry, size_t len, const struct receipt *r,
			       struct merkle_hash *ret_leaf, struct err *e)
{
	if (!head_extends(s, r->size, &r->root, &r->consistency, e))
		return false;
	merkle_leaf(entry, len, ret_leaf);
	if (r->index >= r->size || r->inclusion.count > MERKLE_PROOF_MAX ||
	    !merkle_includes(ret_leaf, r->index, r->size, &r->inclusion, &r->root))
		return err_set(e, E_RECEIPT, "this is not entry %llu of the log", (unsigned long long)r->index);
	return true;
}

/* Promise 2: the entry is made here, from the very fields that are about to be signed or permitted. */
static bool intent_is_on_record(const struct signer *s, const struct leaf_request *req, struct merkle_hash *ret_leaf, struct err *e)
{
	AUTO(bytes) struct bytes entry = {0};
	return intent_entry(&req->intent, &entry, e) && entry_is_on_record(s, entry.data, entry.len, &req->receipt, ret_leaf, e);
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

/* ---- orders ---- */

static const struct order_terms *order_find(const struct signer *s, const char *number)
{
	for (size_t i = 0; i < s->order_count; i++)
		if (!strcmp(s->order[i].number, number))
			return &s->order[i];
	return NULL;
}

static bool order_runs(const struct order_terms *o, int64_t now_ms, struct err *e)
{
	return (now_ms >= o->from_ms && now_ms <= o->until_ms) ||
	       err_set(e, E_ORDER_TERMS, "order %s is not for now", o->number);
}

static bool order_is_for_us(const struct signer *s, const struct order_terms *o, int64_t now_ms, struct err *e)
{
	if (strcmp(o->station, s->log.name) != 0)
		return err_set(e, E_ORDER_TERMS, "order %s is for %s", o->number, o->station);
	if (memcmp(o->issuer, s->ca_sha256, sizeof(o->issuer)) != 0)
		return err_set(e, E_ORDER_TERMS, "order %s is for another issuing CA", o->number);
	if (!profile_find(s, o->profile))
		return err_set(e, E_ORDER_TERMS, "order %s is for profile %s", o->number, o->profile);
	const struct order_terms *had = order_find(s, o->number);
	if (had && o->made_ms < had->made_ms)
		return err_set(e, E_ORDER_TERMS, "order %s was amended, and this is an older one of it", o->number);
	return order_runs(o, now_ms, e) && count_takes_order(&s->count, o, e);
}

/* In the place of one of its number, else of one that has ended. */
static struct order_terms *order_room(struct signer *s, const char *number, int64_t now_ms)
{
	struct order_terms *room = (struct order_terms *)(uintptr_t)order_find(s, number);
	if (!room && s->order_count < SIGNER_ORDERS)
		return &s->order[s->order_count++];
	for (size_t i = 0; i < s->order_count && !room; i++)
		if (s->order[i].until_ms < now_ms)
			room = &s->order[i];
	return room;
}

static struct order_reply left_of(const struct signer *s, const char *number)
{
	const struct order_terms *o = order_find(s, number);
	struct order_reply left = {0};
	if (!o)
		return left;
	left.allowed = o->count + o->scrap;
	left.replace_allowed = o->replace;
	count_of_order(&s->count, o, &left.used, &left.replaced);
	return left;
}

bool signer_order(struct signer *s, const struct order_request *req, int64_t now_ms, struct order_reply *ret, struct err *e)
{
	struct order_terms terms;
	if (!s->order_vkey[0])
		return err_set(e, E_ORDER_UNSIGNED, "no keys of those who sign orders are configured");
	if (req->len > sizeof(req->note) || !order_note_open(req->note, req->len, s->order_vkey[0], s->order_vkey[1], &terms, e) ||
	    !order_is_for_us(s, &terms, now_ms, e))
		return false;
	struct order_terms *room = order_room(s, terms.number, now_ms);
	if (!room)
		return err_set(e, E_ORDER_TERMS, "%d orders are being worked on already", SIGNER_ORDERS);
	*room = terms;
	*ret = left_of(s, terms.number);
	return true;
}

/* The order that an identity is counted for; *ret NULL where none limits it: orders are not signed here, or it was
 * counted already. */
static bool order_of(const struct signer *s, const struct intent *intent, bool known, int64_t now_ms,
		     const struct order_terms **ret, struct err *e)
{
	*ret = NULL;
	if (!s->order_vkey[0] || known)
		return true;
	*ret = order_find(s, intent->order);
	if (!*ret)
		return err_set(e, E_ORDER_UNSIGNED, "order \"%s\" was not handed to the signer", intent->order);
	if (strcmp((*ret)->profile, intent->profile) != 0)
		return err_set(e, E_ORDER_TERMS, "order %s is for profile %s", (*ret)->number, (*ret)->profile);
	return order_runs(*ret, now_ms, e);
}

/* ---- counting, and what follows ---- */

/* On disk before anything is said or signed. */
static bool count_intent(struct signer *s, const struct leaf_request *req, int64_t now_ms, struct err *e)
{
	const struct receipt *r = &req->receipt;
	struct counting what = {.index = r->index, .head_size = r->size, .head_root = r->root, .now_ms = now_ms,
				.replaces = req->intent.replaces[0] != '\0'};
	return intent_is_on_record(s, req, &what.leaf, e) &&
	       signer_clock_holds(&s->clock, now_ms, s->count.state.now.latest_ms, s->who.production, e) &&
	       order_of(s, &req->intent, count_knows(&s->count, &what), now_ms, &what.order, e) &&
	       count_identity(&s->count, &what, e);
}

bool signer_leaf(struct signer *s, const struct leaf_request *req, int64_t now_ms, struct leaf_reply *ret, struct err *e)
{
	const struct signer_profile *profile;
	struct tbs tbs;
	size_t len;
	if (!request_is_allowed(s, &req->intent, INTENT_LEAF, now_ms, &profile, e))
		return false;
	const struct leaf_order order = {req->intent.registration_id, &req->intent.key, req->intent.serial, profile->validity_days,
					 &profile->form};
	/* The leaf begins with its intent, not with this moment: signing an intent again gives the same certificate, not
	 * a second one under the same serial number. */
	if (!issue_build(&s->ca, &order, req->intent.time_ms, &tbs, e) || !count_intent(s, req, now_ms, e) ||
	    !issue_sign(&s->ca, &tbs, ret->der, &len, e))
		return false;
	ret->len = (uint32_t)len;
	ret->order = left_of(s, req->intent.order);
	return true;
}

bool signer_permit(struct signer *s, const struct leaf_request *req, int64_t now_ms, struct permit_reply *ret, struct err *e)
{
	const struct signer_profile *profile;
	if (!request_is_allowed(s, &req->intent, INTENT_PERMIT, now_ms, &profile, e) ||
	    !issue_id_is_valid(req->intent.registration_id, e) || !count_intent(s, req, now_ms, e))
		return false;
	ret->signed_count = s->count.state.now.signed_count;
	ret->order = left_of(s, req->intent.order);
	return true;
}

/* ---- the clock ---- */

/* {"body":{"people":["p-…","p-…"]},…,"type":"clock.accepted","v":1}: two, and not one twice. */
static bool entry_names_two(const char *entry, size_t len, struct err *e)
{
	AUTO(json) json_t *j = NULL;
	if (!json_parse(entry, len, &j, e))
		return false;
	const json_t *people = json_object_get(json_object_get(j, "body"), "people");
	const char *one = json_string_value(json_array_get(people, 0)), *two = json_string_value(json_array_get(people, 1));
	if (strcmp(json_text_or(j, "type", ""), "clock.accepted") != 0 || json_array_size(people) != 2 || !one || !two ||
	    !*one || !*two ||
	    !strcmp(one, two))
		return err_set(e, E_CLOCK_REFUSED, "the entry does not say that two people stand for the clock");
	return true;
}

bool signer_clock(struct signer *s, const struct clock_request *req, int64_t now_ms, struct err *e)
{
	struct merkle_hash leaf;
	struct err why = {0};
	int64_t made_ms;
	if (req->len > sizeof(req->entry) || !entry_is_on_record(s, req->entry, req->len, &req->receipt, &leaf, e))
		return req->len <= sizeof(req->entry) ? false : err_set(e, E_RECEIPT, "an entry of %u bytes", req->len);
	if (!entry_names_two(req->entry, req->len, &why))
		return err_set(e, E_CLOCK_REFUSED, "%s", why.what);
	AUTO(json) json_t *j = json_loadb(req->entry, req->len, 0, NULL);
	made_ms = json_int_or(j, "time", 0);
	if (made_ms < now_ms - CLOCK_ACCEPTED_MS || made_ms > now_ms + CLOCK_STEP_MS)
		return err_set(e, E_CLOCK_REFUSED, "two people stood for the clock at another time");
	if (!count_head(&s->count, req->receipt.size, &req->receipt.root, e))
		return false;
	signer_clock_accept(&s->clock, made_ms + CLOCK_ACCEPTED_MS - now_ms);
	return true;
}

/* ---- a checkpoint ---- */

bool signer_checkpoint(struct signer *s, const struct checkpoint_request *req, int64_t now_ms, struct checkpoint_reply *ret,
		       struct err *e)
{
	AUTO(bytes) struct bytes note = {.max = sizeof(ret->note) - 1};
	char lines[SIGNER_CLOCK_LINES];
	if (!req->size)
		return err_set(e, E_RECEIPT, "a checkpoint of an empty log says nothing");
	if (!head_extends(s, req->size, &req->root, &req->consistency, e) ||
	    !count_head(&s->count, req->size, &req->root, e))
		return false;
	memset(ret, 0, sizeof(*ret));
	signer_clock_lines(&s->clock, now_ms, lines);
	if (!note_key_sign(&s->log, req->size, &req->root, lines, &note, e))
		return false;
	memcpy(ret->note, note.data, note.len);
	return true;
}

/* ---- before the lock-down ---- */

bool signer_warm(struct signer *s, int64_t now_ms, struct err *e)
{
	static const struct merkle_hash no_root;
	struct intent intent = {.job = "warm", .registration_id = "warm", .serial = {1}, .time_ms = now_ms,
				.key = s->custody.key.key};
	const struct leaf_order order = {intent.registration_id, &intent.key, intent.serial, 1};
	uint8_t digest[SHA256_SIZE];
	struct err expired = {0};
	struct tbs tbs;
	struct keystore *key = &s->custody.key;
	struct keystore_signature signature = {0};
	char lines[SIGNER_CLOCK_LINES];
	AUTO(bytes) struct bytes entry = {0}, note = {0};
	if (RAND_bytes(digest, sizeof(digest)) != 1)
		return ossl_err(e, E_SIGN, "random numbers");
	if (!issue_build(&s->ca, &order, now_ms, &tbs, &expired) && expired.code != E_CA_EXPIRED)
		return err_native(e, expired.code, expired.native, "%s", expired.what);
	signer_clock_lines(&s->clock, now_ms, lines);
	bool ok = intent_entry(&intent, &entry, e) &&
		  (key->ops->warm ? key->ops->warm(key->state, e) : keystore_sign(key, digest, &signature, e)) &&
		  note_key_sign(&s->log, 0, &no_root, lines, &note, e);
	wipe(&signature, sizeof(signature));
	bytes_clear(&note);
	return ok;
}
