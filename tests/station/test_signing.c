/* SPDX-License-Identifier: Apache-2.0 */
/* The line's side of the signer, with signers that answer late, or are of another CA: the launcher and they are played here, the ledger
 * is real. What the real signer answers is in tests/certs/test_signer_child.c. */
#include "station/signing.h"
#include "db/audit.h"
#include "station/base/clock.h"
#include "station/base/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SIGNERS 4
#define PATIENCE_MS 20000
enum { READY = 1, LEAF, ORDER = 5 };	/* messages of a signer: certs/signer_child.c */

enum part { ANSWERS, IS_SILENT, DIES };

/* What the signers of a test do, one after the other; the last goes on. */
struct part_of {
	enum part part;
	uint8_t ca;
};

struct hall {
	char dir[64];
	struct launcher launcher;
	int asked;	/* the launcher's end of its socket */
	pthread_t thread;
	struct part_of part[SIGNERS];
	int signer[SIGNERS], count;	/* their ends; what a silent one was asked last */
	struct leaf_request late[SIGNERS];
	char order[SIGNERS][ORDER_NOTE_MAX];	/* what they were handed first */
	struct ledger *ledger;
	struct signing signing;
};

static bool answer(int fd, const struct leaf_request *req)
{
	struct leaf_reply leaf = {.len = INTENT_SERIAL};
	struct err e = {0};
	memcpy(leaf.der, req->intent.serial, INTENT_SERIAL);
	return wire_send(fd, LEAF, &leaf, sizeof(leaf), clock_steady_ms() + PATIENCE_MS, &e);
}

/* One that says "refused" is. */
static bool take_order(struct hall *h, int n, const struct wire_msg *m)
{
	struct order_request req;
	struct order_reply left = {.allowed = 1};
	struct err e = {0}, why = {0};
	memcpy(&req, m->data, sizeof(req));
	if (!h->order[n][0])
		memcpy(h->order[n], req.note, req.len);
	if (!memmem(req.note, req.len, "refused", 7))
		return wire_send(h->signer[n], ORDER, &left, sizeof(left), clock_steady_ms() + PATIENCE_MS, &e);
	err_set(&why, E_ORDER_TERMS, "refused");
	return wire_send_err(h->signer[n], &why, clock_steady_ms() + PATIENCE_MS, &e);
}

/* True as long as this signer goes on. */
static bool serve(struct hall *h, int n)
{
	struct wire_msg m;
	struct err e = {0};
	if (!wire_recv(h->signer[n], &m, WIRE_FOREVER, &e))
		return false;
	if (m.type == ORDER)
		return take_order(h, n, &m);
	memcpy(&h->late[n], m.data, sizeof(h->late[n]));
	return h->part[n].part == ANSWERS && answer(h->signer[n], &h->late[n]);
}

static void *launch(void *at)
{
	struct hall *h = at;
	struct wire_msg m;
	struct err e = {0};
	int fds[WIRE_FDS_MAX];
	size_t count;
	while (h->count < SIGNERS && wire_recv_fds(h->asked, &m, fds, &count, WIRE_FOREVER, &e)) {
		int n = h->count++;
		struct signer_info info = {.chain_count = 1, .chain_len = {1}, .chain = {{h->part[n].ca}}};
		h->signer[n] = fds[0];
		if (!wire_send(fds[0], READY, &info, sizeof(info), clock_steady_ms() + PATIENCE_MS, &e))
			continue;
		while (serve(h, n))
			continue;
		if (h->part[n].part == DIES)
			close(h->signer[n]);
	}
	return NULL;
}

static int setup(void **state)
{
	static struct hall h;
	struct err e = {0};
	int pair[2];
	char path[96];
	memset(&h, 0, sizeof(h));
	strcpy(h.dir, "/tmp/station-signing-XXXXXX");
	if (!mkdtemp(h.dir) || !wire_pair(pair, &e))
		return -1;
	h.launcher.fd = pair[0];
	h.asked = pair[1];
	snprintf(path, sizeof(path), "%s/ledger.db", h.dir);
	*state = &h;
	return ledger_open(path, "line-1.example/station", &h.ledger, &e) ? 0 : -1;
}

