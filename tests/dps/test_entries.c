/* SPDX-License-Identifier: Apache-2.0 */
/* Individual enrollments against the emulated service: made, read back and compared, one by one and ten at a time. */
#include "harness.h"
#include "soft_tpm.h"

#include "certs/ca.h"
#include "station/base/clock.h"
#include "station/base/text.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct folder folder;
static struct emulator emulator;
static struct soft_tpm tpm;
static struct dps *dps;
static const char *hub;

static int set_up(void **state)
{
	struct err e = {0};
	assert_ok(http_start(&e), &e);
	folder_make(&folder);
	soft_tpm_make(&tpm);
	write_text(folder_at(&folder, "rules.json"), "[]", 0644);
	const char *args[] = {"--rules", folder_at(&folder, "rules.json"), NULL};
	emulator_start(&emulator, &folder, args);
	hub = json_text_or(json_array_get(json_object_get(emulator.endpoint, "hubs"), 0), "hostName", "");
	assert_true(*hub);
	return 0;
}

static int tear_down(void **state)
{
	emulator_stop(&emulator);
	soft_tpm_fini(&tpm);
	folder_remove(&folder);
	http_stop();
	return 0;
}

/* Each test has a client of its own, whose pace begins anew, and is far above what a test asks. */
static int open_client(void **state)
{
	emulator_paced_client(&emulator, "line", 60000, 4, &dps);
	return 0;
}

static int close_client(void **state)
{
	dps_close(dps);
	emulator_rules(&emulator, "[]");
	return 0;
}

static void body_of(const char *id, const struct bytes *leaf, struct bytes *ret)
{
	struct err e = {0};
	struct individual_wanted w = {.registration_id = id, .leaf = leaf};
	bytes_clear(ret);
	assert_ok(individual_body(&w, ret, &e), &e);
}

static bool create(const char *id, const struct bytes *body, struct err *e)
{
	return dps_create_individual(dps, id, body, in_ms(10000), e);
}

/* What comparing the service's entry with this body says. */
static enum err_code compared(const char *id, const struct bytes *body, struct err *e)
{
	AUTO(json) json_t *ours = NULL;
	AUTO(json) json_t *theirs = NULL;
	bool found = false;
	struct err own = {0};
	assert_ok(dps_get_individual(dps, id, in_ms(10000), &found, &theirs, &own), &own);
	assert_true(found);
	assert_ok(json_parse(bytes_text(body), body->len, &ours, &own), &own);
	err_clear(e);
	bool same = individual_is_same(ours, theirs, NULL, e);
	assert_int_equal(same, e->code == E_NONE);
	return e->code;
}

static void entry_that_is_made_is_there_and_the_same(void **state)
{
	AUTO(bytes) struct bytes leaf = {0}, body = {0};
	AUTO(json) json_t *nothing = NULL;
	struct err e = {0};
	bool found = true;

	leaf_quick("one", &leaf);
	body_of("one", &leaf, &body);
	assert_ok(dps_get_individual(dps, "one", in_ms(10000), &found, &nothing, &e), &e);
	assert_false(found);
	assert_null(nothing);
	assert_ok(create("one", &body, &e), &e);
	assert_int_equal(compared("one", &body, &e), E_NONE);
	assert_int_equal(compared("ONE", &body, &e), E_NONE);
}

static void entry_that_is_there_is_never_overwritten(void **state)
{
	AUTO(bytes) struct bytes leaf = {0}, other = {0}, body = {0}, wrong = {0};
	struct err e = {0};
	leaf_quick("two", &leaf);
	leaf_quick("two", &other);
	body_of("two", &leaf, &body);
	body_of("two", &other, &wrong);
	assert_ok(create("two", &body, &e), &e);
	assert_fails(create("two", &body, &e), &e, E_CONFLICT);
	assert_int_equal(e.native / 1000, 409);
	err_clear(&e);
	assert_fails(create("two", &wrong, &e), &e, E_CONFLICT);
	assert_int_equal(compared("two", &body, &e), E_NONE);
	assert_int_equal(compared("two", &wrong, &e), E_CONFLICT);
	assert_non_null(strstr(e.what, "attestation: x509 certificate "));
}

/* ---- every encoding, and every member ---- */

