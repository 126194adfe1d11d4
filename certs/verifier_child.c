/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/verifier.h"
#include "certs/warm.h"
#include "station/base/clock.h"
#include "station/base/lockdown.h"
#include "station/base/wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define EVIDENCE_PIECES_MAX 256	/* of one job: a device cannot keep its judge busy for ever */
#define ANSWER_MS 5000

enum question { ASK_EK = 1, ASK_CHALLENGE, ASK_ATTESTATION, ASK_INSTALL, ASK_CSR, ASK_HOLDER };

/* One question, whatever its kind. */
struct ask {
	uint32_t about;		/* ASK_CHALLENGE: enum challenge_about */
	uint32_t closed;	/* ASK_INSTALL */
	uint8_t bundle_sha256[SHA256_SIZE];
};

/* ---- the child ---- */

struct bench {
	struct verifier *judge;
	int line, driver;	/* driver is -1 once nothing more is taken from it */
	unsigned pieces;
	struct err spoiled;	/* why nothing can be judged any more: every question gets this answer */
};

static bool take_piece(struct bench *b, const struct wire_msg *m, struct err *e)
{
	if (++b->pieces > EVIDENCE_PIECES_MAX)
		return err_set(e, E_VERIFIER, "more than %d pieces of evidence", EVIDENCE_PIECES_MAX);
	if (m->type <= EVIDENCE_WIRE_BASE || m->type >= EVIDENCE_WIRE_BASE + EVIDENCE_KINDS)
		return err_set(e, E_VERIFIER, "message %u is no evidence", m->type);
	return verifier_take(b->judge, (enum evidence_kind)(m->type - EVIDENCE_WIRE_BASE), m->data, m->len, e);
}

/* Takes what has come from the device, without waiting for more. The driver child is as hostile as its device: what breaks the
 * conversation with it spoils this job, in words that blame the unit and not the station. Its mere end does not: what it sent
 * before still counts. */
static void take_evidence(struct bench *b)
{
	static struct wire_msg m;
	struct err why = {0};
	while (b->driver >= 0 && wire_recv(b->driver, &m, clock_steady_ms(), &why))
		if (!take_piece(b, &m, &b->spoiled))
			b->driver = -1;
	if (b->driver < 0 || why.code == E_CHILD_SILENT)
		return;
	b->driver = -1;
	if (why.code != E_CHILD_LOST)
		err_set(&b->spoiled, E_VERIFIER, "evidence: %s", why.what);
}

static bool send_challenge(struct bench *b, enum challenge_about about, struct err *e)
{
	struct challenge c;
	if (!verifier_challenge(b->judge, about, &c, e))
		return false;
	if (b->driver < 0)
		return err_set(e, E_CHILD_LOST, "the driver child has ended");
	return wire_send(b->driver, EVIDENCE_CHALLENGE, &c, sizeof(c), clock_steady_ms() + ANSWER_MS, e);
}

/* The answer to one question: its bytes, in `ret`. */
static bool answer(struct bench *b, uint32_t question, const struct ask *ask, void *ret, size_t *ret_len, struct err *e)
{
	switch (question) {
	case ASK_EK:
		*ret_len = sizeof(struct ek_verdict);
		return verifier_judge_ek(b->judge, ret, e);
	case ASK_CHALLENGE:
		return send_challenge(b, (enum challenge_about)ask->about, e);
	case ASK_ATTESTATION:
		*ret_len = sizeof(struct attest_verdict);
		return verifier_judge_attestation(b->judge, ret, e);
	case ASK_CSR:
		*ret_len = sizeof(struct attest_verdict);
		return verifier_judge_csr(b->judge, ret, e);
	case ASK_HOLDER:
		return verifier_judge_holder(b->judge, e);
	case ASK_INSTALL:
		return verifier_judge_install(b->judge, ask->bundle_sha256, ask->closed, e);
	default:
		return err_set(e, E_WIRE, "question %u", question);
	}
}

/* One question of the line; false when the conversation has ended. */
static bool serve(struct bench *b)
{
	static struct wire_msg m;
	struct err e = {0}, lost = {0};
	struct ask ask;
	union {
		struct ek_verdict ek;
		struct attest_verdict attest;
	} verdict;
	size_t len = 0;
	memset(&verdict, 0, sizeof(verdict));
	if (!wire_recv(b->line, &m, WIRE_FOREVER, &e) || m.len != sizeof(ask))
		return false;
	memcpy(&ask, m.data, sizeof(ask));
	e = b->spoiled;
	bool held = e.code == E_NONE && answer(b, m.type, &ask, &verdict, &len, &e);
	int64_t deadline_ms = clock_steady_ms() + ANSWER_MS;
	return held ? wire_send(b->line, m.type, &verdict, len, deadline_ms, &lost)
		    : wire_send_err(b->line, &e, deadline_ms, &lost);
}