static int teardown(void **state)
{
	struct hall *h = *state;
	static const char *const files[] = {"ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock"};
	char path[96];
	signing_close(&h->signing);
	close(h->launcher.fd);
	pthread_join(h->thread, NULL);
	close(h->asked);
	for (int i = 0; i < h->count; i++)
		if (h->part[i].part != DIES)
			close(h->signer[i]);
	ledger_close(h->ledger);
	for (size_t i = 0; i < COUNT_OF(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", h->dir, files[i]);
		unlink(path);
	}
	return rmdir(h->dir);
}

static void open_line(struct hall *h, const struct part_of part[static SIGNERS])
{
	struct err e = {0};
	memcpy(h->part, part, sizeof(h->part));
	assert_int_equal(pthread_create(&h->thread, NULL, launch, h), 0);
	if (!signing_open(&h->signing, &h->launcher, h->ledger, &e))
		fail_msg("%s", e.what);
}

static bool sign(struct hall *h, uint8_t unit, struct leaf_reply *ret, struct err *e)
{
	struct intent intent = {.serial = {unit}};
	uint64_t index = 0;
	json_t *body = json_object();
	bool ok = ledger_begin(h->ledger, e) && audit_append(h->ledger, "sign.intent", "", body, 1, &index, e) && ledger_commit(h->ledger, e);
	json_decref(body);
	return ok && signing_leaf(&h->signing, &intent, index, ret, e);
}

static void answer_that_comes_too_late_is_not_the_next_units(void **state)
{
	struct hall *h = *state;
	struct err e = {0};
	struct leaf_reply leaf;
	open_line(h, (const struct part_of[SIGNERS]){{.part = IS_SILENT}, {.part = IS_SILENT}});
	h->signing.patience_ms = 100;
	assert_false(sign(h, 1, &leaf, &e));
	assert_int_equal(e.code, E_SIGN);
	/* Both of them answer now. */
	answer(h->signer[0], &h->late[0]);
	answer(h->signer[1], &h->late[1]);
	h->signing.patience_ms = PATIENCE_MS;
	err_clear(&e);
	if (!sign(h, 2, &leaf, &e))
		fail_msg("%s", e.what);
	assert_int_equal(leaf.der[0], 2);
}

static void signer_of_another_ca_is_asked_nothing(void **state)
{
	struct hall *h = *state;
	struct leaf_reply leaf;
	open_line(h, (const struct part_of[SIGNERS]){{.part = DIES}, {.ca = 9}, {.ca = 9}});
	for (int i = 0; i < 2; i++) {
		struct err e = {0};
		assert_false(sign(h, 1, &leaf, &e));
		assert_int_equal(e.code, E_CA_FILE);
	}
	struct err e = {0};
	if (!sign(h, 3, &leaf, &e))	/* the right one is back */
		fail_msg("%s", e.what);
	assert_int_equal(leaf.der[0], 3);
}

static bool hand_in(struct hall *h, const char *number, struct bytes *text, struct err *e)
{
	struct order_terms terms = {.product = "p", .profile = "p", .station = "s", .count = 1, .until_ms = CLOCK_DAY_MS - 1};
	struct order_reply left;
	strcpy(terms.number, number);
	return order_note_text(&terms, text, e) && signing_order(&h->signing, text->data, text->len, &left, e);
}

static void order_that_is_refused_leaves_the_one_that_is_worked_on(void **state)
{
	struct hall *h = *state;
	struct err e = {0};
	struct leaf_reply leaf;
	struct order_reply left;
	AUTO(bytes) struct bytes good = {0}, bad = {0};
	open_line(h, (const struct part_of[SIGNERS]){{.part = DIES}});
	if (!hand_in(h, "WO-1", &good, &e))
		fail_msg("%s", e.what);
	assert_false(hand_in(h, "refused", &bad, &e));
	assert_int_equal(e.code, E_ORDER_TERMS);
	assert_true(signing_order_left(&h->signing, &left));
	/* The first signer dies; the second one is handed what the first one was working on. */
	err_clear(&e);
	if (!sign(h, 4, &leaf, &e))
		fail_msg("%s", e.what);
	assert_int_equal(leaf.der[0], 4);
	assert_memory_equal(h->order[1], good.data, good.len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answer_that_comes_too_late_is_not_the_next_units, setup, teardown),
		cmocka_unit_test_setup_teardown(order_that_is_refused_leaves_the_one_that_is_worked_on, setup, teardown),
		cmocka_unit_test_setup_teardown(signer_of_another_ca_is_asked_nothing, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