/* Puts an entry past our own builder; the answer must be good. */
static void put_raw(const char *id, const json_t *attestation)
{
	AUTO(http_response) struct http_response r = {0};
	AUTO(bytes) struct bytes text = {0};
	AUTO(json) json_t *body = json_pack("{s:s, s:O}", "registrationId", id, "attestation", attestation);
	struct err e = {0};
	char path[200];
	snprintf(path, sizeof(path), "/enrollments/%s?api-version=" DPS_API_VERSION, id);
	assert_ok(json_canonical(body, &text, &e), &e);
	struct dps_call call = {.method = "PUT", .path = path, .body = bytes_text(&text), .body_len = text.len,
				.deadline_ms = in_ms(10000)};
	assert_ok(dps_send(dps, &call, &r, &e), &e);
	if (r.status != 200)
		fail_msg("the entry %s was refused: %s", id, bytes_text(&r.body));
}

static void certificate_is_the_same_in_every_encoding_that_clients_send(void **state)
{
	AUTO(bytes) struct bytes leaf = {0}, pem = {0}, by_der = {0}, by_pem = {0}, body = {0};
	struct err e = {0};
	for (size_t i = 0; i < 3; i++) {
		char id[16];
		snprintf(id, sizeof(id), "form-%zu", i);
		leaf_quick(id, &leaf);
		bytes_clear(&pem);
		bytes_clear(&by_der);
		bytes_clear(&by_pem);
		assert_ok(cert_to_pem(leaf.data, leaf.len, &pem, &e), &e);
		assert_ok(base64_encode(leaf.data, leaf.len, &by_der, &e), &e);
		assert_ok(base64_encode(pem.data, pem.len, &by_pem, &e), &e);
		const char *const forms[] = {bytes_text(&pem), bytes_text(&by_der), bytes_text(&by_pem)};
		AUTO(json) json_t *attestation = json_pack("{s:s, s:{s:{s:{s:s}}}}", "type", "x509", "x509", "clientCertificates",
							   "primary", "certificate", forms[i]);
		put_raw(id, attestation);
		body_of(id, &leaf, &body);
		assert_int_equal(compared(id, &body, &e), E_NONE);
		/* Where a service keeps the certificate itself, in whatever form, it is compared by its bytes. */
		AUTO(json) json_t *ours = NULL;
		AUTO(json) json_t *theirs = json_pack("{s:s, s:O}", "registrationId", id, "attestation", attestation);
		assert_ok(json_parse(bytes_text(&body), body.len, &ours, &e), &e);
		assert_ok(individual_is_same(ours, theirs, NULL, &e), &e);
	}
}

static uint64_t dice = 20261122;

static uint32_t pick(uint32_t below)
{
	dice = dice * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(dice >> 33) % below;
}

struct sample {
	char id[32], device_id[32];
	struct bytes leaf;
	json_t *twin;
	struct individual_wanted wanted;
};

static json_t *twin_random(void)
{
	json_t *twin = json_object();
	if (pick(2))
		json_object_set_new(twin, "tags", json_pack("{s:i, s:s}", "line", (int)pick(9), "site", "x\u00e9\"\\"));
	if (pick(2))
		json_object_set_new(twin, "properties", json_pack("{s:{s:f, s:[i, n, b], s:{}}}", "desired", "rate", pick(4) / 2.0,
								  "list", 1, 1, "none"));
	return twin;
}

static void sample_make(struct sample *s, unsigned number)
{
	static const char *const allocations[] = {NULL, "hashed", "geoLatency", "static"};
	memset(s, 0, sizeof(*s));
	snprintf(s->id, sizeof(s->id), "%s-%u", pick(2) ? "sample" : "sam.ple_:x", number);
	snprintf(s->device_id, sizeof(s->device_id), "Device@%u", number);
	s->twin = pick(2) ? twin_random() : NULL;
	s->wanted = (struct individual_wanted){
		.registration_id = s->id,
		.device_id = pick(2) ? s->device_id : NULL,
		.hub = pick(2) ? hub : NULL,
		.allocation = allocations[pick(4)],
		.twin = s->twin,
		.reprovision = pick(3),
		.edge = pick(2),
	};
	if (pick(2)) {
		leaf_quick(s->id, &s->leaf);
		s->wanted.leaf = &s->leaf;
	} else {
		s->wanted.ek = &tpm.ek;
	}
}

static void sample_free(struct sample *s)
{
	json_decref(s->twin);
	bytes_fini(&s->leaf);
}

