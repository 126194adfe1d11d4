/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/signer.h"
#include "certs/ca.h"
#include "certs/note.h"
#include "station/base/clock.h"
#include "tests/certs/check.h"
#include "tests/certs/desk.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

struct bench {
	struct desk desk;
	struct signer *signer;
	struct fake_log log;
};

static int open_bench(void **state)
{
	static struct bench b;
	struct err e = {0};
	memset(&b, 0, sizeof(b));
	desk_open(&b.desk);
	CHECK_OK(signer_open(&b.desk.setup, &b.signer, &e), e);
	*state = &b;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *b = *state;
	signer_close(b->signer);
	desk_close(&b->desk);
	return 0;
}

static void restart(struct bench *b)
{
	struct err e = {0};
	signer_close(b->signer);
	b->signer = NULL;
	CHECK_OK(signer_open(&b->desk.setup, &b->signer, &e), e);
}

static uint64_t head(struct bench *b)
{
	struct signer_info info;
	signer_who(b->signer, &info);
	return info.head_size;
}

static uint64_t count(struct bench *b)
{
	struct signer_info info;
	signer_who(b->signer, &info);
	return info.signed_count;
}

/* An honest request for this id. */
static void request_make(struct bench *b, const char *id, struct leaf_request *ret)
{
	memset(ret, 0, sizeof(*ret));
	intent_make(&ret->intent, id);
	log_receipt(&b->log, &ret->intent, head(b), &ret->receipt);
}

static bool ask(struct bench *b, const struct leaf_request *req, struct leaf_reply *ret, struct err *e)
{
	return signer_leaf(b->signer, req, clock_wall_ms(), ret, e);
}

/* Refused, and nothing was remembered or counted. */
static void refused(struct bench *b, const struct leaf_request *req, enum err_code code)
{
	struct err e = {0};
	struct leaf_reply leaf;
	struct signer_info before, after;
	signer_who(b->signer, &before);
	CHECK_FAILS(ask(b, req, &leaf, &e), code, e);
	signer_who(b->signer, &after);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void honest_request_gets_a_leaf_that_holds(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request req;
	struct leaf_reply leaf;
	struct signer_info info;
	for (unsigned i = 0; i < 20; i++) {
		request_make(b, "unit-1", &req);
		CHECK_OK(ask(b, &req, &leaf, &e), e);
		signer_who(b->signer, &info);
		struct bytes line = {.data = info.chain[0], .len = info.chain_len[0]};
		CHECK_OK(cert_chain_holds(leaf.der, leaf.len, &line, 1, info.root, info.root_len, &e), e);
		assert_int_equal(info.signed_count, i + 1);
		assert_int_equal(info.head_size, b->log.edge.size);
		log_add(&b->log, "other", 5);
	}
}

static void chain_for_a_device_leaves_the_root_out(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct signer_info info;
	struct cert_facts line, root;
	signer_who(b->signer, &info);
	assert_int_equal(info.chain_count, 1);
	CHECK_OK(cert_look(info.chain[0], info.chain_len[0], &line, &e), e);
	CHECK_OK(cert_look(info.root, info.root_len, &root, &e), e);
	assert_string_equal(line.common_name, "Example Line CA");
	assert_string_equal(root.common_name, "Example Root CA");
	assert_int_equal(info.ca_not_after_ms, line.not_after_ms);
}

static void same_intent_is_signed_again_after_a_power_cut(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request req;
	struct leaf_reply leaf, again;
	struct cert_facts first, second;
	request_make(b, "unit-1", &req);
	uint64_t index = req.receipt.index;
	CHECK_OK(ask(b, &req, &leaf, &e), e);
	clock_sleep_ms(1100);	/* a certificate's times have whole seconds */
	restart(b);
	assert_int_equal(head(b), b->log.edge.size);
	assert_int_equal(count(b), 1);
	log_prove(&b->log, index, head(b), &req.receipt);
	CHECK_OK(ask(b, &req, &again, &e), e);
	assert_int_equal(count(b), 2);
	/* One serial number, one certificate: only the signature's random part differs. */
	CHECK_OK(cert_look(leaf.der, leaf.len, &first, &e), e);
	CHECK_OK(cert_look(again.der, again.len, &second, &e), e);
	assert_int_equal(first.not_before_ms, second.not_before_ms);
	assert_int_equal(first.not_after_ms, second.not_after_ms);
}

static void request_with_replayed_receipt_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request first, second;
	struct leaf_reply leaf;
	log_add(&b->log, "start", 5);
	request_make(b, "unit-1", &first);
	CHECK_OK(ask(b, &first, &leaf, &e), e);
	second = first;
	intent_make(&second.intent, "unit-1");	/* another key, the receipt of before */
	log_prove(&b->log, first.receipt.index, head(b), &second.receipt);
	refused(b, &second, E_RECEIPT);
}

