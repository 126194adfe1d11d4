/* SPDX-License-Identifier: Apache-2.0 */
/* What a compromised line may ask the signer for, where orders are signed: each attack by its name. Replayed receipts, forked and old logs
 * are in test_signer.c; restored memories in test_count.c. */
#include "certs/ca.h"
#include "certs/signer.h"
#include "station/base/clock.h"
#include "tests/certs/check.h"
#include "tests/certs/desk.h"

#include <string.h>

#define COUNT 3
#define SCRAP 1
#define REPLACE 2

struct plant {
	struct office o;
	char key[2][128];
	struct order_terms terms;
	int64_t now_ms;
};

static void write_text(const char *path, const struct bytes *text)
{
	FILE *f = fopen(path, "w");
	assert_true(f && fwrite(text->data, 1, text->len, f) == text->len && fclose(f) == 0);
}

static void keys_are_made(struct plant *p)
{
	static const char *const names[] = {"owner", "quality"};
	struct err e = {0};
	for (int i = 0; i < 2; i++) {
		AUTO(bytes) struct bytes vkey = {0};
		CHECK_OK(order_note_make_key(desk_path(&p->o.desk, names[i]), p->o.desk.passphrase, names[i], &vkey, &e), e);
		snprintf(p->key[i], sizeof(p->key[i]), "%s/%s.vkey", p->o.desk.dir, names[i]);
		write_text(p->key[i], &vkey);
		p->o.desk.setup.order_key_path[i] = p->key[i];
	}
}

static int plant_open(void **state)
{
	static struct plant p;
	void *office = NULL;
	struct signer_info info;
	assert_int_equal(office_open(&office), 0);
	p = (struct plant){.o = *(struct office *)office, .now_ms = clock_wall_ms()};
	/* The office's texts lend from the desk that was copied. */
	signer_close(p.o.signer);
	struct desk *d = &p.o.desk;
	char dir[sizeof(d->dir)];
	memcpy(dir, d->dir, sizeof(dir));
	desk_at(d, dir);
	keys_are_made(&p);
	d->setup.issue_until_ms = p.now_ms + 10 * CLOCK_DAY_MS;
	struct err e = {0};
	CHECK_OK(signer_open(&d->setup, &p.o.signer, &e), e);
	signer_who(p.o.signer, &info);
	int64_t day = p.now_ms - p.now_ms % CLOCK_DAY_MS;
	p.terms = (struct order_terms){.number = "WO-1", .product = "gateway-2", .profile = "sensor", .count = COUNT, .scrap = SCRAP,
				       .replace = REPLACE, .from_ms = day, .until_ms = day + 2 * CLOCK_DAY_MS - 1, .made_ms = p.now_ms,
				       .station = DESK_ORIGIN};
	sha256_of(info.chain[0], info.chain_len[0], p.terms.issuer);
	*state = &p;
	return 0;
}

static int plant_close(void **state)
{
	struct plant *p = *state;
	signer_close(p->o.signer);
	desk_close(&p->o.desk);
	return 0;
}

static void note_of(struct plant *p, const struct order_terms *terms, struct bytes *ret)
{
	struct err e = {0};
	AUTO(bytes) struct bytes text = {0}, once = {0};
	CHECK_OK(order_note_text(terms, &text, &e), e);
	CHECK_OK(order_note_sign(text.data, text.len, desk_path(&p->o.desk, "owner"), p->o.desk.passphrase, "owner", &once, &e), e);
	CHECK_OK(order_note_sign(once.data, once.len, desk_path(&p->o.desk, "quality"), p->o.desk.passphrase, "quality", ret, &e), e);
}

static bool hand_in(struct plant *p, const struct bytes *note, struct order_reply *left, struct err *e)
{
	struct order_request req = {.len = (uint32_t)note->len};
	memcpy(req.note, note->data, note->len);
	return signer_order(p->o.signer, &req, p->now_ms, left, e);
}

static bool order(struct plant *p, const struct order_terms *terms, struct order_reply *left, struct err *e)
{
	AUTO(bytes) struct bytes note = {0};
	note_of(p, terms, &note);
	return hand_in(p, &note, left, e);
}

static void honest_order(struct plant *p)
{
	struct err e = {0};
	struct order_reply left;
	CHECK_OK(order(p, &p->terms, &left, &e), e);
	assert_int_equal(left.allowed, COUNT + SCRAP);
	assert_int_equal(left.replace_allowed, REPLACE);
}

