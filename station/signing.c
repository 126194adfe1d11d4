/* SPDX-License-Identifier: Apache-2.0 */
#include "station/signing.h"
#include "db/audit.h"
#include "station/base/clock.h"
#include "station/base/log.h"

#include <stdlib.h>
#include <string.h>

#define SIGNER_READY_MS 30000	/* a passphrase is stretched on purpose */
#define SIGNER_ANSWER_MS 10000

static void close_signer(struct signing *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static bool ask_order(struct signing *s, const struct order_request *order, struct order_reply *ret, struct err *e)
{
	return signer_client_order(s->fd, clock_steady_ms() + s->patience_ms, order, ret, e);
}

/* The order that is worked on, to a signer that is new. One that has ended meanwhile is found when a unit asks under it. */
static bool hand_order(struct signing *s, struct err *e)
{
	struct order_reply ignored;
	struct err why = {0};
	if (!s->order.len || ask_order(s, &s->order, &ignored, &why))
		return true;
	if (why.code == E_ORDER_TERMS)
		return true;
	*e = why;
	return false;
}

/* Others read the chain in s->info without the lock: it is written once, and a later signer must be the same. */
static bool start_one(struct signing *s, struct err *e)
{
	struct signer_info now;
	close_signer(s);
	if (!launcher_signer(s->launcher, &s->fd, e) || !signer_client_ready(s->fd, clock_steady_ms() + SIGNER_READY_MS, &now, e))
		return false;
	if (!s->info.chain_count)
		s->info = now;
	if (now.chain_len[0] != s->info.chain_len[0] || memcmp(now.chain[0], s->info.chain[0], now.chain_len[0]) != 0)
		return err_set(e, E_CA_FILE, "the issuing CA was changed while the line runs");
	s->info.head_size = now.head_size;
	s->info.head_root = now.head_root;
	return hand_order(s, e);
}

/* One that did not begin well is not asked anything. */
static bool start(struct signing *s, struct err *e)
{
	if (start_one(s, e))
		return true;
	close_signer(s);
	return false;
}

/* The ledger's head, and the proof that it extends the newest head that the signer knows. */
static bool ledger_head(struct signing *s, uint64_t *size, struct merkle_hash *root, struct merkle_proof *consistency,
			struct err *e)
{
	if (!audit_head(s->ledger, size, root, e))
		return false;
	if (*size < s->info.head_size)
		return err_set(e, E_SIGNER_STATE, "the ledger has %llu entries, the signer has seen %llu", (unsigned long long)*size,
			       (unsigned long long)s->info.head_size);
	return audit_prove_consistency(s->ledger, s->info.head_size, *size, consistency, e);
}

/* A ledger that was replaced or taken back is found before the first device, not at the first signature. */
static bool ledger_is_what_the_signer_knows(struct signing *s, struct err *e)
{
	uint64_t size;
	struct merkle_hash root;
	struct merkle_proof proof = {0};
	if (!ledger_head(s, &size, &root, &proof, e))
		return false;
	return !s->info.head_size || merkle_extends(s->info.head_size, &s->info.head_root, size, &root, &proof) ||
	       err_set(e, E_SIGNER_STATE, "the ledger is not the one that the signer knows");
}

bool signing_open(struct signing *s, const struct launcher *launcher, struct ledger *ledger, struct err *e)
{
	pthread_mutex_init(&s->lock, NULL);
	s->launcher = launcher;
	s->ledger = ledger;
	s->fd = -1;
	s->patience_ms = SIGNER_ANSWER_MS;
	return (start(s, e) && ledger_is_what_the_signer_knows(s, e)) || err_in(e, "starting the signer");
}

void signing_close(struct signing *s)
{
	if (!s || !s->ledger)
		return;
	close_signer(s);
	pthread_mutex_destroy(&s->lock);
	*s = (struct signing){.fd = -1};
}

size_t signing_chain(const struct signing *s, struct bytes *ret)
{
	for (uint32_t i = 0; i < s->info.chain_count; i++)
		ret[i] = (struct bytes){.data = (uint8_t *)(uintptr_t)s->info.chain[i], .len = s->info.chain_len[i]};
	return s->info.chain_count;
}

/* One question to the signer, which gets the ledger's head and the proof that it extends the last one. */
typedef bool question(struct signing *s, void *ctx, uint64_t size, const struct merkle_hash *root,
		      const struct merkle_proof *consistency, struct err *e);

static bool ask_once(struct signing *s, question *ask, void *ctx, struct err *e)
{
	uint64_t size;
	struct merkle_hash root;
	struct merkle_proof consistency = {0};
	if (s->fd < 0 && !start(s, e))
		return false;
	if (!ledger_head(s, &size, &root, &consistency, e))
		return false;
	if (!ask(s, ctx, size, &root, &consistency, e))
		return false;
	s->info.head_size = size;
	s->info.head_root = root;
	return true;
}

/* A unit is not to blame for a signer that ends again and again. */
static void blame_signer(struct err *e)
{
	struct err cause = *e;
	if (cause.code != E_CHILD_LOST && cause.code != E_CHILD_SILENT)
		return;
	err_clear(e);
	err_set(e, E_SIGN, "the signer was lost twice: %s", cause.what);
}

static bool is_lost(const struct err *e)
{
	return e->code == E_CHILD_LOST || e->code == E_CHILD_SILENT;
}

/* After these the socket may still bring an answer that nobody waits for, which the next question would take for its own; and what
 * holds the key is gone for good for a signer that lost it. The next question starts another signer. */
static bool is_done_for(const struct err *e)
{
	return is_lost(e) || e->code == E_WIRE || e->code == E_TOKEN_GONE;
}

static bool ask_locked(struct signing *s, question *ask, void *ctx, struct err *e)
{
	bool ok = ask_once(s, ask, ctx, e);
	if (!ok && is_lost(e)) {
		/* Its state file says what it accepted before it was lost; the same request again is harmless. */
		log_err(LOG_LEVEL_WARN, e, "the signer was lost, starting another");
		err_clear(e);
		close_signer(s);
		ok = ask_once(s, ask, ctx, e);
	}
	if (ok)
		return true;
	if (is_done_for(e))
		close_signer(s);
	blame_signer(e);
	return false;
}

/* An entry of the log as a clock request: two people stood for the clock. */
struct clock_question {
	uint64_t index;
	struct clock_request req;
};

static bool take_clock_entry(void *ctx, uint64_t index, const char *type, const char *job, const void *entry, size_t len)
{
	struct clock_question *q = ctx;
	(void)type, (void)job;
	if (len > sizeof(q->req.entry))
		return false;
	q->index = index;
	q->req.len = (uint32_t)len;
	memcpy(q->req.entry, entry, len);
	return true;
}

static bool ask_clock(struct signing *s, void *ctx, uint64_t size, const struct merkle_hash *root,
		      const struct merkle_proof *consistency, struct err *e)
{
	struct clock_question *q = ctx;
	q->req.receipt = (struct receipt){.index = q->index, .size = size, .root = *root, .consistency = *consistency};
	return audit_prove_inclusion(s->ledger, q->index, size, &q->req.receipt.inclusion, e) &&
	       signer_client_clock(s->fd, clock_steady_ms() + s->patience_ms, &q->req, e);
}

/* True if two people stood for the clock, and the signer takes their word. */
static bool clock_was_accepted(struct signing *s)
{
	struct clock_question q = {0};
	struct err ignored = {0};
	AUTO(bytes) struct bytes index = {.max = 24};
	if (!ledger_recall(s->ledger, SIGNING_CLOCK_FACT, &index, &ignored) || !index.len)
		return false;
	uint64_t at = strtoull(bytes_text(&index), NULL, 10);
	return audit_scan(s->ledger, at, at + 1, take_clock_entry, &q, &ignored) && q.req.len && ask_locked(s, ask_clock, &q, &ignored);
}

static bool ask_signer(struct signing *s, question *ask, void *ctx, struct err *e)
{
	struct err again = {0};
	pthread_mutex_lock(&s->lock);
	bool ok = ask_locked(s, ask, ctx, e);
	if (!ok && e->code == E_CLOCK_REFUSED && clock_was_accepted(s)) {
		ok = ask_locked(s, ask, ctx, &again);
		*e = again;
	}
	pthread_mutex_unlock(&s->lock);
	return ok;
}

/* ---- orders ---- */

/* An order says nothing of the log, so the head stays what it was. */
static bool ask_order_locked(struct signing *s, const struct order_request *order, struct order_reply *ret, struct err *e)
{
	for (int i = 0; i < 2; i++) {
		err_clear(e);
		if ((s->fd >= 0 || start(s, e)) && ask_order(s, order, ret, e))
			return true;
		if (is_done_for(e))
			close_signer(s);
		if (!is_lost(e))
			break;
	}
	return false;
}

/* One that is refused leaves the one that is worked on as it is. */
bool signing_order(struct signing *s, const void *note, size_t len, struct order_reply *ret, struct err *e)
{
	struct order_terms terms;
	struct order_request req = {.len = (uint32_t)len};
	if (!order_note_read(note, len, &terms, e))
		return false;
	memcpy(req.note, note, len);
	pthread_mutex_lock(&s->lock);
	bool ok = ask_order_locked(s, &req, ret, e);
	if (ok) {
		memcpy(s->order_number, terms.number, sizeof(s->order_number));
		s->order = req;
		s->left = *ret;
	}
	pthread_mutex_unlock(&s->lock);
	return ok;
}

bool signing_order_left(struct signing *s, struct order_reply *ret)
{
	pthread_mutex_lock(&s->lock);
	*ret = s->left;
	pthread_mutex_unlock(&s->lock);
	return ret->allowed > 0;
}

struct leaf_question {
	const struct intent *intent;
	uint64_t index;
	struct leaf_reply *ret;	/* NULL: a permit */
};

static bool ask_leaf(struct signing *s, void *ctx, uint64_t size, const struct merkle_hash *root,
		     const struct merkle_proof *consistency, struct err *e)
{
	struct leaf_question *q = ctx;
	struct leaf_request req = {.intent = *q->intent,
				   .receipt = {.index = q->index, .size = size, .root = *root, .consistency = *consistency}};
	struct permit_reply permit;
	int64_t deadline_ms = clock_steady_ms() + s->patience_ms;
	if (!audit_prove_inclusion(s->ledger, q->index, size, &req.receipt.inclusion, e))
		return false;
	if (!(q->ret ? signer_client_leaf(s->fd, deadline_ms, &req, q->ret, e)
		     : signer_client_permit(s->fd, deadline_ms, &req, &permit, e)))
		return false;
	const struct order_reply *left = q->ret ? &q->ret->order : &permit.order;
	/* A unit of an earlier lot says nothing of the one that is worked on. */
	if (s->order.len && !strcmp(q->intent->order, s->order_number))
		s->left = *left;
	return true;
}

bool signing_leaf(struct signing *s, const struct intent *intent, uint64_t index, struct leaf_reply *ret, struct err *e)
{
	struct leaf_question q = {intent, index, ret};
	return ask_signer(s, ask_leaf, &q, e);
}

bool signing_permit(struct signing *s, const struct intent *intent, uint64_t index, struct err *e)
{
	struct leaf_question q = {intent, index, NULL};
	return ask_signer(s, ask_leaf, &q, e);
}

struct checkpoint_question {
	uint64_t size;
	struct merkle_hash root;
	int64_t time_ms;
	struct checkpoint_reply *ret;
};

static bool ask_checkpoint(struct signing *s, void *ctx, uint64_t size, const struct merkle_hash *root,
			   const struct merkle_proof *consistency, struct err *e)
{
	struct checkpoint_question *q = ctx;
	struct checkpoint_request req = {size, *root, *consistency};
	q->size = size;
	q->root = *root;
	return signer_client_checkpoint(s->fd, clock_steady_ms() + s->patience_ms, &req, q->ret, e);
}

bool signing_checkpoint(struct signing *s, struct checkpoint_reply *ret, struct err *e)
{
	struct checkpoint_question q = {.time_ms = clock_wall_ms(), .ret = ret};
	if (!ask_signer(s, ask_checkpoint, &q, e) || !ledger_begin(s->ledger, e))
		return false;
	if (!audit_keep_checkpoint(s->ledger, q.size, &q.root, ret->note, q.time_ms, e)) {
		ledger_rollback(s->ledger);
		return false;
	}
	return ledger_commit(s->ledger, e);
}