static void request_for_another_key_id_or_profile_than_recorded_is_refused(void **state)
{
	struct bench *b = *state;
	struct leaf_request good, bad;
	request_make(b, "unit-1", &good);
	bad = good, key_make(&bad.intent.key, NULL);
	refused(b, &bad, E_RECEIPT);
	bad = good, strcpy(bad.intent.registration_id, "unit-2");
	refused(b, &bad, E_RECEIPT);
	bad = good, strcpy(bad.intent.profile, "gateway");
	refused(b, &bad, E_RECEIPT);
	bad = good, bad.intent.serial[7] ^= 1;
	refused(b, &bad, E_RECEIPT);
	bad = good, strcpy(bad.intent.order, "po-1");
	refused(b, &bad, E_RECEIPT);
	bad = good, bad.intent.time_ms--;
	refused(b, &bad, E_RECEIPT);
	bad = good, bad.intent.job[0] = 'f';
	refused(b, &bad, E_RECEIPT);
}

static void proof_with_any_byte_changed_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request good, bad;
	struct leaf_reply leaf;
	for (int i = 0; i < 5; i++)
		log_add(&b->log, "x", 1);
	request_make(b, "unit-0", &good);
	CHECK_OK(ask(b, &good, &leaf, &e), e);
	for (int i = 0; i < 7; i++)
		log_add(&b->log, "y", 1);
	request_make(b, "unit-1", &good);
	assert_true(good.receipt.inclusion.count > 1 && good.receipt.consistency.count > 1);
	for (uint32_t i = 0; i < good.receipt.inclusion.count; i++) {
		bad = good, bad.receipt.inclusion.hash[i].h[5] ^= 1;
		refused(b, &bad, E_RECEIPT);
	}
	for (uint32_t i = 0; i < good.receipt.consistency.count; i++) {
		bad = good, bad.receipt.consistency.hash[i].h[5] ^= 1;
		refused(b, &bad, E_RECEIPT);
	}
	bad = good, bad.receipt.root.h[0] ^= 1;
	refused(b, &bad, E_RECEIPT);
	bad = good, bad.receipt.index--;
	refused(b, &bad, E_RECEIPT);
	bad = good, bad.receipt.index = bad.receipt.size;
	refused(b, &bad, E_RECEIPT);
	bad = good, bad.receipt.size++;
	refused(b, &bad, E_RECEIPT);
	bad = good, bad.receipt.inclusion.count = UINT32_MAX;
	refused(b, &bad, E_RECEIPT);
	bad = good, bad.receipt.consistency.count = UINT32_MAX;
	refused(b, &bad, E_RECEIPT);
	bad = good, bad.receipt.consistency.count = 0;
	refused(b, &bad, E_RECEIPT);
	CHECK_OK(ask(b, &good, &leaf, &e), e);
}

/* Somebody restores last week's ledger: it is shorter than what the signer saw. */
static void old_database_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request req;
	struct leaf_reply leaf;
	struct fake_log old;
	log_add(&b->log, "a", 1);
	old = b->log;
	request_make(b, "unit-1", &req);
	log_add(&b->log, "b", 1);
	log_prove(&b->log, req.receipt.index, 0, &req.receipt);
	CHECK_OK(ask(b, &req, &leaf, &e), e);
	b->log = old;
	memset(&req, 0, sizeof(req));
	intent_make(&req.intent, "unit-2");
	log_receipt(&b->log, &req.intent, 0, &req.receipt);
	assert_true(req.receipt.size < head(b));
	refused(b, &req, E_RECEIPT);
}