/* On record, and asked for. */
static bool ask(struct plant *p, const struct intent *intent, struct leaf_reply *leaf, struct err *e)
{
	struct leaf_request req = {.intent = *intent};
	log_receipt(&p->o.log, intent, office_head(&p->o), &req.receipt);
	return intent->kind == INTENT_PERMIT ? signer_permit(p->o.signer, &req, p->now_ms, &(struct permit_reply){0}, e)
					     : signer_leaf(p->o.signer, &req, p->now_ms, leaf, e);
}

static bool ask_for(struct plant *p, const char *id, const char *order, const char *replaces, struct err *e)
{
	struct intent intent;
	struct leaf_reply leaf;
	intent_make(&intent, id);
	intent.time_ms = p->now_ms;
	snprintf(intent.order, sizeof(intent.order), "%s", order);
	snprintf(intent.replaces, sizeof(intent.replaces), "%s", replaces);
	return ask(p, &intent, &leaf, e);
}

static void fails(bool ok, enum err_code code, struct err *e)
{
	assert_false(ok);
	if (e->code != code)
		fail_msg("%s, not %s: %s", err_row(e->code)->code, err_row(code)->code, e->what);
	err_clear(e);
}

static void one_more_than_the_order(void **state)
{
	struct plant *p = *state;
	struct err e = {0};
	struct order_reply left;
	honest_order(p);
	for (int i = 0; i < COUNT + SCRAP; i++)
		CHECK_OK(ask_for(p, "unit", "WO-1", "", &e), e);
	fails(ask_for(p, "unit", "WO-1", "", &e), E_ORDER_SPENT, &e);
	/* Nor after a restart, or with the order handed in again. */
	office_restart(&p->o);
	CHECK_OK(order(p, &p->terms, &left, &e), e);
	assert_int_equal(left.used, COUNT + SCRAP);
	fails(ask_for(p, "unit", "WO-1", "", &e), E_ORDER_SPENT, &e);
	/* Said to replace something, it draws on the order's allowance for that, and is on record as that. */
	for (int i = 0; i < REPLACE; i++)
		CHECK_OK(ask_for(p, "unit", "WO-1", "4a0000000000000000000000000000ff", &e), e);
	fails(ask_for(p, "unit", "WO-1", "4a0000000000000000000000000000ff", &e), E_ORDER_SPENT, &e);
}

static void without_an_order_or_under_another_number(void **state)
{
	struct plant *p = *state;
	struct err e = {0};
	fails(ask_for(p, "unit", "WO-1", "", &e), E_ORDER_UNSIGNED, &e);
	honest_order(p);
	fails(ask_for(p, "unit", "", "", &e), E_ORDER_UNSIGNED, &e);
	fails(ask_for(p, "unit", "WO-2", "", &e), E_ORDER_UNSIGNED, &e);
	fails(ask_for(p, "unit", "wo-1", "", &e), E_ORDER_UNSIGNED, &e);
	CHECK_OK(ask_for(p, "unit", "WO-1", "", &e), e);
}

static void another_profile_or_kind(void **state)
{
	struct plant *p = *state;
	struct err e = {0};
	struct intent intent;
	struct leaf_reply leaf;
	honest_order(p);
	intent_make(&intent, "unit");
	intent.time_ms = p->now_ms;
	strcpy(intent.order, "WO-1");
	strcpy(intent.profile, "gateway");
	fails(ask(p, &intent, &leaf, &e), E_ORDER_TERMS, &e);
	strcpy(intent.profile, "none");
	fails(ask(p, &intent, &leaf, &e), E_PROFILE, &e);
	intent_make_permit(&intent, "unit");
	intent.time_ms = p->now_ms;
	strcpy(intent.order, "WO-1");
	fails(ask(p, &intent, &leaf, &e), E_ORDER_TERMS, &e);
	strcpy(intent.profile, "sensor");
	fails(ask(p, &intent, &leaf, &e), E_PROFILE, &e);
}