/* Rows: a change of one member, and what a person calls it. */
static void change_device(struct individual_wanted *w)
{
	w->device_id = w->device_id ? NULL : "Another";
}

static void change_hub(struct individual_wanted *w)
{
	w->hub = w->hub ? "other.azure-devices.net" : hub;
}

static void change_allocation(struct individual_wanted *w)
{
	w->allocation = w->allocation && !strcmp(w->allocation, "static") ? NULL : "static";
}

static void change_reprovision(struct individual_wanted *w)
{
	w->reprovision = (w->reprovision + 1) % 3;
}

static void change_edge(struct individual_wanted *w)
{
	w->edge = !w->edge;
}

static void change_attestation(struct individual_wanted *w)
{
	static uint8_t der[] = {0x30, 0x00};
	static const struct bytes another = {.data = der, .len = sizeof(der)};
	w->ek = NULL;
	w->leaf = &another;
}

static const struct {
	const char *name;
	void (*change)(struct individual_wanted *w);
} changes[] = {
	{"device id: ", change_device}, {"hub: ", change_hub}, {"allocation: ", change_allocation},
	{"reprovision: ", change_reprovision}, {"edge: ", change_edge}, {"attestation: ", change_attestation},
};

static void whatever_is_stored_compares_as_the_same_and_any_change_as_different(void **state)
{
	for (unsigned i = 0; i < 60; i++) {
		struct sample s;
		AUTO(bytes) struct bytes body = {0}, changed = {0};
		struct err e = {0};
		sample_make(&s, i);
		assert_ok(individual_body(&s.wanted, &body, &e), &e);
		assert_ok(create(s.id, &body, &e), &e);
		if (compared(s.id, &body, &e) != E_NONE)
			fail_msg("sample %u: %s; sent %s", i, e.what, bytes_text(&body));
		size_t k = i % COUNT_OF(changes);
		changes[k].change(&s.wanted);
		err_clear(&e);
		assert_ok(individual_body(&s.wanted, &changed, &e), &e);
		assert_int_equal(compared(s.id, &changed, &e), E_CONFLICT);
		if (strncmp(e.what, changes[k].name, strlen(changes[k].name)))
			fail_msg("sample %u: %s instead of %s", i, e.what, changes[k].name);
		sample_free(&s);
	}
}

/* ---- ten at a time ---- */

struct bulk {
	struct bytes leaf[DPS_BULK_MAX], body[DPS_BULK_MAX];
	char id[DPS_BULK_MAX][32];
	struct dps_item items[DPS_BULK_MAX];
};

static void bulk_make(struct bulk *b, const char *prefix)
{
	memset(b, 0, sizeof(*b));
	for (size_t i = 0; i < DPS_BULK_MAX; i++) {
		snprintf(b->id[i], sizeof(b->id[i]), "%s-%zu", prefix, i);
		leaf_quick(b->id[i], &b->leaf[i]);
		body_of(b->id[i], &b->leaf[i], &b->body[i]);
		b->items[i] = (struct dps_item){.id = b->id[i], .body = &b->body[i]};
	}
}

static void bulk_free(struct bulk *b)
{
	for (size_t i = 0; i < DPS_BULK_MAX; i++) {
		bytes_fini(&b->leaf[i]);
		bytes_fini(&b->body[i]);
	}
}

static void bulk_of_ten_makes_ten(void **state)
{
	struct bulk b;
	struct err e = {0};
	bulk_make(&b, "ten");
	assert_ok(dps_create_bulk(dps, b.items, DPS_BULK_MAX, in_ms(10000), &e), &e);
	for (size_t i = 0; i < DPS_BULK_MAX; i++) {
		assert_ok(b.items[i].err.code == E_NONE, &b.items[i].err);
		assert_int_equal(compared(b.id[i], &b.body[i], &e), E_NONE);
	}
	bulk_free(&b);
}

static void bulk_with_one_that_is_there_says_which(void **state)
{
	struct bulk b;
	struct err e = {0};
	bulk_make(&b, "mix");
	assert_ok(create(b.id[3], &b.body[3], &e), &e);
	assert_ok(dps_create_bulk(dps, b.items, DPS_BULK_MAX, in_ms(10000), &e), &e);
	for (size_t i = 0; i < DPS_BULK_MAX; i++) {
		/* The others were made; where the answer does not say so, it is to be read. */
		if (i == 3)
			assert_int_equal(b.items[i].err.code, E_CONFLICT);
		else
			assert_true(b.items[i].err.code == E_NONE || b.items[i].err.code == E_DPS_ANSWER);
		assert_int_equal(compared(b.id[i], &b.body[i], &e), E_NONE);
	}
	bulk_free(&b);
}