/* The same, but padded to the length that the signer expects, or beyond. */
static void receipt_of_forked_log_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request req;
	struct leaf_reply leaf;
	struct fake_log fork;
	log_add(&b->log, "a", 1);
	fork = b->log;
	request_make(b, "unit-1", &req);
	CHECK_OK(ask(b, &req, &leaf, &e), e);
	b->log = fork;
	memset(&req, 0, sizeof(req));
	intent_make(&req.intent, "unit-2");
	log_receipt(&b->log, &req.intent, 0, &req.receipt);
	assert_int_equal(req.receipt.size, head(b));
	refused(b, &req, E_RECEIPT);
	for (int i = 0; i < 6; i++) {
		log_add(&b->log, "pad", 3);
		log_prove(&b->log, 1, head(b), &req.receipt);
		refused(b, &req, E_RECEIPT);
	}
}

static void foreign_profile_is_refused(void **state)
{
	struct bench *b = *state;
	struct leaf_request req;
	memset(&req, 0, sizeof(req));
	intent_make(&req.intent, "unit-1");
	strcpy(req.intent.profile, "root-ca");
	log_receipt(&b->log, &req.intent, head(b), &req.receipt);
	refused(b, &req, E_PROFILE);
	req.intent.profile[0] = '\0';
	refused(b, &req, E_PROFILE);
	memset(req.intent.profile, 'x', sizeof(req.intent.profile));
	refused(b, &req, E_RECEIPT);
}

static void each_profile_has_its_own_validity(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request req = {0};
	struct leaf_reply leaf;
	struct cert_facts facts;
	intent_make(&req.intent, "unit-1");
	strcpy(req.intent.profile, "gateway");
	log_receipt(&b->log, &req.intent, head(b), &req.receipt);
	CHECK_OK(ask(b, &req, &leaf, &e), e);
	CHECK_OK(cert_look(leaf.der, leaf.len, &facts, &e), e);
	assert_in_range(facts.not_after_ms - clock_wall_ms(), 30 * 86400000LL - 10000, 30 * 86400000LL);
}

static void nothing_is_issued_after_issue_until(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request req;
	struct leaf_reply leaf;
	request_make(b, "unit-1", &req);
	CHECK_FAILS(signer_leaf(b->signer, &req, b->desk.setup.issue_until_ms, &leaf, &e), E_CA_EXPIRED, e);
	CHECK_FAILS(signer_leaf(b->signer, &req, 0, &leaf, &e), E_CA_EXPIRED, e);
	assert_int_equal(count(b), 0);
	CHECK_OK(signer_leaf(b->signer, &req, b->desk.setup.issue_until_ms - 1, &leaf, &e), e);
}

static void bad_id_or_key_is_refused_before_anything_is_remembered(void **state)
{
	struct bench *b = *state;
	struct leaf_request req = {0};
	intent_make(&req.intent, "Unit 1");
	log_receipt(&b->log, &req.intent, head(b), &req.receipt);
	refused(b, &req, E_ID_INVALID);
	request_make(b, "unit-1", &req);
	req.intent.key.y[0] ^= 1;
	refused(b, &req, E_KEY_WEAK);
}

/* ---- permits ---- */

static void permit_make(struct bench *b, const char *id, struct leaf_request *ret)
{
	memset(ret, 0, sizeof(*ret));
	intent_make_permit(&ret->intent, id);
	log_receipt(&b->log, &ret->intent, head(b), &ret->receipt);
}

static bool ask_permit(struct bench *b, const struct leaf_request *req, struct permit_reply *ret, struct err *e)
{
	return signer_permit(b->signer, req, clock_wall_ms(), ret, e);
}

