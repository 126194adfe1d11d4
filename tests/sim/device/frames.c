/* SPDX-License-Identifier: Apache-2.0 */
#include "frames.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <time.h>

/* The bridge's longest: a key generation on slow silicon (docs/tpm-bridge.md, section 2). */
#define TPM_TIMEOUT_MS 180000
#define TPM_HEADER 10

/* TPM commands by name, for statistics, and which of them a closed device still carries (section 5). */
static const struct {
	uint32_t code;
	const char *name;
	bool when_closed;
} tpm_codes[] = {
	{ 0x11f, "NV_UndefineSpaceSpecial", false },
	{ 0x120, "EvictControl", false },
	{ 0x121, "HierarchyControl", false },
	{ 0x122, "NV_UndefineSpace", false },
	{ 0x126, "Clear", false },
	{ 0x129, "HierarchyChangeAuth", false },
	{ 0x12a, "NV_DefineSpace", false },
	{ 0x131, "CreatePrimary", false },
	{ 0x137, "NV_Write", false },
	{ 0x143, "SelfTest", false },
	{ 0x144, "Startup", false },
	{ 0x145, "Shutdown", false },
	{ 0x147, "ActivateCredential", true },
	{ 0x148, "Certify", false },
	{ 0x14e, "NV_Read", true },
	{ 0x151, "PolicySecret", true },
	{ 0x153, "Create", false },
	{ 0x157, "Load", false },
	{ 0x15d, "Sign", false },
	{ 0x165, "FlushContext", true },
	{ 0x169, "NV_ReadPublic", true },
	{ 0x173, "ReadPublic", true },
	{ 0x176, "StartAuthSession", true },
	{ 0x17a, "GetCapability", true },
	{ 0x17b, "GetRandom", false },
	{ 0x17e, "PCR_Read", false },
};

const char *tpm_code_name(uint32_t code)
{
	for (size_t i = 0; i < sizeof tpm_codes / sizeof *tpm_codes; i++)
		if (tpm_codes[i].code == code)
			return tpm_codes[i].name;
	return NULL;
}

static bool tpm_code_when_closed(uint32_t code)
{
	for (size_t i = 0; i < sizeof tpm_codes / sizeof *tpm_codes; i++)
		if (tpm_codes[i].code == code)
			return tpm_codes[i].when_closed;
	return false;
}

static size_t text_field(uint8_t *to, uint8_t tag, const char *text)
{
	size_t len = strlen(text);
	to[0] = tag;
	put_u16(to + 1, (uint16_t)len);
	memcpy(to + 3, text, len);
	return 3 + len;
}

static enum frame_status identify(struct model *m, const struct knobs *knobs, const struct frame *f,
	struct reply *r)
{
	if (f->len != 0)
		return STATUS_BAD_FRAME;
	r->len = text_field(r->payload, 1, *knobs->serial_inside ? knobs->serial_inside : m->id.serial);
	r->len += text_field(r->payload + r->len, 2, m->id.model);
	r->len += text_field(r->payload + r->len, 3, m->id.revision);
	return STATUS_OK;
}

/* Waits as slow silicon would; a cancel or the power's end cuts it short. */
static void tpm_delay(struct model *m, unsigned delay_ms)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += delay_ms / 1000;
	until.tv_nsec += (long)(delay_ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&m->lock);
	while (!m->cancelled && !m->stopping)
		if (pthread_cond_timedwait(&m->changed, &m->lock, &until) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&m->lock);
}

static bool was_cancelled(struct model *m)
{
	pthread_mutex_lock(&m->lock);
	bool cancelled = m->cancelled || m->stopping;
	pthread_mutex_unlock(&m->lock);
	return cancelled;
}

static void tpm_count(struct model *m, uint32_t code)
{
	if (code < TPM_CODE_FIRST || code >= TPM_CODE_FIRST + TPM_CODE_COUNT)
		return;
	pthread_mutex_lock(&m->lock);
	m->stats.by_tpm_code[code - TPM_CODE_FIRST]++;
	pthread_mutex_unlock(&m->lock);
}

static enum frame_status tpm(struct model *m, const struct knobs *knobs, const struct frame *f,
	struct reply *r)
{
	struct why why;

	if (f->len > TPM_COMMAND_MAX)
		return STATUS_TOO_LONG;
	if (f->len < TPM_HEADER || get_u32(f->payload + 2) != f->len)
		return STATUS_BAD_FRAME;
	uint32_t code = get_u32(f->payload + 6);
	if (m->store.closed && !tpm_code_when_closed(code))
		return STATUS_CLOSED;

	if (knobs->delay_ms)
		tpm_delay(m, knobs->delay_ms);
	/* swtpm can't be interrupted, and is fast: a command that has begun runs to its end. */
	if (was_cancelled(m))
		return STATUS_CANCELLED;
	tpm_count(m, code);
	size_t room = r->room < TPM_COMMAND_MAX ? r->room : TPM_COMMAND_MAX;
	if (!tpm_relay_execute(&m->tpm, f->payload, f->len, r->payload, room, &r->len, TPM_TIMEOUT_MS, &why))
		return STATUS_TPM_FAILED;
	return STATUS_OK;
}

static void incoming_forget(struct model *m)
{
	free(m->incoming);
	m->incoming = NULL;
	m->incoming_len = m->incoming_at = 0;
	m->receiving = false;
}