/* Waits for either socket, and says whether the line asks. */
static bool wait_for_work(const struct bench *b, bool *asked)
{
	struct pollfd p[2] = {{b->line, POLLIN, 0}, {b->driver, POLLIN, 0}};	/* poll passes over -1 */
	while (poll(p, COUNT_OF(p), -1) < 0)
		if (errno != EINTR)
			return false;
	*asked = p[0].revents != 0;
	return true;
}

/* The driver child sends evidence before it answers the line. So once a question is seen here, the evidence that it is about lies
 * in the other socket already, and taking what is there, without waiting, is enough. */
static bool work(struct bench *b)
{
	bool asked;
	if (!wait_for_work(b, &asked))
		return false;
	take_evidence(b);
	return !asked || serve(b);
}

_Noreturn void verifier_child(int line, int driver, const struct verifier_policy *policy)
{
	struct bench b = {.line = line, .driver = driver};
	certs_warm();
	lockdown_warm();
	if (!verifier_new(policy, &b.judge, &b.spoiled) || !lockdown(&b.spoiled))
		b.driver = -1;	/* reads nothing of the device, and tells the cause when it is asked */
	while (work(&b))
		continue;
	verifier_free(b.judge);
	_exit(0);
}

/* ---- the line ---- */

/* The child has read hostile bytes and may be the device's by now: its error may fail this unit, but never the line, and its words
 * go to a terminal. */
static bool child_err(struct err *said, struct err *e)
{
	const struct err_row *row = err_row(said->code);
	for (char *c = said->what; *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			*c = '?';
	if (row->class == ERR_STATION || row->exhausted == ERR_STATION)
		return err_native(e, E_VERIFIER, said->native, "the judge's process: %s %s", row->code, said->what);
	return err_native(e, said->code, said->native, "%s", said->what);
}

static bool ask_child(int fd, enum question question, const struct ask *ask, void *ret, size_t len, int64_t deadline_ms,
		      struct err *e)
{
	struct err said = {0};
	return (wire_send(fd, question, ask, sizeof(*ask), deadline_ms, &said) &&
		wire_expect(fd, question, ret, len, deadline_ms, &said)) || child_err(&said, e);
}

/* Texts come from a process that has read hostile bytes: they end, whatever it sent. */
static void end_texts(struct ek_verdict *v)
{
	v->template_name[sizeof(v->template_name) - 1] = '\0';
	v->manufacturer[sizeof(v->manufacturer) - 1] = '\0';
	v->model[sizeof(v->model) - 1] = '\0';
	v->version[sizeof(v->version) - 1] = '\0';
}

bool verifier_client_judge_ek(int fd, int64_t deadline_ms, struct ek_verdict *ret, struct err *e)
{
	const struct ask ask = {0};
	if (!ask_child(fd, ASK_EK, &ask, ret, sizeof(*ret), deadline_ms, e))
		return false;
	end_texts(ret);
	return true;
}

bool verifier_client_challenge(int fd, int64_t deadline_ms, enum challenge_about about, struct err *e)
{
	const struct ask ask = {.about = about};
	return ask_child(fd, ASK_CHALLENGE, &ask, NULL, 0, deadline_ms, e);
}

bool verifier_client_judge_attestation(int fd, int64_t deadline_ms, struct attest_verdict *ret, struct err *e)
{
	const struct ask ask = {0};
	return ask_child(fd, ASK_ATTESTATION, &ask, ret, sizeof(*ret), deadline_ms, e);
}

bool verifier_client_judge_holder(int fd, int64_t deadline_ms, struct err *e)
{
	const struct ask ask = {0};
	return ask_child(fd, ASK_HOLDER, &ask, NULL, 0, deadline_ms, e);
}

bool verifier_client_judge_csr(int fd, int64_t deadline_ms, struct attest_verdict *ret, struct err *e)
{
	const struct ask ask = {0};
	return ask_child(fd, ASK_CSR, &ask, ret, sizeof(*ret), deadline_ms, e);
}

bool verifier_client_judge_install(int fd, int64_t deadline_ms, const uint8_t bundle_sha256[static SHA256_SIZE], bool closed,
				   struct err *e)
{
	struct ask ask = {.closed = closed};
	memcpy(ask.bundle_sha256, bundle_sha256, SHA256_SIZE);
	return ask_child(fd, ASK_INSTALL, &ask, NULL, 0, deadline_ms, e);
}
