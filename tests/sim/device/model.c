/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include "frames.h"

#include <stdlib.h>
#include <time.h>

void model_init(struct model *m, const struct identity *id)
{
	pthread_condattr_t monotonic;

	memset(m, 0, sizeof *m);
	m->id = *id;
	m->knobs.max_payload = MODEL_PAYLOAD_MAX;
	pthread_mutex_init(&m->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&m->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

void model_fini(struct model *m)
{
	pthread_cond_destroy(&m->changed);
	pthread_mutex_destroy(&m->lock);
}

static uint8_t store_flags(const struct store *s)
{
	return (uint8_t)((s->closed ? INFO_CLOSED : 0) | (s->bundle ? INFO_BUNDLE : 0));
}

/* The volatile memory as it is when power comes. */
static void memory_clear(struct model *m)
{
	free(m->incoming);
	m->incoming = NULL;
	m->incoming_len = m->incoming_at = 0;
	m->header_len = m->payload_len = m->response_len = m->response_at = 0;
	m->skip = 0;
	m->receiving = m->desynced = m->pending = m->running = m->cancelled = m->zlp = m->stopping = false;
	m->verdict = STATUS_OK;
}

bool model_power_on(struct model *m, const char *dir, struct why *w)
{
	if (!store_open(&m->store, dir, w))
		return false;
	if (!tpm_relay_start(&m->tpm, dir, w)) {
		store_close(&m->store);
		return false;
	}
	pthread_mutex_lock(&m->lock);
	memory_clear(m);
	m->flags = store_flags(&m->store);
	m->powered = true;
	m->stats.power_ons++;
	pthread_mutex_unlock(&m->lock);
	return true;
}

void model_power_fail(struct model *m)
{
	pthread_mutex_lock(&m->lock);
	m->stopping = true;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
	tpm_relay_kill(&m->tpm);
}

void model_power_off(struct model *m)
{
	tpm_relay_stop(&m->tpm);
	pthread_mutex_lock(&m->lock);
	memory_clear(m);
	m->powered = false;
	pthread_mutex_unlock(&m->lock);
	store_close(&m->store);
}

static bool is_working(const struct model *m)
{
	return m->pending || m->running;
}

/* A frame is complete, or refused by its header: it goes to the working thread. */
static void frame_complete(struct model *m)
{
	m->pending = true;
	pthread_cond_broadcast(&m->changed);
}

static void header_complete(struct model *m)
{
	uint32_t len = get_u32(m->header + 8);

	if (get_u16(m->header) != FRAME_MAGIC || m->header[2] != BRIDGE_VERSION || get_u16(m->header + 6) != 0) {
		m->verdict = STATUS_BAD_FRAME;
		m->desynced = true;
		frame_complete(m);
	} else if (len > m->knobs.max_payload) {
		m->verdict = STATUS_TOO_LONG;
		m->skip = len;
	} else if (len == 0) {
		frame_complete(m);
	}
}

static size_t take(uint8_t *to, size_t *have, size_t want, const uint8_t *data, size_t len)
{
	size_t n = want - *have < len ? want - *have : len;
	memcpy(to + *have, data, n);
	*have += n;
	return n;
}

/* Takes some bytes, at least one; at most to the end of the frame. */
static size_t bytes_take(struct model *m, const uint8_t *data, size_t len)
{
	size_t n;

	if (m->desynced)
		return len;
	if (m->skip) {
		n = m->skip < len ? m->skip : len;
		m->skip -= (uint32_t)n;
		if (m->skip == 0)
			frame_complete(m);
		return n;
	}
	if (m->header_len < FRAME_HEADER) {
		n = take(m->header, &m->header_len, FRAME_HEADER, data, len);
		if (m->header_len == FRAME_HEADER)
			header_complete(m);
		return n;
	}
	size_t want = get_u32(m->header + 8);
	n = take(m->payload, &m->payload_len, want, data, len);
	if (m->payload_len == want)
		frame_complete(m);
	return n;
}

size_t model_out(struct model *m, const uint8_t *data, size_t len)
{
	size_t taken = 0;

	pthread_mutex_lock(&m->lock);
	while (taken < len && !is_working(m) && m->powered) {
		/* The next command has begun: what was not read of the last one is dropped. */
		if (!m->desynced) {
			m->response_len = m->response_at = 0;
			m->zlp = false;
		}
		taken += bytes_take(m, data + taken, len - taken);
	}
	pthread_mutex_unlock(&m->lock);
	return taken;
}

/* Sends up to `room` bytes in packets of MODEL_PACKET; a transfer ends with a short packet or a full buffer. */
static bool response_send(struct model *m, uint8_t *data, size_t room, size_t *ret_len, bool *overflow)
{
	size_t left = m->response_len - m->response_at;
	size_t n = left;

	if (left == 0) {
		m->zlp = false; /* the empty packet that ends a full one */
		return true;
	}
	if (n > room) {
		n = room / MODEL_PACKET * MODEL_PACKET;
		*overflow = n != room; /* the next packet does not fit into what remains */
	}
	memcpy(data, m->response + m->response_at, n);
	m->response_at += n;
	*ret_len = n;
	if (m->response_at == m->response_len)
		m->zlp = n == room && n % MODEL_PACKET == 0;
	if (*overflow)
		m->response_at = m->response_len;
	return true;
}

bool model_in(struct model *m, uint8_t *data, size_t room, size_t *ret_len, bool *overflow)
{
	*ret_len = 0;
	*overflow = false;
	pthread_mutex_lock(&m->lock);
	bool ready = m->powered && !is_working(m) && (m->response_at < m->response_len || m->zlp);
	if (ready)
		ready = response_send(m, data, room, ret_len, overflow);
	pthread_mutex_unlock(&m->lock);
	return ready;
}

bool model_info(struct model *m, uint8_t info[INFO_SIZE])
{
	unsigned status;
	size_t len = INFO_SIZE;
	memset(info, 0, INFO_SIZE);
	memcpy(info, "TPMB", 4);
	info[4] = BRIDGE_VERSION;
	pthread_mutex_lock(&m->lock);
	info[5] = m->flags;
	put_u32(info + 8, m->knobs.max_payload);
	put_u32(info + 12, BUNDLE_MAX);
	lie_tell(&m->knobs.lie, "GET_INFO", info, INFO_SIZE, &len);
	bool stalled = lie_refuses(&m->knobs.lie, "GET_INFO", &status);
	pthread_mutex_unlock(&m->lock);
	return !stalled;
}

void model_cancel(struct model *m)
{
	pthread_mutex_lock(&m->lock);
	m->stats.cancels++;
	m->response_len = m->response_at = 0;
	m->zlp = m->desynced = false;
	if (is_working(m)) {
		m->cancelled = true;
		pthread_cond_broadcast(&m->changed);
	} else {
		m->header_len = m->payload_len = 0;
		m->skip = 0;
		m->verdict = STATUS_OK;
	}
	pthread_mutex_unlock(&m->lock);
}

bool model_wait(struct model *m)
{
	pthread_mutex_lock(&m->lock);
	while (!m->pending && !m->stopping)
		pthread_cond_wait(&m->changed, &m->lock);
	bool work = !m->stopping;
	pthread_mutex_unlock(&m->lock);
	return work;
}

/* Counts towards a trigger; true the one time that it fires. */
static bool trigger_fires(struct trigger *t, uint8_t type)
{
	if (t->n == 0 || (t->type != 0 && t->type != type))
		return false;
	return --t->n == 0;
}

/* What a frame asks for, by its most telling name. */
static const char *frame_purpose(const struct frame *f)
{
	return f->type == FRAME_TPM && f->len >= 10 ? tpm_code_name(get_u32(f->payload + 6)) : frame_name(f->type);
}

/* As a bad device has it, which may answer without doing it, or do it and tell a lie. */
static enum frame_status execute(struct model *m, const struct knobs *knobs, const struct frame *f, struct reply *r)
{
	unsigned refused;
	if (lie_refuses(&knobs->lie, frame_purpose(f), &refused))
		return (enum frame_status)refused;
	enum frame_status status = frame_execute(m, knobs, f, r);
	if (status == STATUS_OK)
		lie_tell(&knobs->lie, frame_purpose(f), r->payload, r->room, &r->len);
	return status;
}

static void stats_count(struct model *m, uint8_t type)
{
	m->stats.frames++;
	m->stats.by_type[type]++;
}

/* Puts the answer where model_in finds it. */
static void response_put(struct model *m, enum frame_status status, size_t len)
{
	if (m->cancelled)
		status = STATUS_CANCELLED;
	if (status != STATUS_OK) {
		len = 0;
		m->stats.refused++;
	}
	put_u16(m->response, FRAME_MAGIC);
	m->response[2] = BRIDGE_VERSION;
	memcpy(m->response + 3, m->header + 3, 3); /* type and tag */
	put_u16(m->response + 6, (uint16_t)status);
	put_u32(m->response + 8, (uint32_t)len);
	m->response_len = FRAME_HEADER + len;
	m->response_at = 0;
	m->zlp = false;
	m->flags = store_flags(&m->store);
	m->header_len = m->payload_len = 0;
	m->verdict = STATUS_OK;
	m->running = m->cancelled = false;
}

static enum work power_cut(struct model *m)
{
	m->stats.power_cuts++;
	m->powered = m->running = false;
	m->response_len = m->response_at = 0;
	m->stopping = true;
	pthread_mutex_unlock(&m->lock);
	tpm_relay_kill(&m->tpm);
	return WORK_CUT;
}

enum work model_work(struct model *m)
{
	pthread_mutex_lock(&m->lock);
	if (!m->pending || m->stopping) {
		pthread_mutex_unlock(&m->lock);
		return WORK_NONE;
	}
	m->pending = false;
	m->running = true;
	struct frame f = { .type = m->header[3], .payload = m->payload, .len = m->payload_len };
	struct reply r = { .payload = m->response + FRAME_HEADER, .room = m->knobs.max_payload };
	enum frame_status status = m->verdict;
	if (status == STATUS_OK && m->knobs.busy) {
		m->knobs.busy--;
		m->stats.busy++;
		status = STATUS_BUSY;
	}
	if (status == STATUS_OK) {
		if (trigger_fires(&m->knobs.cut_before, f.type))
			return power_cut(m);
		stats_count(m, f.type);
		struct knobs knobs = m->knobs;
		pthread_mutex_unlock(&m->lock);
		status = execute(m, &knobs, &f, &r);
		pthread_mutex_lock(&m->lock);
		if (r.cut)
			m->knobs.cut_commit = CUT_NEVER;
		if (r.cut || trigger_fires(&m->knobs.cut_after, f.type))
			return power_cut(m);
	}
	response_put(m, status, r.len);
	pthread_mutex_unlock(&m->lock);
	return WORK_DONE;
}