/* Refused, and nothing was remembered or counted. */
static void permit_refused(struct bench *b, const struct leaf_request *req, enum err_code code)
{
	struct err e = {0};
	struct permit_reply permit;
	struct signer_info before, after;
	signer_who(b->signer, &before);
	CHECK_FAILS(ask_permit(b, req, &permit, &e), code, e);
	signer_who(b->signer, &after);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void permits_and_leaves_are_counted_together_and_across_a_restart(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request req;
	struct leaf_reply leaf;
	struct permit_reply permit;
	for (unsigned i = 0; i < 6; i++) {
		permit_make(b, "unit-1", &req);
		CHECK_OK(ask_permit(b, &req, &permit, &e), e);
		assert_int_equal(permit.signed_count, 2 * i + 1);
		assert_int_equal(head(b), b->log.edge.size);
		request_make(b, "unit-2", &req);
		CHECK_OK(ask(b, &req, &leaf, &e), e);
		restart(b);
		assert_int_equal(count(b), 2 * i + 2);
		assert_int_equal(head(b), b->log.edge.size);
	}
}

static void leaf_intent_used_as_permit_and_the_reverse_are_refused(void **state)
{
	struct bench *b = *state;
	struct leaf_request leaf, permit, bad;
	request_make(b, "unit-1", &leaf);
	permit_refused(b, &leaf, E_PROFILE);
	permit_make(b, "unit-2", &permit);
	refused(b, &permit, E_PROFILE);
	/* called the other thing, by a profile that may ask for that: not what is on record */
	bad = leaf, bad.intent.kind = INTENT_PERMIT, strcpy(bad.intent.profile, "tracker");
	permit_refused(b, &bad, E_RECEIPT);
	bad = permit, bad.intent.kind = INTENT_LEAF, strcpy(bad.intent.profile, "sensor");
	refused(b, &bad, E_RECEIPT);
}

/* All fields but the kind are the same, and it is on record as the one: it is not the other. */
static void receipt_of_one_kind_is_none_of_the_other(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request req = {0}, bad;
	struct permit_reply permit;
	intent_make_permit(&req.intent, "unit-1");
	req.intent.kind = INTENT_LEAF;
	log_receipt(&b->log, &req.intent, head(b), &req.receipt);
	bad = req, bad.intent.kind = INTENT_PERMIT;
	permit_refused(b, &bad, E_RECEIPT);
	permit_make(b, "unit-1", &req);
	CHECK_OK(ask_permit(b, &req, &permit, &e), e);
}

static void profile_may_ask_for_its_kind_only(void **state)
{
	struct bench *b = *state;
	struct leaf_request req = {0};
	intent_make_permit(&req.intent, "unit-1");
	strcpy(req.intent.profile, "sensor");
	log_receipt(&b->log, &req.intent, head(b), &req.receipt);
	permit_refused(b, &req, E_PROFILE);
	intent_make(&req.intent, "unit-1");
	strcpy(req.intent.profile, "tracker");
	log_receipt(&b->log, &req.intent, head(b), &req.receipt);
	refused(b, &req, E_PROFILE);
	strcpy(req.intent.profile, "nobody");
	permit_refused(b, &req, E_PROFILE);
	req.intent.kind = 7;
	permit_refused(b, &req, E_PROFILE);
	refused(b, &req, E_PROFILE);
	memset(req.intent.profile, 'x', sizeof(req.intent.profile));
	permit_refused(b, &req, E_RECEIPT);
}

static void permit_with_replayed_receipt_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request first, second;
	struct permit_reply permit;
	log_add(&b->log, "start", 5);
	permit_make(b, "unit-1", &first);
	CHECK_OK(ask_permit(b, &first, &permit, &e), e);
	second = first;
	intent_make_permit(&second.intent, "unit-1");	/* another key, the receipt of before */
	log_prove(&b->log, first.receipt.index, head(b), &second.receipt);
	permit_refused(b, &second, E_RECEIPT);
	first.receipt.consistency.count = 0;	/* and the old receipt as it was, when the log has gone on */
	log_add(&b->log, "on", 2);
	permit_make(b, "unit-3", &second);
	CHECK_OK(ask_permit(b, &second, &permit, &e), e);
	permit_refused(b, &first, E_RECEIPT);
}

