/* SPDX-License-Identifier: Apache-2.0 */
/* Identities without a leaf: the same checks and the same count, and never one kind used as the other. */
#include "certs/signer.h"
#include "station/base/clock.h"
#include "tests/certs/check.h"
#include "tests/certs/desk.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

/* An honest request for this id. */
static void leaf_make(struct office *o, const char *id, struct leaf_request *ret)
{
	memset(ret, 0, sizeof(*ret));
	intent_make(&ret->intent, id);
	log_receipt(&o->log, &ret->intent, office_head(o), &ret->receipt);
}

static bool ask_leaf(struct office *o, const struct leaf_request *req, struct leaf_reply *ret, struct err *e)
{
	return signer_leaf(o->signer, req, clock_wall_ms(), ret, e);
}

/* Refused, and nothing was remembered or counted. */
static void leaf_refused(struct office *o, const struct leaf_request *req, enum err_code code)
{
	struct err e = {0};
	struct leaf_reply leaf;
	struct signer_info before, after;
	signer_who(o->signer, &before);
	CHECK_FAILS(ask_leaf(o, req, &leaf, &e), code, e);
	signer_who(o->signer, &after);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void permit_make(struct office *o, const char *id, struct leaf_request *ret)
{
	memset(ret, 0, sizeof(*ret));
	intent_make_permit(&ret->intent, id);
	log_receipt(&o->log, &ret->intent, office_head(o), &ret->receipt);
}

static bool ask_permit(struct office *o, const struct leaf_request *req, struct permit_reply *ret, struct err *e)
{
	return signer_permit(o->signer, req, clock_wall_ms(), ret, e);
}

/* Refused, and nothing was remembered or counted. */
static void permit_refused(struct office *o, const struct leaf_request *req, enum err_code code)
{
	struct err e = {0};
	struct permit_reply permit;
	struct signer_info before, after;
	signer_who(o->signer, &before);
	CHECK_FAILS(ask_permit(o, req, &permit, &e), code, e);
	signer_who(o->signer, &after);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void permits_and_leaves_are_counted_together_and_across_a_restart(void **state)
{
	struct office *o = *state;
	struct err e = {0};
	struct leaf_request req;
	struct leaf_reply leaf;
	struct permit_reply permit;
	for (unsigned i = 0; i < 6; i++) {
		permit_make(o, "unit-1", &req);
		CHECK_OK(ask_permit(o, &req, &permit, &e), e);
		assert_int_equal(permit.signed_count, 2 * i + 1);
		assert_int_equal(office_head(o), o->log.edge.size);
		leaf_make(o, "unit-2", &req);
		CHECK_OK(ask_leaf(o, &req, &leaf, &e), e);
		office_restart(o);
		assert_int_equal(office_count(o), 2 * i + 2);
		assert_int_equal(office_head(o), o->log.edge.size);
	}
}

static void leaf_intent_used_as_permit_and_the_reverse_are_refused(void **state)
{
	struct office *o = *state;
	struct leaf_request leaf, permit, bad;
	leaf_make(o, "unit-1", &leaf);
	permit_refused(o, &leaf, E_PROFILE);
	permit_make(o, "unit-2", &permit);
	leaf_refused(o, &permit, E_PROFILE);
	/* called the other thing, by a profile that may ask for that: not what is on record */
	bad = leaf, bad.intent.kind = INTENT_PERMIT, strcpy(bad.intent.profile, "tracker");
	permit_refused(o, &bad, E_RECEIPT);
	bad = permit, bad.intent.kind = INTENT_LEAF, strcpy(bad.intent.profile, "sensor");
	leaf_refused(o, &bad, E_RECEIPT);
}

/* All fields but the kind are the same, and it is on record as the one: it is not the other. */
static void receipt_of_one_kind_is_none_of_the_other(void **state)
{
	struct office *o = *state;
	struct err e = {0};
	struct leaf_request req = {0}, bad;
	struct permit_reply permit;
	intent_make_permit(&req.intent, "unit-1");
	req.intent.kind = INTENT_LEAF;
	log_receipt(&o->log, &req.intent, office_head(o), &req.receipt);
	bad = req, bad.intent.kind = INTENT_PERMIT;
	permit_refused(o, &bad, E_RECEIPT);
	permit_make(o, "unit-1", &req);
	CHECK_OK(ask_permit(o, &req, &permit, &e), e);
}

static void profile_may_ask_for_its_kind_only(void **state)
{
	struct office *o = *state;
	struct leaf_request req = {0};
	intent_make_permit(&req.intent, "unit-1");
	strcpy(req.intent.profile, "sensor");
	log_receipt(&o->log, &req.intent, office_head(o), &req.receipt);
	permit_refused(o, &req, E_PROFILE);
	leaf_refused(o, &req, E_PROFILE);	/* nor is it a leaf because the profile is of leaves */
	intent_make(&req.intent, "unit-1");
	strcpy(req.intent.profile, "tracker");
	log_receipt(&o->log, &req.intent, office_head(o), &req.receipt);
	leaf_refused(o, &req, E_PROFILE);
	permit_refused(o, &req, E_PROFILE);
	strcpy(req.intent.profile, "nobody");
	permit_refused(o, &req, E_PROFILE);
	req.intent.kind = 7;
	permit_refused(o, &req, E_PROFILE);
	leaf_refused(o, &req, E_PROFILE);
	memset(req.intent.profile, 'x', sizeof(req.intent.profile));
	permit_refused(o, &req, E_RECEIPT);
}

static void permit_with_replayed_receipt_is_refused(void **state)
{
	struct office *o = *state;
	struct err e = {0};
	struct leaf_request first, second;
	struct permit_reply permit;
	log_add(&o->log, "start", 5);
	permit_make(o, "unit-1", &first);
	CHECK_OK(ask_permit(o, &first, &permit, &e), e);
	second = first;
	intent_make_permit(&second.intent, "unit-1");	/* another key, the receipt of before */
	log_prove(&o->log, first.receipt.index, office_head(o), &second.receipt);
	permit_refused(o, &second, E_RECEIPT);
	first.receipt.consistency.count = 0;	/* and the old receipt as it was, when the log has gone on */
	log_add(&o->log, "on", 2);
	permit_make(o, "unit-3", &second);
	CHECK_OK(ask_permit(o, &second, &permit, &e), e);
	permit_refused(o, &first, E_RECEIPT);
}

static void permit_for_another_key_id_order_or_job_than_recorded_is_refused(void **state)
{
	struct office *o = *state;
	struct leaf_request good, bad;
	permit_make(o, "unit-1", &good);
	bad = good, bad.intent.key.rsa_modulus[100] ^= 1;
	permit_refused(o, &bad, E_RECEIPT);
	bad = good, strcpy(bad.intent.registration_id, "unit-2");
	permit_refused(o, &bad, E_RECEIPT);
	bad = good, strcpy(bad.intent.order, "po-1");
	permit_refused(o, &bad, E_RECEIPT);
	bad = good, bad.intent.serial[7] ^= 1;
	permit_refused(o, &bad, E_RECEIPT);
	bad = good, bad.intent.time_ms--;
	permit_refused(o, &bad, E_RECEIPT);
	bad = good, bad.intent.job[0] = 'f';
	permit_refused(o, &bad, E_RECEIPT);
	bad = good, bad.receipt.root.h[0] ^= 1;
	permit_refused(o, &bad, E_RECEIPT);
}

static void permit_is_refused_out_of_its_time_or_for_a_bad_id_or_key(void **state)
{
	struct office *o = *state;
	struct err e = {0};
	struct leaf_request req = {0};
	struct permit_reply permit;
	permit_make(o, "unit-1", &req);
	CHECK_FAILS(signer_permit(o->signer, &req, o->desk.setup.issue_until_ms, &permit, &e), E_CA_EXPIRED, e);
	CHECK_FAILS(signer_permit(o->signer, &req, 0, &permit, &e), E_CA_EXPIRED, e);
	req.intent.key.rsa_modulus[255] ^= 1;
	permit_refused(o, &req, E_KEY_WEAK);
	permit_make(o, "Unit 1", &req);
	permit_refused(o, &req, E_ID_INVALID);
	intent_make_permit(&req.intent, "unit-1");
	req.intent.time_ms += 24 * 3600 * 1000;
	log_receipt(&o->log, &req.intent, office_head(o), &req.receipt);
	permit_refused(o, &req, E_RECEIPT);
	assert_int_equal(office_count(o), 0);
}

/* What is not on disk is not said: a permit that cannot be counted is none. */
static void permit_that_cannot_be_counted_is_not_given(void **state)
{
	struct office *o = *state;
	struct err e = {0};
	struct leaf_request req;
	struct permit_reply permit;
	struct rlimit was, none;
	permit_make(o, "unit-1", &req);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	none = was;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	CHECK_FAILS(ask_permit(o, &req, &permit, &e), E_SIGNER_STATE, e);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	signal(SIGXFSZ, SIG_DFL);
	CHECK_FAILS(ask_permit(o, &req, &permit, &e), E_SIGNER_STATE, e);	/* and nothing more until it is started again */
	office_restart(o);
	CHECK_OK(ask_permit(o, &req, &permit, &e), e);
	assert_int_equal(permit.signed_count, 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, office_open, office_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(permits_and_leaves_are_counted_together_and_across_a_restart),
		T(leaf_intent_used_as_permit_and_the_reverse_are_refused),
		T(receipt_of_one_kind_is_none_of_the_other),
		T(profile_may_ask_for_its_kind_only),
		T(permit_with_replayed_receipt_is_refused),
		T(permit_for_another_key_id_order_or_job_than_recorded_is_refused),
		T(permit_is_refused_out_of_its_time_or_for_a_bad_id_or_key),
		T(permit_that_cannot_be_counted_is_not_given),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
