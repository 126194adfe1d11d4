/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/count.h"
#include "certs/hmac.h"
#include "station/base/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define MOST_INDEX ((uint64_t)1 << 36)	/* signer.counted is a terabyte there, with holes: no file system refuses that */

static bool is_anchored(const struct count *c)
{
	return c->anchor && c->anchor->ops;
}

/* ---- marks ---- */

static void mark_of(const struct count *c, const struct counting *what, uint8_t ret[static COUNT_MARK])
{
	uint8_t text[8 + MERKLE_HASH + SHA256_SIZE], sum[SHA256_SIZE];
	for (int i = 0; i < 8; i++)
		text[i] = (uint8_t)(what->index >> (56 - 8 * i));
	memcpy(text + 8, what->leaf.h, MERKLE_HASH);
	memcpy(text + 8 + MERKLE_HASH, c->issuer, SHA256_SIZE);
	hmac_sha256(c->state.key, SIGNER_KEY, text, sizeof(text), sum);
	memcpy(ret, sum, COUNT_MARK);
}

static bool mark_put(const struct count *c, const struct counted_mark *m, struct err *e)
{
	if (pwrite(c->marks_fd, m->mark, COUNT_MARK, (off_t)(m->index * COUNT_MARK)) == COUNT_MARK)
		return true;
	return err_errno(e, errno == ENOSPC || errno == EDQUOT ? E_DB_FULL : E_SIGNER_STATE, "writing signer.counted");
}

static bool marks_are_lasting(const struct count *c, struct err *e)
{
	return fdatasync(c->marks_fd) == 0 || err_errno(e, E_SIGNER_STATE, "writing signer.counted");
}

static bool mark_is_none(const struct counted_mark *m)
{
	static const uint8_t none[COUNT_MARK];
	return !memcmp(m->mark, none, COUNT_MARK);
}

static bool mark_is_there(const struct count *c, uint64_t index, const uint8_t mark[static COUNT_MARK])
{
	uint8_t stored[COUNT_MARK];
	return pread(c->marks_fd, stored, COUNT_MARK, (off_t)(index * COUNT_MARK)) == COUNT_MARK && !memcmp(stored, mark, COUNT_MARK);
}

/* The last ones may not have reached their file when the power went. */
static bool marks_caught_up(const struct count *c, struct err *e)
{
	const struct signer_memory *m = &c->state.now;
	for (size_t i = 0; i < SIGNER_RECENT; i++)
		if (!mark_is_none(&m->recent[i]) && !mark_is_there(c, m->recent[i].index, m->recent[i].mark) &&
		    !mark_put(c, &m->recent[i], e))
			return false;
	return marks_are_lasting(c, e);
}

bool count_knows(const struct count *c, const struct counting *what)
{
	uint8_t mark[COUNT_MARK];
	const struct signer_memory *m = &c->state.now;
	mark_of(c, what, mark);
	for (size_t i = 0; i < SIGNER_RECENT; i++)
		if (m->recent[i].index == what->index && !memcmp(m->recent[i].mark, mark, COUNT_MARK))
			return true;
	return what->index <= MOST_INDEX && mark_is_there(c, what->index, mark);
}

/* ---- the anchor ---- */

/* Steps the anchor and writes `next` as belonging to its new number. Wherever this is cut off, the memory on disk says
 * that a step was begun. What fails leaves a signer that counts no more: the next one finds out where the anchor stands. */
static bool step(struct count *c, struct signer_memory *next, struct err *e)
{
	next->flags |= SIGNER_STEPPING;
	if (!signer_state_write(&c->state, next, e))
		return false;
	c->state.broken = true;
	if (!c->anchor->ops->advance(c->anchor->state, &next->anchor, e))
		return false;
	c->state.broken = false;
	next->flags &= ~(uint32_t)SIGNER_STEPPING;
	return signer_state_write(&c->state, next, e);
}

static void forfeit(struct counted_order *o)
{
	if (o->used < o->leased)
		o->used = o->leased;
	if (o->replaced < o->replace_leased)
		o->replaced = o->replace_leased;
}

static void settle(struct signer_memory *m)
{
	for (size_t i = 0; i < SIGNER_ORDERS; i++) {
		if (!(m->flags & SIGNER_CLOSED))
			forfeit(&m->order[i]);
		m->order[i].leased = m->order[i].used;
		m->order[i].replace_leased = m->order[i].replaced;
	}
}