/* Nothing that can be asked for makes the signer write another certificate than a leaf. */
static void a_ca_certificate(void **state)
{
	struct plant *p = *state;
	struct err e = {0};
	struct intent intent;
	struct leaf_reply leaf;
	struct cert_facts facts;
	honest_order(p);
	intent_make(&intent, "example-line-ca");
	intent.time_ms = p->now_ms;
	strcpy(intent.order, "WO-1");
	CHECK_OK(ask(p, &intent, &leaf, &e), e);
	CHECK_OK(cert_look(leaf.der, leaf.len, &facts, &e), e);
	assert_false(facts.is_ca);
	assert_string_equal(facts.common_name, "example-line-ca");
	strcpy(intent.registration_id, "Example Line CA");
	fails(ask(p, &intent, &leaf, &e), E_ID_INVALID, &e);
	struct signer_info info;
	signer_who(p->o.signer, &info);
	for (uint32_t kind = INTENT_PERMIT + 1; kind < 6; kind++) {
		struct leaf_request req = {.intent = intent};
		req.intent.kind = kind;
		fails(signer_leaf(p->o.signer, &req, p->now_ms, &leaf, &e), E_PROFILE, &e);
	}
}

static void a_foreign_id(void **state)
{
	struct plant *p = *state;
	struct err e = {0};
	struct leaf_request req = {0};
	struct leaf_reply leaf;
	honest_order(p);
	intent_make(&req.intent, "unit");
	req.intent.time_ms = p->now_ms;
	strcpy(req.intent.order, "WO-1");
	log_receipt(&p->o.log, &req.intent, office_head(&p->o), &req.receipt);
	strcpy(req.intent.registration_id, "somebody-else");
	fails(signer_leaf(p->o.signer, &req, p->now_ms, &leaf, &e), E_RECEIPT, &e);
}

static void an_order_that_is_not_for_us(void **state)
{
	struct plant *p = *state;
	struct err e = {0};
	struct order_reply left;
	struct order_terms t = p->terms;
	t.issuer[0] ^= 1;
	fails(order(p, &t, &left, &e), E_ORDER_TERMS, &e);
	t = p->terms, strcpy(t.station, "line-2.example/station");
	fails(order(p, &t, &left, &e), E_ORDER_TERMS, &e);
	t = p->terms, strcpy(t.profile, "none");
	fails(order(p, &t, &left, &e), E_ORDER_TERMS, &e);
	t = p->terms, t.from_ms += CLOCK_DAY_MS;
	fails(order(p, &t, &left, &e), E_ORDER_TERMS, &e);
	t = p->terms, t.from_ms -= 2 * CLOCK_DAY_MS, t.until_ms -= 2 * CLOCK_DAY_MS;
	fails(order(p, &t, &left, &e), E_ORDER_TERMS, &e);
	AUTO(bytes) struct bytes note = {0};
	note_of(p, &p->terms, &note);
	*strstr((char *)note.data, "\"count\":3") = '\'';
	fails(hand_in(p, &note, &left, &e), E_ORDER_UNSIGNED, &e);
	/* One that runs out while units are made. */
	honest_order(p);
	p->now_ms = p->terms.until_ms + 1;
	fails(ask_for(p, "unit", "WO-1", "", &e), E_ORDER_TERMS, &e);
}

static void an_older_one_of_an_amended_order(void **state)
{
	struct plant *p = *state;
	struct err e = {0};
	struct order_reply left;
	honest_order(p);
	struct order_terms generous = p->terms;
	p->terms.scrap = 0;
	p->terms.made_ms += 1000;
	CHECK_OK(order(p, &p->terms, &left, &e), e);
	assert_int_equal(left.allowed, COUNT);
	fails(order(p, &generous, &left, &e), E_ORDER_TERMS, &e);
	for (int i = 0; i < COUNT; i++)
		CHECK_OK(ask_for(p, "unit", "WO-1", "", &e), e);
	office_restart(&p->o);
	fails(order(p, &generous, &left, &e), E_ORDER_TERMS, &e);
	CHECK_OK(order(p, &p->terms, &left, &e), e);
	fails(ask_for(p, "unit", "WO-1", "", &e), E_ORDER_SPENT, &e);
}

static void a_clock_set_back(void **state)
{
	struct plant *p = *state;
	struct err e = {0};
	honest_order(p);
	p->now_ms += 200 * 1000;
	CHECK_OK(ask_for(p, "unit", "WO-1", "", &e), e);
	p->now_ms -= 290 * 1000;	/* a step that a clock may make; and before the CA it is not */
	CHECK_OK(ask_for(p, "unit", "WO-1", "", &e), e);
	p->now_ms -= 20 * 1000;
	fails(ask_for(p, "unit", "WO-1", "", &e), E_CLOCK_REFUSED, &e);
	office_restart(&p->o);
	honest_order(p);
	fails(ask_for(p, "unit", "WO-1", "", &e), E_CLOCK_REFUSED, &e);
}