static void row_that_the_service_refuses_does_not_spoil_the_others(void **state)
{
	AUTO(bytes) struct bytes poison = {0};
	struct bulk b;
	struct err e = {0};
	bulk_make(&b, "poison");
	assert_ok(bytes_printf(&poison, &e, "{\"registrationId\":\"%s\",\"attestation\":{\"type\":\"x509\"}}", b.id[5]), &e);
	b.items[5].body = &poison;
	assert_ok(dps_create_bulk(dps, b.items, DPS_BULK_MAX, in_ms(10000), &e), &e);
	assert_int_equal(b.items[5].err.code, E_DPS_REFUSED);
	assert_int_equal(b.items[5].err.native / 1000, 400);
	for (size_t i = 0; i < DPS_BULK_MAX; i++)
		if (i != 5)
			assert_int_equal(compared(b.id[i], &b.body[i], &e), E_NONE);
	bulk_free(&b);
}

static void answer_that_is_lost_behind_the_effect_is_settled_by_reading(void **state)
{
	struct bulk b;
	struct err e = {0};
	AUTO(bytes) struct bytes leaf = {0}, body = {0};

	bulk_make(&b, "lost");
	leaf_quick("lost", &leaf);
	body_of("lost", &leaf, &body);
	emulator_rules(&emulator, "[{\"match\":{\"path\":\"/enrollments\",\"method\":\"POST\"},\"do\":{\"cut_after\":\"reset\"}},"
				  "{\"match\":{\"path\":\"/enrollments\",\"method\":\"PUT\"},\"do\":{\"cut_after\":\"close\"}}]");
	assert_fails(dps_create_bulk(dps, b.items, DPS_BULK_MAX, in_ms(10000), &e), &e, E_NET);
	err_clear(&e);
	assert_fails(create("lost", &body, &e), &e, E_NET);
	for (size_t i = 0; i < DPS_BULK_MAX; i++)
		assert_int_equal(compared(b.id[i], &b.body[i], &e), E_NONE);
	assert_int_equal(compared("lost", &body, &e), E_NONE);
	bulk_free(&b);
}

static void refusal_of_the_whole_says_so_once(void **state)
{
	static const struct {
		const char *rule;
		enum err_code code;
	} rows[] = {
		{"[{\"match\":{\"method\":\"POST\"},\"do\":{\"status\":400}}]", E_DPS_REFUSED},
		{"[{\"match\":{\"method\":\"POST\"},\"do\":{\"status\":401}}]", E_DPS_AUTH},
		{"[{\"match\":{\"method\":\"POST\"},\"do\":{\"status\":503}}]", E_DPS_BUSY},
		{"[{\"match\":{\"method\":\"POST\"},\"do\":{\"truncate_body\":true}}]", E_NET},
	};
	struct bulk b;
	bulk_make(&b, "whole");
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct err e = {0};
		emulator_rules(&emulator, rows[i].rule);
		assert_fails(dps_create_bulk(dps, b.items, DPS_BULK_MAX, in_ms(10000), &e), &e, rows[i].code);
	}
	bulk_free(&b);
}

/* ---- the pace ---- */

static void service_that_asks_for_patience_is_left_alone(void **state)
{
	AUTO(json) json_t *nothing = NULL;
	AUTO(bytes) struct bytes leaf = {0}, body = {0};
	struct err e = {0};
	bool found = false;

	leaf_quick("calm", &leaf);
	body_of("calm", &leaf, &body);
	emulator_rules(&emulator, "[{\"match\":{\"method\":\"PUT\",\"nth\":1},\"do\":{\"status\":429,\"retry_after\":60}}]");
	assert_int_equal(dps_pace_left_ms(dps), 0);
	assert_fails(create("calm", &body, &e), &e, E_DPS_BUSY);
	assert_int_equal(e.native / 1000, 429);
	assert_in_range(dps_pace_left_ms(dps), 50000, 68000);
	AUTO(json) json_t *before = emulator_record(&emulator);
	err_clear(&e);
	assert_fails(dps_get_individual(dps, "calm", in_ms(5000), &found, &nothing, &e), &e, E_DPS_BUSY);
	err_clear(&e);
	assert_fails(create("calm", &body, &e), &e, E_DPS_BUSY);
	/* Nothing was sent. */
	AUTO(json) json_t *after = emulator_record(&emulator);
	assert_int_equal(json_array_size(before), json_array_size(after));
}