static void permit_for_another_key_id_order_or_job_than_recorded_is_refused(void **state)
{
	struct bench *b = *state;
	struct leaf_request good, bad;
	permit_make(b, "unit-1", &good);
	bad = good, bad.intent.key.rsa_modulus[100] ^= 1;
	permit_refused(b, &bad, E_RECEIPT);
	bad = good, strcpy(bad.intent.registration_id, "unit-2");
	permit_refused(b, &bad, E_RECEIPT);
	bad = good, strcpy(bad.intent.order, "po-1");
	permit_refused(b, &bad, E_RECEIPT);
	bad = good, bad.intent.serial[7] ^= 1;
	permit_refused(b, &bad, E_RECEIPT);
	bad = good, bad.intent.time_ms--;
	permit_refused(b, &bad, E_RECEIPT);
	bad = good, bad.intent.job[0] = 'f';
	permit_refused(b, &bad, E_RECEIPT);
	bad = good, bad.receipt.root.h[0] ^= 1;
	permit_refused(b, &bad, E_RECEIPT);
}

static void permit_is_refused_out_of_its_time_or_for_a_bad_id_or_key(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request req = {0};
	struct permit_reply permit;
	permit_make(b, "unit-1", &req);
	CHECK_FAILS(signer_permit(b->signer, &req, b->desk.setup.issue_until_ms, &permit, &e), E_CA_EXPIRED, e);
	CHECK_FAILS(signer_permit(b->signer, &req, 0, &permit, &e), E_CA_EXPIRED, e);
	req.intent.key.rsa_modulus[255] ^= 1;
	permit_refused(b, &req, E_KEY_WEAK);
	permit_make(b, "Unit 1", &req);
	permit_refused(b, &req, E_ID_INVALID);
	intent_make_permit(&req.intent, "unit-1");
	req.intent.time_ms += 24 * 3600 * 1000;
	log_receipt(&b->log, &req.intent, head(b), &req.receipt);
	permit_refused(b, &req, E_RECEIPT);
	assert_int_equal(count(b), 0);
}

/* What is not on disk is not said: a permit that cannot be counted is none. */
static void permit_that_cannot_be_counted_is_not_given(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct leaf_request req;
	struct permit_reply permit;
	struct rlimit was, none;
	permit_make(b, "unit-1", &req);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	none = was;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	CHECK_FAILS(ask_permit(b, &req, &permit, &e), E_SIGNER_STATE, e);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	signal(SIGXFSZ, SIG_DFL);
	CHECK_FAILS(ask_permit(b, &req, &permit, &e), E_SIGNER_STATE, e);	/* and nothing more until it is started again */
	restart(b);
	CHECK_OK(ask_permit(b, &req, &permit, &e), e);
	assert_int_equal(permit.signed_count, 1);
}

/* ---- checkpoints ---- */

static void checkpoint_of(struct bench *b, struct checkpoint_request *ret)
{
	struct receipt r;
	log_prove(&b->log, 0, head(b), &r);
	*ret = (struct checkpoint_request){.size = r.size, .root = r.root, .consistency = r.consistency, .time_ms = 1795384165123};
}

static void checkpoint_opens_with_the_signers_verifier_key(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct checkpoint_request req;
	struct checkpoint_reply reply;
	struct checkpoint seen;
	struct signer_info info;
	for (int i = 0; i < 9; i++) {
		log_add(&b->log, &i, sizeof(i));
		checkpoint_of(b, &req);
		CHECK_OK(signer_checkpoint(b->signer, &req, &reply, &e), e);
		checkpoint_of(b, &req);	/* the same again */
		CHECK_OK(signer_checkpoint(b->signer, &req, &reply, &e), e);
		signer_who(b->signer, &info);
		CHECK_OK(note_open_checkpoint(reply.note, strlen(reply.note), info.log_vkey, &seen, &e), e);
		assert_string_equal(seen.origin, DESK_ORIGIN);
		assert_int_equal(seen.size, b->log.edge.size);
		assert_memory_equal(&seen.root, &req.root, sizeof(seen.root));
		restart(b);
		assert_int_equal(head(b), b->log.edge.size);
	}
	assert_int_equal(count(b), 0);
}