static bool accept_clock(struct plant *p, const char *people, int64_t time_ms, bool on_record, struct err *e)
{
	struct clock_request req = {0};
	int len = snprintf(req.entry, sizeof(req.entry), "{\"body\":{\"people\":%s},\"job\":\"\",\"time\":%lld,\"type\":\"clock.accepted\",\"v\":1}",
			   people, (long long)time_ms);
	req.len = (uint32_t)len;
	uint64_t head = office_head(&p->o), index = log_add(&p->o.log, on_record ? req.entry : "other", on_record ? req.len : 5);
	log_prove(&p->o.log, index, head, &req.receipt);
	return signer_clock(p->o.signer, &req, p->now_ms, e);
}

static void two_people_stand_for_a_clock_and_not_one_twice(void **state)
{
	struct plant *p = *state;
	struct err e = {0};
	honest_order(p);
	p->now_ms += 280 * 1000;
	CHECK_OK(ask_for(p, "unit", "WO-1", "", &e), e);
	p->now_ms -= 310 * 1000;
	fails(ask_for(p, "unit", "WO-1", "", &e), E_CLOCK_REFUSED, &e);
	fails(accept_clock(p, "[\"p-1\"]", p->now_ms, true, &e), E_CLOCK_REFUSED, &e);
	fails(accept_clock(p, "[\"p-1\",\"p-1\"]", p->now_ms, true, &e), E_CLOCK_REFUSED, &e);
	fails(accept_clock(p, "[\"p-1\",\"\"]", p->now_ms, true, &e), E_CLOCK_REFUSED, &e);
	fails(accept_clock(p, "[\"p-1\",2]", p->now_ms, true, &e), E_CLOCK_REFUSED, &e);
	fails(accept_clock(p, "[\"p-1\",\"p-2\"]", p->now_ms - CLOCK_ACCEPTED_MS - 1, true, &e), E_CLOCK_REFUSED, &e);
	fails(accept_clock(p, "[\"p-1\",\"p-2\"]", INT64_MAX, true, &e), E_CLOCK_REFUSED, &e);
	fails(accept_clock(p, "[\"p-1\",\"p-2\"]", INT64_MIN, true, &e), E_CLOCK_REFUSED, &e);
	fails(accept_clock(p, "[\"p-1\",\"p-2\"]", p->now_ms, false, &e), E_RECEIPT, &e);
	fails(ask_for(p, "unit", "WO-1", "", &e), E_CLOCK_REFUSED, &e);
	CHECK_OK(accept_clock(p, "[\"p-1\",\"p-2\"]", p->now_ms, true, &e), e);
	CHECK_OK(ask_for(p, "unit", "WO-1", "", &e), e);
	office_restart(&p->o);	/* it is asked again of every signer */
	honest_order(p);
	fails(ask_for(p, "unit", "WO-1", "", &e), E_CLOCK_REFUSED, &e);
}

static void production_with_a_key_file_is_refused(void **state)
{
	struct plant *p = *state;
	struct err e = {0};
	struct signer *s = NULL;
	struct signer_setup setup = p->o.desk.setup;
	setup.state_path = desk_path(&p->o.desk, "other.state");
	setup.production = true;
	fails(signer_open(&setup, &s, &e), E_CUSTODY, &e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_more_than_the_order, plant_open, plant_close),
		cmocka_unit_test_setup_teardown(without_an_order_or_under_another_number, plant_open, plant_close),
		cmocka_unit_test_setup_teardown(another_profile_or_kind, plant_open, plant_close),
		cmocka_unit_test_setup_teardown(a_ca_certificate, plant_open, plant_close),
		cmocka_unit_test_setup_teardown(a_foreign_id, plant_open, plant_close),
		cmocka_unit_test_setup_teardown(an_order_that_is_not_for_us, plant_open, plant_close),
		cmocka_unit_test_setup_teardown(an_older_one_of_an_amended_order, plant_open, plant_close),
		cmocka_unit_test_setup_teardown(a_clock_set_back, plant_open, plant_close),
		cmocka_unit_test_setup_teardown(two_people_stand_for_a_clock_and_not_one_twice, plant_open, plant_close),
		cmocka_unit_test_setup_teardown(production_with_a_key_file_is_refused, plant_open, plant_close),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