/* Whether this memory is the anchor's newest; from here older copies of it are worthless. */
static bool memory_is_the_anchors(struct count *c, struct err *e)
{
	struct signer_memory next = c->state.now;
	uint64_t now = 0;
	if (!is_anchored(c))
		return !next.anchor || err_set(e, E_ANCHOR, "the memory belongs to number %llu of an anchor, and none is configured",
					       (unsigned long long)next.anchor);
	if (!c->anchor->ops->read(c->anchor->state, &now, e))
		return false;
	bool stepped = next.flags & SIGNER_STEPPING && next.anchor + 1 == now;
	if (!next.anchor || (next.anchor != now && !stepped))
		return err_set(e, E_ANCHOR, "the memory belongs to number %llu, the anchor is at %llu", (unsigned long long)next.anchor,
			       (unsigned long long)now);
	settle(&next);
	next.anchor = now;
	next.flags = 0;
	return step(c, &next, e);
}

/* ---- opening ---- */

static bool marks_open(struct count *c, const char *state_path, struct err *e)
{
	char copy[PATH_MAX], path[PATH_MAX + 16];
	snprintf(copy, sizeof(copy), "%s", state_path);
	snprintf(path, sizeof(path), "%s/signer.counted", dirname(copy));
	c->marks_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return c->marks_fd >= 0 || err_errno(e, E_SIGNER_STATE, "%s", path);
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0 || errno != ENOENT;
}

static bool open_files(struct count *c, const struct count_setup *setup, struct err *e)
{
	*c = (struct count){.state.fd = -1, .anchor = setup->anchor, .lease = setup->lease ? setup->lease : 1, .marks_fd = -1};
	memcpy(c->issuer, setup->issuer, sizeof(c->issuer));
	return signer_state_open(&c->state, setup->state_path, setup->key, e) && marks_open(c, setup->state_path, e) &&
	       marks_caught_up(c, e);
}

static void close_files(struct count *c)
{
	if (c->marks_fd >= 0)
		close(c->marks_fd);
	signer_state_close(&c->state);
	*c = (struct count){.state.fd = -1, .marks_fd = -1};
}

bool count_open(struct count *c, const struct count_setup *setup, struct err *e)
{
	*c = (struct count){.state.fd = -1, .marks_fd = -1};
	if (setup->anchor && setup->anchor->ops && !is_there(setup->state_path))
		return err_set(e, E_ANCHOR, "there is no memory that belongs to the anchor; `station custody init` begins one");
	if (open_files(c, setup, e) && memory_is_the_anchors(c, e))
		return true;
	close_files(c);
	return false;
}

void count_close(struct count *c)
{
	struct err ignored = {0};
	if (!c || c->state.fd < 0)
		return;
	if (is_anchored(c) && !c->state.broken) {
		struct signer_memory next = c->state.now;
		next.flags |= SIGNER_CLOSED;
		settle(&next);
		if (!marks_are_lasting(c, &ignored) || !step(c, &next, &ignored))
			err_clear(&ignored);
	}
	close_files(c);
}

bool count_begin(const struct count_setup *setup, int64_t now_ms, struct err *e)
{
	struct count c = {.state.fd = -1, .marks_fd = -1};
	if (!setup->anchor || !setup->anchor->ops)
		return err_set(e, E_ANCHOR, "there is no anchor to begin with");
	bool ok = open_files(&c, setup, e);
	struct signer_memory next = c.state.now;
	if (ok && next.anchor)
		ok = err_set(e, E_SIGNER_STATE, "%s belongs to an anchor already", setup->state_path);
	ok = ok && setup->anchor->ops->read(setup->anchor->state, &next.anchor, e);
	next.begun_ms = now_ms;
	next.flags = SIGNER_CLOSED;
	ok = ok && step(&c, &next, e);
	close_files(&c);
	return ok;
}

/* ---- orders ---- */

static void order_id(const struct order_terms *terms, uint8_t ret[static 16])
{
	uint8_t sum[SHA256_SIZE];
	sha256_of(terms->number, strlen(terms->number), sum);
	memcpy(ret, sum, 16);
}

static struct counted_order *find(const struct signer_memory *m, const uint8_t id[static 16])
{
	for (size_t i = 0; i < SIGNER_ORDERS; i++)
		if (!memcmp(m->order[i].id, id, 16))
			return (struct counted_order *)(uintptr_t)&m->order[i];
	return NULL;
}

void count_of_order(const struct count *c, const struct order_terms *terms, uint32_t *ret_used, uint32_t *ret_replaced)
{
	uint8_t id[16];
	order_id(terms, id);
	const struct counted_order *o = find(&c->state.now, id);
	*ret_used = o ? o->used : 0;
	*ret_replaced = o ? o->replaced : 0;
}