static void checkpoint_of_a_forked_or_shortened_log_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct checkpoint_request good, bad;
	struct checkpoint_reply reply;
	struct fake_log old;
	log_add(&b->log, "a", 1);
	old = b->log;
	log_add(&b->log, "b", 1);
	checkpoint_of(b, &good);
	CHECK_OK(signer_checkpoint(b->signer, &good, &reply, &e), e);
	b->log = old;
	struct receipt r;
	log_prove(&b->log, 0, 0, &r);
	bad = (struct checkpoint_request){.size = r.size, .root = r.root, .consistency = r.consistency};
	CHECK_FAILS(signer_checkpoint(b->signer, &bad, &reply, &e), E_RECEIPT, e);
	log_add(&b->log, "B", 1);
	log_prove(&b->log, 0, 2, &r);
	bad = (struct checkpoint_request){.size = r.size, .root = r.root, .consistency = r.consistency};
	CHECK_FAILS(signer_checkpoint(b->signer, &bad, &reply, &e), E_RECEIPT, e);
	bad = (struct checkpoint_request){0};
	CHECK_FAILS(signer_checkpoint(b->signer, &bad, &reply, &e), E_RECEIPT, e);
}

/* ---- opening ---- */

static void second_signer_on_one_state_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct signer *second = NULL;
	CHECK_FAILS(signer_open(&b->desk.setup, &second, &e), E_SIGNER_STATE, e);
	assert_null(second);
}

static void setup_that_does_not_fit_together_is_refused(void **state)
{
	struct bench *b = *state;
	struct err e = {0};
	struct signer *s = NULL;
	char path[128];
	signer_close(b->signer);
	b->signer = NULL;
	struct signer_setup bad = b->desk.setup;
	snprintf(path, sizeof(path), "%s/root.key", b->desk.dir);
	bad.key_path = path;	/* not the key of the chain's first certificate */
	CHECK_FAILS(signer_open(&bad, &s, &e), E_CA_FILE, e);
	bad = b->desk.setup, bad.log_key_path = b->desk.key;
	CHECK_FAILS(signer_open(&bad, &s, &e), E_CA_FILE, e);
	bad = b->desk.setup, bad.origin = "two words";
	CHECK_FAILS(signer_open(&bad, &s, &e), E_CA_FILE, e);
	bad = b->desk.setup, bad.passphrase = "file:/nowhere/at/all";
	CHECK_FAILS(signer_open(&bad, &s, &e), E_SECRET, e);
	assert_int_equal(desk_shell(NULL, 0, "cat %s/root.pem %s/line.pem >%s/swapped.pem", b->desk.dir, b->desk.dir, b->desk.dir), 0);
	bad = b->desk.setup, bad.chain_path = desk_path(&b->desk, "swapped.pem");
	CHECK_FAILS(signer_open(&bad, &s, &e), E_CA_FILE, e);
	assert_int_equal(desk_shell(NULL, 0, "cat %s/line.pem %s/line.pem >%s/twice.pem", b->desk.dir, b->desk.dir, b->desk.dir), 0);
	bad = b->desk.setup, bad.chain_path = desk_path(&b->desk, "twice.pem");
	CHECK_FAILS(signer_open(&bad, &s, &e), E_CA_FILE, e);
	assert_null(s);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

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
		T(permits_and_leaves_are_counted_together_and_across_a_restart),
		T(leaf_intent_used_as_permit_and_the_reverse_are_refused),
		T(receipt_of_one_kind_is_none_of_the_other),
		T(profile_may_ask_for_its_kind_only),
		T(permit_with_replayed_receipt_is_refused),
		T(permit_for_another_key_id_order_or_job_than_recorded_is_refused),
		T(permit_is_refused_out_of_its_time_or_for_a_bad_id_or_key),
		T(permit_that_cannot_be_counted_is_not_given),
		T(checkpoint_opens_with_the_signers_verifier_key),
		T(checkpoint_of_a_forked_or_shortened_log_is_refused),
		T(second_signer_on_one_state_is_refused),
		T(setup_that_does_not_fit_together_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
