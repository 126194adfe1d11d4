/* SPDX-License-Identifier: Apache-2.0 */
#include "tty_model.h"

#include <stdlib.h>
#include <time.h>

#define HEAD 6 /* ">0123 " */
#define TAIL 9 /* "*89abcdef" */
#define CHUNK 16 /* bytes that a slow line sends at once */

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* xorshift: the same for the same serial number, so that a test can be repeated. */
unsigned tty_chance(struct tty_model *m, unsigned n)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return (unsigned)(m->random >> 32) % n;
}

void tty_model_init(struct tty_model *m, const struct identity *id)
{
	pthread_condattr_t monotonic;

	memset(m, 0, sizeof *m);
	m->id = *id;
	m->knobs = tty_knobs_default;
	m->random = 88172645463325252u;
	for (const char *c = id->serial; *c; c++)
		m->random = m->random * 31 + (uint8_t)*c;
	pthread_mutex_init(&m->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&m->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

void tty_model_fini(struct tty_model *m)
{
	pthread_cond_destroy(&m->changed);
	pthread_mutex_destroy(&m->lock);
}

void tty_memory_clear(struct tty_model *m)
{
	m->forget = false;
	m->greeted = m->receiving = false;
	m->csr_len = 0;
	m->csr_nonce[0] = 0;
	m->incoming_len = m->incoming_at = 0;
}

static void say(struct tty_model *m, const char *text, size_t len)
{
	size_t n = TTY_ROOM - m->out_len < len ? TTY_ROOM - m->out_len : len; /* a host that does not read loses the rest */
	memcpy(m->out + m->out_len, text, n);
	m->out_len += n;
}

/* The firmware starts, with or without the power having been away. */
static void start(struct tty_model *m)
{
	static const char banner[] = "\r\nROM boot 2.1 <reset>\r\nload:0x3fff0018,len:4 >\r\n[    0.004] app: factory mode";

	m->forget = true;
	m->in_len = 0;
	m->deaf_until_ms = m->knobs.boot_ms ? now_ms() + m->knobs.boot_ms : 0;
	if (m->knobs.banner)
		say(m, banner, sizeof banner - 1); /* the last line is left open: the answer comes behind it */
}

bool tty_model_power_on(struct tty_model *m, const char *dir, struct why *w)
{
	if (!store_open(&m->store, dir, w))
		return false;
	if (!tty_key_open(&m->key, dir, w)) {
		store_close(&m->store);
		return false;
	}
	m->other = tty_key_other();
	pthread_mutex_lock(&m->lock);
	m->out_len = m->out_ready = 0;
	m->stopping = false;
	m->powered = true;
	m->stats.power_ons++;
	start(m);
	pthread_mutex_unlock(&m->lock);
	return true;
}

void tty_model_power_fail(struct tty_model *m)
{
	pthread_mutex_lock(&m->lock);
	m->stopping = true;
	pthread_cond_broadcast(&m->changed);
	pthread_mutex_unlock(&m->lock);
}

void tty_model_power_off(struct tty_model *m)
{
	pthread_mutex_lock(&m->lock);
	m->powered = false;
	m->in_len = m->out_len = m->out_ready = 0;
	pthread_mutex_unlock(&m->lock);
	tty_key_close(&m->key);
	EVP_PKEY_free(m->other);
	m->other = NULL;
	store_close(&m->store);
}

void tty_model_opened(struct tty_model *m)
{
	pthread_mutex_lock(&m->lock);
	if (m->knobs.dtr_reset) {
		m->stats.resets++;
		start(m);
		pthread_cond_broadcast(&m->changed);
	}
	pthread_mutex_unlock(&m->lock);
}

size_t tty_model_out(struct tty_model *m, const uint8_t *data, size_t len)
{
	size_t n = 0;

	pthread_mutex_lock(&m->lock);
	if (m->powered && now_ms() < m->deaf_until_ms) {
		n = len;
	} else if (m->powered) {
		n = TTY_ROOM - m->in_len < len ? TTY_ROOM - m->in_len : len;
		memcpy(m->in + m->in_len, data, n);
		m->in_len += n;
		if (m->knobs.echo)
			say(m, (const char *)data, n);
		pthread_cond_broadcast(&m->changed);
	}
	pthread_mutex_unlock(&m->lock);
	return n;
}

size_t tty_model_in(struct tty_model *m, uint8_t *data, size_t room)
{
	pthread_mutex_lock(&m->lock);
	size_t n = m->out_ready < room ? m->out_ready : room;
	memcpy(data, m->out, n);
	m->out_len -= n;
	m->out_ready -= n;
	memmove(m->out, m->out + n, m->out_len);
	pthread_mutex_unlock(&m->lock);
	return n;
}

/* ---- the working thread ---- */

static void wait_until(struct tty_model *m, int64_t until_ms)
{
	const struct timespec t = { .tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000 };
	pthread_cond_timedwait(&m->changed, &m->lock, &t);
}

static bool has_line(const struct tty_model *m)
{
	return memchr(m->in, '\n', m->in_len) || m->in_len == TTY_ROOM;
}

bool tty_model_wait(struct tty_model *m)
{
	pthread_mutex_lock(&m->lock);
	while (!m->stopping && m->out_len == m->out_ready && !has_line(m))
		pthread_cond_wait(&m->changed, &m->lock);
	while (!m->stopping && m->out_len > m->out_ready && now_ms() < m->sent_until_ms)
		wait_until(m, m->sent_until_ms);
	bool go_on = !m->stopping;
	pthread_mutex_unlock(&m->lock);
	return go_on;
}

/* Lets through what the speed of the line allows: ten bits a character. */
static void send_some(struct tty_model *m)
{
	size_t left = m->out_len - m->out_ready, n = m->knobs.baud && left > CHUNK ? CHUNK : left;
	m->out_ready += n;
	if (m->knobs.baud)
		m->sent_until_ms = now_ms() + (int64_t)n * 10000 / m->knobs.baud;
}

static bool happens(struct tty_model *m, unsigned per_mille)
{
	return per_mille && tty_chance(m, 1000) < per_mille;
}

/* The line in the air: false when it was lost. */
static bool line_survives(struct tty_model *m, char *line, size_t len)
{
	if (happens(m, m->knobs.loss)) {
		m->stats.lost++;
		return false;
	}
	if (len && happens(m, m->knobs.damage)) {
		line[tty_chance(m, (unsigned)len)] ^= (char)(1 << tty_chance(m, 7));
		m->stats.damaged++;
	}
	return true;
}

/* CRC-32 of IEEE 802.3, by nibbles. */
static uint32_t crc_of(const char *data, size_t len)
{
	static const uint32_t nibble[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};
	uint32_t crc = 0xffffffff;
	for (size_t i = 0; i < len; i++) {
		crc = nibble[(crc ^ (uint8_t)data[i]) & 15] ^ crc >> 4;
		crc = nibble[(crc ^ (uint8_t)data[i] >> 4) & 15] ^ crc >> 4;
	}
	return crc ^ 0xffffffff;
}

/* Takes the next line out of what came, without its end; its length, at most `room`. */
static size_t line_take(struct tty_model *m, char *line, size_t room)
{
	const uint8_t *end = memchr(m->in, '\n', m->in_len);
	size_t all = end ? (size_t)(end + 1 - m->in) : m->in_len;
	size_t len = end ? all - 1 : all;
	size_t n = len < room ? len : 0; /* too long to be one */
	memcpy(line, m->in, n);
	m->in_len -= all;
	memmove(m->in, m->in + all, m->in_len);
	while (n && line[n - 1] == '\r')
		n--;
	return n;
}

struct request {
	char number[5];
	char *text;
	enum tty_word word;
};

/* A request, if one ends this line: marker, number, text, CRC. Cuts `line` up. */
static bool request_of(char *line, size_t len, struct request *ret)
{
	char crc[9];

	line[len] = 0;
	for (char *at = line; (at = strchr(at, '>')); at++) {
		size_t left = strlen(at);
		if (left < HEAD + TAIL || at[5] != ' ' || at[left - TAIL] != '*'
				|| strspn(at + 1, "0123456789abcdef") < 4)
			continue;
		snprintf(crc, sizeof crc, "%08x", crc_of(at + 1, left - 1 - TAIL));
		if (memcmp(crc, at + left - 8, 8) != 0)
			continue;
		at[left - TAIL] = 0;
		memcpy(ret->number, at + 1, 4);
		ret->number[4] = 0;
		ret->text = at + HEAD;
		ret->word = tty_word_by_name(ret->text, strcspn(ret->text, " "));
		return true;
	}
	return false;
}

/* Counts a trigger down; true when its moment has come. */
static bool fires(struct trigger *t, enum tty_word word)
{
	return t->n && (t->type == 0 || t->type == word) && --t->n == 0;
}

static void say_line(struct tty_model *m, char *line, size_t len)
{
	if (line_survives(m, line, len)) {
		say(m, line, len);
		say(m, "\r\n", 2);
	}
}

static void say_noise(struct tty_model *m)
{
	static const char *const lines[] = {
		"[   12.841] adc: <0000> vbat=3291 mV", "W (8812) wifi: no ap\r\n", "\r\n", "<", "<0001 ok*00000000\r\n", "\x1b[0m\xff\xfe",
	};
	const char *text = lines[tty_chance(m, sizeof lines / sizeof *lines)];
	m->stats.noise++;
	say(m, text, strlen(text));
}

static void answer_send(struct tty_model *m, const char *number, const char *text)
{
	char line[TTY_LINE + 16];
	if (m->knobs.garbage) {
		m->knobs.garbage--;
		for (size_t i = 0; i < 100; i++)
			line[i] = (char)(tty_chance(m, 255) + 1);
		say_line(m, line, 100);
		return;
	}
	if (happens(m, m->knobs.noise))
		say_noise(m);
	int n = snprintf(line, sizeof line, "<%s %s", number, text);
	n += snprintf(line + n, sizeof line - (size_t)n, "*%08x", crc_of(line + 1, (size_t)n - 1));
	say_line(m, line, (size_t)n);
}

static void dawdle(struct tty_model *m)
{
	int64_t until_ms = now_ms() + m->knobs.delay_ms;
	while (!m->stopping && now_ms() < until_ms)
		wait_until(m, until_ms);
}

/* Works on it, with the lock, which is let go meanwhile. */
static enum work request_work(struct tty_model *m, const struct request *r)
{
	char answer[TTY_LINE] = "";

	m->stats.lines++;
	m->stats.by_word[r->word]++;
	if (fires(&m->knobs.reset_before, r->word)) {
		m->stats.resets++;
		start(m);
		return WORK_DONE;
	}
	bool cut = fires(&m->knobs.cut_before, r->word);
	dawdle(m);
	if (m->stopping)
		return WORK_DONE;
	if (!cut && m->knobs.busy) {
		m->knobs.busy--;
		m->stats.busy++;
		answer_send(m, r->number, "no busy");
		return WORK_DONE;
	}
	bool cut_after = !cut && fires(&m->knobs.cut_after, r->word);
	const struct tty_knobs knobs = m->knobs;
	pthread_mutex_unlock(&m->lock);
	if (!cut)
		cut = !tty_word_work(m, &knobs, r->word, r->text, answer, sizeof answer) || cut_after;
	pthread_mutex_lock(&m->lock);
	if (cut) {
		m->stats.power_cuts++;
		m->powered = false;
		return WORK_CUT;
	}
	m->stats.refused += strncmp(answer, "no", 2) == 0;
	answer_send(m, r->number, answer);
	return WORK_DONE;
}

enum work tty_model_work(struct tty_model *m)
{
	char line[TTY_LINE + 1];
	struct request r;
	enum work done = WORK_DONE;

	pthread_mutex_lock(&m->lock);
	if (m->out_len > m->out_ready) {
		send_some(m);
	} else if (has_line(m)) {
		if (m->forget)
			tty_memory_clear(m);
		size_t len = line_take(m, line, TTY_LINE);
		if (len && !m->knobs.stall && line_survives(m, line, len) && request_of(line, len, &r))
			done = request_work(m, &r);
		else
			m->stats.skipped += len > 0;
		while (m->knobs.flood && m->out_len < TTY_ROOM / 2) {
			say_noise(m);
			say(m, "\r\n", 2);
		}
	}
	pthread_mutex_unlock(&m->lock);
	return done;
}
