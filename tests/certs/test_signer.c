/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/signer.h"
#include "certs/ca.h"
#include "certs/note.h"
#include "station/base/clock.h"
#include "tests/certs/check.h"
#include "tests/certs/desk.h"

#include <string.h>

/* An honest request for this id. */
static void request_make(struct office *o, const char *id, struct leaf_request *ret)
{
	memset(ret, 0, sizeof(*ret));
	intent_make(&ret->intent, id);
	log_receipt(&o->log, &ret->intent, office_head(o), &ret->receipt);
}

static bool ask(struct office *o, const struct leaf_request *req, struct leaf_reply *ret, struct err *e)
{
	return signer_leaf(o->signer, req, clock_wall_ms(), ret, e);
}

/* Refused, and nothing was remembered or counted. */
static void refused(struct office *o, const struct leaf_request *req, enum err_code code)
{
	struct err e = {0};
	struct leaf_reply leaf;
	struct signer_info before, after;
	signer_who(o->signer, &before);
	CHECK_FAILS(ask(o, req, &leaf, &e), code, e);
	signer_who(o->signer, &after);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void honest_request_gets_a_leaf_that_holds(void **state)
{
	struct office *o = *state;
	struct err e = {0};
	struct leaf_request req;
	struct leaf_reply leaf;
	struct signer_info info;
	for (unsigned i = 0; i < 20; i++) {
		request_make(o, "unit-1", &req);
		CHECK_OK(ask(o, &req, &leaf, &e), e);
		signer_who(o->signer, &info);
		struct bytes line = {.data = info.chain[0], .len = info.chain_len[0]};
		CHECK_OK(cert_chain_holds(leaf.der, leaf.len, &line, 1, info.root, info.root_len, &e), e);
		assert_int_equal(info.signed_count, i + 1);
		assert_int_equal(info.head_size, o->log.edge.size);
		log_add(&o->log, "other", 5);
	}
}

static void chain_for_a_device_leaves_the_root_out(void **state)
{
	struct office *o = *state;
	struct err e = {0};
	struct signer_info info;
	struct cert_facts line, root;
	signer_who(o->signer, &info);
	assert_int_equal(info.chain_count, 1);
	CHECK_OK(cert_look(info.chain[0], info.chain_len[0], &line, &e), e);
	CHECK_OK(cert_look(info.root, info.root_len, &root, &e), e);
	assert_string_equal(line.common_name, "Example Line CA");
	assert_string_equal(root.common_name, "Example Root CA");
	assert_int_equal(info.ca_not_after_ms, line.not_after_ms);
}

static void same_intent_is_signed_again_after_a_power_cut(void **state)
{
	struct office *o = *state;
	struct err e = {0};
	struct leaf_request req;
	struct leaf_reply leaf, again;
	struct cert_facts first, second;
	request_make(o, "unit-1", &req);
	uint64_t index = req.receipt.index;
	CHECK_OK(ask(o, &req, &leaf, &e), e);
	clock_sleep_ms(1100);	/* a certificate's times have whole seconds */
	office_restart(o);
	assert_int_equal(office_head(o), o->log.edge.size);
	assert_int_equal(office_count(o), 1);
	log_prove(&o->log, index, office_head(o), &req.receipt);
	CHECK_OK(ask(o, &req, &again, &e), e);
	assert_int_equal(office_count(o), 1);	/* one identity, however often it is asked for */
	/* One serial number, one certificate: only the signature's random part differs. */
	CHECK_OK(cert_look(leaf.der, leaf.len, &first, &e), e);
	CHECK_OK(cert_look(again.der, again.len, &second, &e), e);
	assert_int_equal(first.not_before_ms, second.not_before_ms);
	assert_int_equal(first.not_after_ms, second.not_after_ms);
}

static void request_with_replayed_receipt_is_refused(void **state)
{
	struct office *o = *state;
	struct err e = {0};
	struct leaf_request first, second;
	struct leaf_reply leaf;
	log_add(&o->log, "start", 5);
	request_make(o, "unit-1", &first);
	CHECK_OK(ask(o, &first, &leaf, &e), e);
	second = first;
	intent_make(&second.intent, "unit-1");	/* another key, the receipt of before */
	log_prove(&o->log, first.receipt.index, office_head(o), &second.receipt);
	refused(o, &second, E_RECEIPT);
}

static void request_for_another_key_id_or_profile_than_recorded_is_refused(void **state)
{
	struct office *o = *state;
	struct leaf_request good, bad;
	request_make(o, "unit-1", &good);
	bad = good, key_make(&bad.intent.key, NULL);
	refused(o, &bad, E_RECEIPT);
	bad = good, strcpy(bad.intent.registration_id, "unit-2");
	refused(o, &bad, E_RECEIPT);
	bad = good, strcpy(bad.intent.profile, "gateway");
	refused(o, &bad, E_RECEIPT);
	bad = good, bad.intent.serial[7] ^= 1;
	refused(o, &bad, E_RECEIPT);
	bad = good, strcpy(bad.intent.order, "po-1");
	refused(o, &bad, E_RECEIPT);
	bad = good, bad.intent.time_ms--;
	refused(o, &bad, E_RECEIPT);
	bad = good, bad.intent.job[0] = 'f';
	refused(o, &bad, E_RECEIPT);
}

static void proof_with_any_byte_changed_is_refused(void **state)
{
	struct office *o = *state;
	struct err e = {0};
	struct leaf_request good, bad;
	struct leaf_reply leaf;
	for (int i = 0; i < 5; i++)
		log_add(&o->log, "x", 1);
	request_make(o, "unit-0", &good);
	CHECK_OK(ask(o, &good, &leaf, &e), e);
	for (int i = 0; i < 7; i++)
		log_add(&o->log, "y", 1);
	request_make(o, "unit-1", &good);
	assert_true(good.receipt.inclusion.count > 1 && good.receipt.consistency.count > 1);
	for (uint32_t i = 0; i < good.receipt.inclusion.count; i++) {
		bad = good, bad.receipt.inclusion.hash[i].h[5] ^= 1;
		refused(o, &bad, E_RECEIPT);
	}
	for (uint32_t i = 0; i < good.receipt.consistency.count; i++) {
		bad = good, bad.receipt.consistency.hash[i].h[5] ^= 1;
		refused(o, &bad, E_RECEIPT);
	}
	bad = good, bad.receipt.root.h[0] ^= 1;
	refused(o, &bad, E_RECEIPT);
	bad = good, bad.receipt.index--;
	refused(o, &bad, E_RECEIPT);
	bad = good, bad.receipt.index = bad.receipt.size;
	refused(o, &bad, E_RECEIPT);
	bad = good, bad.receipt.size++;
	refused(o, &bad, E_RECEIPT);
	bad = good, bad.receipt.inclusion.count = UINT32_MAX;
	refused(o, &bad, E_RECEIPT);
	bad = good, bad.receipt.consistency.count = UINT32_MAX;
	refused(o, &bad, E_RECEIPT);
	bad = good, bad.receipt.consistency.count = 0;
	refused(o, &bad, E_RECEIPT);
	CHECK_OK(ask(o, &good, &leaf, &e), e);
}

/* Somebody restores last week's ledger: it is shorter than what the signer saw. */
static void old_database_is_refused(void **state)
{
	struct office *o = *state;
	struct err e = {0};
	struct leaf_request req;
	struct leaf_reply leaf;
	struct fake_log old;
	log_add(&o->log, "a", 1);
	old = o->log;
	request_make(o, "unit-1", &req);
	log_add(&o->log, "b", 1);
	log_prove(&o->log, req.receipt.index, 0, &req.receipt);
	CHECK_OK(ask(o, &req, &leaf, &e), e);
	o->log = old;
	memset(&req, 0, sizeof(req));
	intent_make(&req.intent, "unit-2");
	log_receipt(&o->log, &req.intent, 0, &req.receipt);
	assert_true(req.receipt.size < office_head(o));
	refused(o, &req, E_RECEIPT);
}

/* The same, but padded to the length that the signer expects, or beyond. */
static void receipt_of_forked_log_is_refused(void **state)
{
	struct office *o = *state;
	struct err e = {0};
	struct leaf_request req;
	struct leaf_reply leaf;
	struct fake_log fork;
	log_add(&o->log, "a", 1);
	fork = o->log;
	request_make(o, "unit-1", &req);
	CHECK_OK(ask(o, &req, &leaf, &e), e);
	o->log = fork;
	memset(&req, 0, sizeof(req));
	intent_make(&req.intent, "unit-2");
	log_receipt(&o->log, &req.intent, 0, &req.receipt);
	assert_int_equal(req.receipt.size, office_head(o));
	refused(o, &req, E_RECEIPT);
	for (int i = 0; i < 6; i++) {
		log_add(&o->log, "pad", 3);
		log_prove(&o->log, 1, office_head(o), &req.receipt);
		refused(o, &req, E_RECEIPT);
	}
}

static void foreign_profile_is_refused(void **state)
{
	struct office *o = *state;
	struct leaf_request req;
	memset(&req, 0, sizeof(req));
	intent_make(&req.intent, "unit-1");
	strcpy(req.intent.profile, "root-ca");
	log_receipt(&o->log, &req.intent, office_head(o), &req.receipt);
	refused(o, &req, E_PROFILE);
	req.intent.profile[0] = '\0';
	refused(o, &req, E_PROFILE);
	memset(req.intent.profile, 'x', sizeof(req.intent.profile));
	refused(o, &req, E_RECEIPT);
}

static void each_profile_has_its_own_validity(void **state)
{
	struct office *o = *state;
	struct err e = {0};
	struct leaf_request req = {0};
	struct leaf_reply leaf;
	struct cert_facts facts;
	intent_make(&req.intent, "unit-1");
	strcpy(req.intent.profile, "gateway");
	log_receipt(&o->log, &req.intent, office_head(o), &req.receipt);
	CHECK_OK(ask(o, &req, &leaf, &e), e);
	CHECK_OK(cert_look(leaf.der, leaf.len, &facts, &e), e);
	assert_in_range(facts.not_after_ms - clock_wall_ms(), 30 * 86400000LL - 10000, 30 * 86400000LL);
}

static void nothing_is_issued_after_issue_until(void **state)
{
	struct office *o = *state;
	struct err e = {0};
	struct leaf_request req;
	struct leaf_reply leaf;
	request_make(o, "unit-1", &req);
	CHECK_FAILS(signer_leaf(o->signer, &req, o->desk.setup.issue_until_ms, &leaf, &e), E_CA_EXPIRED, e);
	CHECK_FAILS(signer_leaf(o->signer, &req, 0, &leaf, &e), E_CA_EXPIRED, e);
	assert_int_equal(office_count(o), 0);
	CHECK_OK(signer_leaf(o->signer, &req, o->desk.setup.issue_until_ms - 1, &leaf, &e), e);
}

static void bad_id_or_key_is_refused_before_anything_is_remembered(void **state)
{
	struct office *o = *state;
	struct leaf_request req = {0};
	intent_make(&req.intent, "Unit 1");
	log_receipt(&o->log, &req.intent, office_head(o), &req.receipt);
	refused(o, &req, E_ID_INVALID);
	request_make(o, "unit-1", &req);
	req.intent.key.y[0] ^= 1;
	refused(o, &req, E_KEY_WEAK);
}

/* ---- checkpoints ---- */

static void checkpoint_of(struct office *o, struct checkpoint_request *ret)
{
	struct receipt r;
	log_prove(&o->log, 0, office_head(o), &r);
	*ret = (struct checkpoint_request){.size = r.size, .root = r.root, .consistency = r.consistency};
}

static void checkpoint_opens_with_the_signers_verifier_key(void **state)
{
	struct office *o = *state;
	struct err e = {0};
	struct checkpoint_request req;
	struct checkpoint_reply reply;
	struct checkpoint seen;
	struct signer_info info;
	for (int i = 0; i < 9; i++) {
		log_add(&o->log, &i, sizeof(i));
		checkpoint_of(o, &req);
		CHECK_OK(signer_checkpoint(o->signer, &req, 1795384165123, &reply, &e), e);
		checkpoint_of(o, &req);	/* the same again */
		CHECK_OK(signer_checkpoint(o->signer, &req, 1795384165123, &reply, &e), e);
		signer_who(o->signer, &info);
		CHECK_OK(note_open_checkpoint(reply.note, strlen(reply.note), info.log_vkey, &seen, &e), e);
		assert_string_equal(seen.origin, DESK_ORIGIN);
		assert_int_equal(seen.size, o->log.edge.size);
		assert_memory_equal(&seen.root, &req.root, sizeof(seen.root));
		office_restart(o);
		assert_int_equal(office_head(o), o->log.edge.size);
	}
	assert_int_equal(office_count(o), 0);
}

static void checkpoint_of_a_forked_or_shortened_log_is_refused(void **state)
{
	struct office *o = *state;
	struct err e = {0};
	struct checkpoint_request good, bad;
	struct checkpoint_reply reply;
	struct fake_log old;
	log_add(&o->log, "a", 1);
	old = o->log;
	log_add(&o->log, "b", 1);
	checkpoint_of(o, &good);
	CHECK_OK(signer_checkpoint(o->signer, &good, 1795384165123, &reply, &e), e);
	o->log = old;
	struct receipt r;
	log_prove(&o->log, 0, 0, &r);
	bad = (struct checkpoint_request){.size = r.size, .root = r.root, .consistency = r.consistency};
	CHECK_FAILS(signer_checkpoint(o->signer, &bad, 1795384165123, &reply, &e), E_RECEIPT, e);
	log_add(&o->log, "B", 1);
	log_prove(&o->log, 0, 2, &r);
	bad = (struct checkpoint_request){.size = r.size, .root = r.root, .consistency = r.consistency};
	CHECK_FAILS(signer_checkpoint(o->signer, &bad, 1795384165123, &reply, &e), E_RECEIPT, e);
	bad = (struct checkpoint_request){0};
	CHECK_FAILS(signer_checkpoint(o->signer, &bad, 1795384165123, &reply, &e), E_RECEIPT, e);
}

/* ---- opening ---- */

static void second_signer_on_one_state_is_refused(void **state)
{
	struct office *o = *state;
	struct err e = {0};
	struct signer *second = NULL;
	CHECK_FAILS(signer_open(&o->desk.setup, &second, &e), E_SIGNER_STATE, e);
	assert_null(second);
}

static void setup_that_does_not_fit_together_is_refused(void **state)
{
	struct office *o = *state;
	struct err e = {0};
	struct signer *s = NULL;
	char path[128];
	signer_close(o->signer);
	o->signer = NULL;
	struct signer_setup bad = o->desk.setup;
	snprintf(path, sizeof(path), "%s/root.key", o->desk.dir);
	bad.custody.key_uri = path;	/* not the key of the chain's first certificate */
	CHECK_FAILS(signer_open(&bad, &s, &e), E_CA_FILE, e);
	bad = o->desk.setup, bad.log_key_path = o->desk.key;
	CHECK_FAILS(signer_open(&bad, &s, &e), E_CA_FILE, e);
	bad = o->desk.setup, bad.origin = "two words";
	CHECK_FAILS(signer_open(&bad, &s, &e), E_CA_FILE, e);
	bad = o->desk.setup, bad.custody.passphrase = "file:/nowhere/at/all";
	CHECK_FAILS(signer_open(&bad, &s, &e), E_SECRET, e);
	assert_int_equal(desk_shell(NULL, 0, "cat %s/root.pem %s/line.pem >%s/swapped.pem", o->desk.dir, o->desk.dir, o->desk.dir), 0);
	bad = o->desk.setup, bad.chain_path = desk_path(&o->desk, "swapped.pem");
	CHECK_FAILS(signer_open(&bad, &s, &e), E_CA_FILE, e);
	assert_int_equal(desk_shell(NULL, 0, "cat %s/line.pem %s/line.pem >%s/twice.pem", o->desk.dir, o->desk.dir, o->desk.dir), 0);
	bad = o->desk.setup, bad.chain_path = desk_path(&o->desk, "twice.pem");
	CHECK_FAILS(signer_open(&bad, &s, &e), E_CA_FILE, e);
	assert_null(s);
}

#define T(name) cmocka_unit_test_setup_teardown(name, office_open, office_close)

/* What a profile has in its leaves comes from the signer's own settings, and from nowhere else. */
static void a_profiles_form_is_in_its_leaves(void **state)
{
	struct office *o = *state;
	struct leaf_request req;
	struct leaf_reply reply;
	struct err e = {0};
	signer_close(o->signer);
	o->desk.profiles[0].form = (struct leaf_form){.server = true, .dns_name = true, .organization = "Acme", .unit = "Line"};
	CHECK_OK(signer_open(&o->desk.setup, &o->signer, &e), e);
	memset(&req, 0, sizeof(req));
	intent_make(&req.intent, "sn-0001");
	log_receipt(&o->log, &req.intent, office_head(o), &req.receipt);
	CHECK_OK(signer_leaf(o->signer, &req, clock_wall_ms(), &reply, &e), e);
	for (size_t i = 0; i < 2; i++)
		assert_non_null(memmem(reply.der, reply.len, i ? "Line" : "Acme", 4));
	assert_non_null(memmem(reply.der, reply.len, "\x82\x07sn-0001", 9));	/* [2] dNSName */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(honest_request_gets_a_leaf_that_holds),
		T(chain_for_a_device_leaves_the_root_out),
		T(same_intent_is_signed_again_after_a_power_cut),
		T(request_with_replayed_receipt_is_refused),
		T(request_for_another_key_id_or_profile_than_recorded_is_refused),
		T(proof_with_any_byte_changed_is_refused),
		T(old_database_is_refused),
		T(receipt_of_forked_log_is_refused),
		T(foreign_profile_is_refused),
		T(each_profile_has_its_own_validity),
		T(nothing_is_issued_after_issue_until),
		T(bad_id_or_key_is_refused_before_anything_is_remembered),
		T(checkpoint_opens_with_the_signers_verifier_key),
		T(checkpoint_of_a_forked_or_shortened_log_is_refused),
		T(second_signer_on_one_state_is_refused),
		T(setup_that_does_not_fit_together_is_refused),
		T(a_profiles_form_is_in_its_leaves),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