bool count_takes_order(const struct count *c, const struct order_terms *terms, struct err *e)
{
	const struct signer_memory *m = &c->state.now;
	uint8_t id[16];
	order_id(terms, id);
	if (terms->made_ms < m->begun_ms)
		return err_set(e, E_ORDER_TERMS, "order %s was made before this signer's memory was begun", terms->number);
	const struct counted_order *o = find(m, id);
	if (o && terms->made_ms < o->made_ms)
		return err_set(e, E_ORDER_TERMS, "order %s was amended, and this is an older one of it", terms->number);
	return terms->until_ms > m->dropped_until_ms || o ||
	       err_set(e, E_ORDER_TERMS, "order %s ends before one that was forgotten", terms->number);
}

/* A free row, or that of the order which ended first, if it has. */
static struct counted_order *row_for(struct signer_memory *m, const struct counting *what, struct err *e)
{
	static const uint8_t free_id[16];
	struct counted_order *o = find(m, free_id);
	if (!o) {
		o = &m->order[0];
		for (size_t i = 1; i < SIGNER_ORDERS; i++)
			if (m->order[i].until_ms < o->until_ms)
				o = &m->order[i];
		if (o->until_ms >= what->now_ms) {
			err_set(e, E_ORDER_TERMS, "%d orders that have not ended are counted already", SIGNER_ORDERS);
			return NULL;
		}
		if (m->dropped_until_ms < o->until_ms)
			m->dropped_until_ms = o->until_ms;
	}
	*o = (struct counted_order){.until_ms = what->order->until_ms};
	order_id(what->order, o->id);
	return o;
}

static struct counted_order *row_of(struct signer_memory *m, const struct counting *what, struct err *e)
{
	uint8_t id[16];
	order_id(what->order, id);
	struct counted_order *o = find(m, id);
	if (!o)
		o = row_for(m, what, e);
	if (o && o->until_ms < what->order->until_ms)
		o->until_ms = what->order->until_ms;
	if (o && o->made_ms < what->order->made_ms)
		o->made_ms = what->order->made_ms;
	return o;
}

static uint32_t least(uint64_t a, uint64_t b)
{
	return (uint32_t)(a < b ? a : b);
}

/* Takes one place of the order in `m`; steps the anchor first where the lease is used up. */
static bool take_place(struct count *c, struct signer_memory *m, const struct counting *what, struct err *e)
{
	const struct order_terms *terms = what->order;
	uint32_t allowed = what->replaces ? terms->replace : terms->count + terms->scrap;
	struct counted_order *o = row_of(m, what, e);
	if (!o)
		return false;
	uint32_t *used = what->replaces ? &o->replaced : &o->used, *leased = what->replaces ? &o->replace_leased : &o->leased;
	if (*used >= allowed)
		return err_set(e, E_ORDER_SPENT, "order %s allows %u%s, and the signer has counted %u", terms->number, allowed,
			       what->replaces ? " replacements" : "", *used);
	if (is_anchored(c) && *used >= *leased) {
		*leased = least((uint64_t)*used + c->lease, allowed);
		if (!step(c, m, e))
			return false;
	}
	(*used)++;
	return true;
}

/* ---- counting ---- */

static bool remember_mark(struct count *c, struct signer_memory *m, const struct counting *what, struct err *e)
{
	struct counted_mark *at = &m->recent[m->signed_count % SIGNER_RECENT];
	/* Those that are about to leave the ring must have reached their file. */
	if (m->signed_count % SIGNER_RECENT == 0 && !marks_are_lasting(c, e))
		return false;
	at->index = what->index;
	mark_of(c, what, at->mark);
	m->signed_count++;
	return true;
}

bool count_identity(struct count *c, const struct counting *what, struct err *e)
{
	struct signer_memory next = c->state.now;
	bool known = count_knows(c, what);
	if (what->index > MOST_INDEX)
		return err_set(e, E_RECEIPT, "entry %llu is beyond all logs", (unsigned long long)what->index);
	if (known && next.head_size == what->head_size)
		return true;
	if (!known && ((what->order && !take_place(c, &next, what, e)) || !remember_mark(c, &next, what, e)))
		return false;
	next.head_size = what->head_size;
	next.head_root = what->head_root;
	if (!known && next.latest_ms < what->now_ms)
		next.latest_ms = what->now_ms;
	if (!signer_state_write(&c->state, &next, e))
		return false;
	return known || mark_put(c, &next.recent[(next.signed_count - 1) % SIGNER_RECENT], e);
}

bool count_head(struct count *c, uint64_t size, const struct merkle_hash *root, struct err *e)
{
	struct signer_memory next = c->state.now;
	if (size == next.head_size && size)
		return true;	/* known, and on disk */
	next.head_size = size;
	next.head_root = *root;
	return signer_state_write(&c->state, &next, e);
}