/* At most this is left of the shortest back-off when nothing was slow. */
#define BACK_OFF_LEAST_MS 100

static void answer_that_does_not_come_makes_the_next_one_wait(void **state)
{
	AUTO(bytes) struct bytes leaf = {0}, body = {0};
	struct err e = {0};
	leaf_quick("cut", &leaf);
	body_of("cut", &leaf, &body);
	emulator_rules(&emulator, "[{\"match\":{\"method\":\"PUT\"},\"do\":{\"cut_before\":\"close\"}}]");
	int64_t start = clock_steady_ms();
	assert_fails(create("cut", &body, &e), &e, E_NET);
	int64_t left = dps_pace_left_ms(dps);
	assert_true(left > 0 || clock_steady_ms() - start > BACK_OFF_LEAST_MS);
	assert_true(left <= 250);
	/* A hurry ends it. */
	dps_hurry(dps);
	assert_int_equal(dps_pace_left_ms(dps), 0);
}

static void operations_of_a_bulk_are_counted_one_by_one(void **state)
{
	struct bulk b;
	struct err e = {0};
	struct dps *slow = NULL;
	bulk_make(&b, "slow");
	emulator_paced_client(&emulator, "line", 60, 1, &slow);
	assert_int_equal(dps_pace_left_ms(slow), 0);
	assert_ok(dps_create_bulk(slow, b.items, DPS_BULK_MAX, in_ms(10000), &e), &e);
	/* Six at once are a tenth of a minute's share; ten were taken, and the next one waits for five. */
	assert_in_range(dps_pace_left_ms(slow), 1, 5000);
	err_clear(&e);
	assert_fails(dps_create_bulk(slow, b.items, DPS_BULK_MAX, in_ms(2000), &e), &e, E_DPS_BUSY);
	dps_close(slow);
	bulk_free(&b);
}

struct maker {
	pthread_t thread;
	struct bulk bulk;
	struct err err;
	bool ok;
};

static void *make_ten(void *user)
{
	struct maker *m = user;
	m->ok = dps_create_bulk(dps, m->bulk.items, DPS_BULK_MAX, in_ms(30000), &m->err);
	return NULL;
}

static void several_bulks_in_flight_make_all_that_they_hold(void **state)
{
	static struct maker makers[6];
	struct err e = {0};
	for (size_t i = 0; i < COUNT_OF(makers); i++) {
		char prefix[16];
		snprintf(prefix, sizeof(prefix), "flight-%zu", i);
		bulk_make(&makers[i].bulk, prefix);
	}
	for (size_t i = 0; i < COUNT_OF(makers); i++)
		assert_int_equal(pthread_create(&makers[i].thread, NULL, make_ten, &makers[i]), 0);
	for (size_t i = 0; i < COUNT_OF(makers); i++)
		pthread_join(makers[i].thread, NULL);
	for (size_t i = 0; i < COUNT_OF(makers); i++) {
		assert_ok(makers[i].ok, &makers[i].err);
		for (size_t k = 0; k < DPS_BULK_MAX; k++)
			assert_int_equal(compared(makers[i].bulk.id[k], &makers[i].bulk.body[k], &e), E_NONE);
		bulk_free(&makers[i].bulk);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_client, close_client)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(entry_that_is_made_is_there_and_the_same),
		TEST(entry_that_is_there_is_never_overwritten),
		TEST(certificate_is_the_same_in_every_encoding_that_clients_send),
		TEST(whatever_is_stored_compares_as_the_same_and_any_change_as_different),
		TEST(bulk_of_ten_makes_ten),
		TEST(bulk_with_one_that_is_there_says_which),
		TEST(row_that_the_service_refuses_does_not_spoil_the_others),
		TEST(answer_that_is_lost_behind_the_effect_is_settled_by_reading),
		TEST(refusal_of_the_whole_says_so_once),
		TEST(service_that_asks_for_patience_is_left_alone),
		TEST(answer_that_does_not_come_makes_the_next_one_wait),
		TEST(operations_of_a_bulk_are_counted_one_by_one),
		TEST(several_bulks_in_flight_make_all_that_they_hold),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