static enum frame_status bundle_begin(struct model *m, const struct knobs *knobs, const struct frame *f,
	struct reply *r)
{
	incoming_forget(m);
	if (f->len != 4 + HASH_SIZE)
		return STATUS_BAD_FRAME;
	uint32_t len = get_u32(f->payload);
	if (len > BUNDLE_MAX)
		return STATUS_TOO_LONG;
	if (len == 0)
		return STATUS_BAD_BUNDLE;
	m->incoming = calloc(1, len);
	if (!m->incoming)
		return STATUS_STORAGE;
	m->incoming_len = len;
	memcpy(m->incoming_hash, f->payload + 4, HASH_SIZE);
	m->receiving = true;
	return STATUS_OK;
}

/* Pieces come in order; one that comes twice is written twice. */
static enum frame_status bundle_data(struct model *m, const struct knobs *knobs, const struct frame *f,
	struct reply *r)
{
	if (f->len < 4)
		return STATUS_BAD_FRAME;
	if (!m->receiving)
		return STATUS_BAD_BUNDLE;
	uint32_t offset = get_u32(f->payload), len = (uint32_t)f->len - 4;
	if (offset > m->incoming_at || len > m->incoming_len - offset)
		return STATUS_BAD_BUNDLE;
	memcpy(m->incoming + offset, f->payload + 4, len);
	if (offset + len > m->incoming_at)
		m->incoming_at = offset + len;
	return STATUS_OK;
}

static enum frame_status bundle_commit(struct model *m, const struct knobs *knobs, const struct frame *f,
	struct reply *r)
{
	uint8_t hash[HASH_SIZE];
	struct why why;

	if (f->len != 0)
		return STATUS_BAD_FRAME;
	if (!m->receiving || m->incoming_at != m->incoming_len)
		return STATUS_BAD_BUNDLE;
	SHA256(m->incoming, m->incoming_len, hash);
	if (memcmp(hash, m->incoming_hash, HASH_SIZE) != 0)
		return STATUS_BAD_BUNDLE;
	bool stored = store_commit(&m->store, m->incoming, m->incoming_len, knobs->cut_commit, &why);
	if (stored && knobs->cut_commit != CUT_NEVER)
		r->cut = true;
	if (!stored)
		return STATUS_STORAGE; /* what was received is kept: the host may ask again */
	incoming_forget(m);
	return STATUS_OK;
}

static enum frame_status bundle_read(struct model *m, const struct knobs *knobs, const struct frame *f,
	struct reply *r)
{
	if (f->len != 8)
		return STATUS_BAD_FRAME;
	if (!m->store.bundle)
		return STATUS_NO_BUNDLE;
	size_t offset = get_u32(f->payload), count = get_u32(f->payload + 4);
	size_t left = offset < m->store.bundle_len ? m->store.bundle_len - offset : 0;
	if (count > left)
		count = left;
	if (count > r->room - 4)
		count = r->room - 4;
	put_u32(r->payload, (uint32_t)m->store.bundle_len);
	if (count)
		memcpy(r->payload + 4, m->store.bundle + offset, count);
	r->len = 4 + count;
	return STATUS_OK;
}

static enum frame_status finish(struct model *m, const struct knobs *knobs, const struct frame *f,
	struct reply *r)
{
	struct why why;

	if (f->len != HASH_SIZE)
		return STATUS_BAD_FRAME;
	if (!m->store.bundle || memcmp(f->payload, m->store.bundle_hash, HASH_SIZE) != 0)
		return STATUS_BAD_BUNDLE;
	if (!m->store.closed && !store_finish(&m->store, &why))
		return STATUS_STORAGE;
	return STATUS_OK;
}

static const struct {
	enum frame_type type;
	const char *name;
	bool when_closed; /* the TPM frame looks closer, FINISH too */
	enum frame_status (*execute)(struct model *m, const struct knobs *knobs, const struct frame *f,
		struct reply *r);
} frame_table[] = {
	{ FRAME_IDENTIFY, "IDENTIFY", true, identify },
	{ FRAME_TPM, "TPM", true, tpm },
	{ FRAME_BUNDLE_BEGIN, "BUNDLE_BEGIN", false, bundle_begin },
	{ FRAME_BUNDLE_DATA, "BUNDLE_DATA", false, bundle_data },
	{ FRAME_BUNDLE_COMMIT, "BUNDLE_COMMIT", false, bundle_commit },
	{ FRAME_BUNDLE_READ, "BUNDLE_READ", true, bundle_read },
	{ FRAME_FINISH, "FINISH", true, finish },
};

#define FRAME_TABLE_SIZE (sizeof frame_table / sizeof *frame_table)

enum frame_status frame_execute(struct model *m, const struct knobs *knobs, const struct frame *f,
	struct reply *r)
{
	for (size_t i = 0; i < FRAME_TABLE_SIZE; i++) {
		if (frame_table[i].type != f->type)
			continue;
		if (m->store.closed && !frame_table[i].when_closed)
			return STATUS_CLOSED;
		return frame_table[i].execute(m, knobs, f, r);
	}
	return m->store.closed ? STATUS_CLOSED : STATUS_UNSUPPORTED;
}

const char *frame_name(uint8_t type)
{
	for (size_t i = 0; i < FRAME_TABLE_SIZE; i++)
		if (frame_table[i].type == type)
			return frame_table[i].name;
	return NULL;
}

uint8_t frame_by_name(const char *name)
{
	for (size_t i = 0; i < FRAME_TABLE_SIZE; i++)
		if (strcmp(frame_table[i].name, name) == 0)
			return (uint8_t)frame_table[i].type;
	return 0;
}
