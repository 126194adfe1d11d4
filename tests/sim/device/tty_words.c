/* SPDX-License-Identifier: Apache-2.0 */
#include "tty_model.h"

#include <openssl/sha.h>
#include <stdlib.h>

#define WORDS_MAX 4

struct talk {
	struct tty_model *m;
	const struct tty_knobs *knobs;
	char *word[WORDS_MAX];
	int count;
	char *answer;
	size_t room;
	bool cut; /* the power went inside */
};

static void no(struct talk *t, const char *reason)
{
	snprintf(t->answer, t->room, "no %s", reason);
}

__attribute__((format(printf, 2, 3)))
static void ok(struct talk *t, const char *format, ...)
{
	char text[TTY_LINE];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	snprintf(t->answer, t->room, "ok%s%s", *text ? " " : "", text);
}

static void hex_of(const uint8_t *data, size_t len, char *to)
{
	for (size_t i = 0; i < len; i++)
		sprintf(to + 2 * i, "%02x", data[i]);
}

/* 64 lower-case hex digits. */
static bool is_hash(const char *text)
{
	return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static void hash_read(const char *hex, uint8_t to[32])
{
	for (size_t i = 0; i < 32; i++) {
		const char two[3] = { hex[2 * i], hex[2 * i + 1], 0 };
		to[i] = (uint8_t)strtoul(two, NULL, 16);
	}
}

static void hash_text(const uint8_t *data, size_t len, char to[65])
{
	uint8_t hash[32];
	SHA256(data, len, hash);
	hex_of(hash, sizeof hash, to);
}

static bool number_read(const char *text, size_t most, size_t *ret)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);
	*ret = v;
	return *text >= '0' && *text <= '9' && !*end && v <= most;
}

/* ---- one function each ---- */

static void do_hello(struct talk *t)
{
	size_t version;
	if (!number_read(t->word[1], 99999, &version)) {
		no(t, "bad");
		return;
	}
	tty_memory_clear(t->m);
	t->m->greeted = true;
	ok(t, "serial-csr %u", t->knobs->version);
}

static void do_get(struct talk *t)
{
	const struct identity *id = &t->m->id;
	const char *serial = t->knobs->serial_inside[0] ? t->knobs->serial_inside : id->serial;
	if (strcmp(t->word[1], "serial") == 0 && t->knobs->lie == LIE_SERIAL)
		ok(t, "%s-%u", serial, tty_chance(t->m, 100000));
	else if (strcmp(t->word[1], "serial") == 0)
		ok(t, "%s", serial);
	else if (strcmp(t->word[1], "model") == 0)
		ok(t, "%s", id->model);
	else if (strcmp(t->word[1], "revision") == 0)
		ok(t, "%s", id->revision);
	else
		no(t, "bad");
}

static void stored_hash(const struct talk *t, char to[65])
{
	hex_of(t->m->store.bundle_hash, 32, to);
}

/* What it says to have stored: a device that lies has another first byte, everywhere. */
static void shown_hash(const struct talk *t, char to[65])
{
	const struct store *s = &t->m->store;
	uint8_t other[TTY_BUNDLE];
	stored_hash(t, to);
	if (t->knobs->lie != LIE_READBACK || !s->bundle || s->bundle_len > sizeof other)
		return;
	memcpy(other, s->bundle, s->bundle_len);
	other[0] ^= 1;
	hash_text(other, s->bundle_len, to);
}

static void do_state(struct talk *t)
{
	const struct store *s = &t->m->store;
	const char *mode = s->closed ? "closed" : "open";
	char hash[65];
	shown_hash(t, hash);
	if (s->bundle)
		ok(t, "%s %zu %s", mode, s->bundle_len, hash);
	else
		ok(t, "%s none", mode);
}

static void do_key(struct talk *t)
{
	struct tty_key *k = &t->m->key;
	struct why why;
	bool replace = strcmp(t->word[2], "replace") == 0;
	if (!is_hash(t->word[1]) || (!replace && strcmp(t->word[2], "keep") != 0)) {
		no(t, "bad");
	} else if (k->key && strcmp(k->seed, t->word[1]) == 0) {
		ok(t, "found");
	} else if (k->key && !replace) {
		no(t, "other");
	} else if (t->knobs->storage_full || !tty_key_make(k, t->word[1], &why)) {
		no(t, "storage");
	} else {
		t->m->csr_nonce[0] = 0;
		t->m->stats.keys_made++;
		ok(t, "made");
	}
}

static void do_csr(struct talk *t)
{
	struct tty_model *m = t->m;
	char hash[65];
	EVP_PKEY *key = t->knobs->lie == LIE_KEY ? m->other : m->key.key;
	if (!is_hash(t->word[1]) || !m->key.key) {
		no(t, is_hash(t->word[1]) ? "key" : "bad");
		return;
	}
	if (strcmp(t->word[1], m->csr_nonce) != 0) {
		const char *nonce = t->knobs->lie == LIE_NONCE && m->old_nonce[0] ? m->old_nonce : t->word[1];
		m->csr_len = tty_key_csr(key, m->id.serial, nonce, m->csr);
		if (!m->old_nonce[0])
			snprintf(m->old_nonce, sizeof m->old_nonce, "%s", t->word[1]);
		snprintf(m->csr_nonce, sizeof m->csr_nonce, "%s", t->word[1]);
	}
	hash_text(m->csr, m->csr_len, hash);
	ok(t, "%zu %s", m->csr_len, hash);
}

static void signature_say(struct talk *t, const uint8_t digest[32])
{
	uint8_t signature[64];
	char hex[129];
	if (!t->m->key.key || !tty_key_sign(t->m->key.key, digest, signature)) {
		no(t, "key");
		return;
	}
	if (t->knobs->lie == LIE_SILENT)
		memset(signature, 0x5a, sizeof signature);
	hex_of(signature, sizeof signature, hex);
	ok(t, "%s", hex);
}

static void do_prove(struct talk *t)
{
	static const char label[] = "enrollment station proof v1"; /* with its zero byte */
	uint8_t told[sizeof label + 32], digest[32];
	if (!is_hash(t->word[1])) {
		no(t, "bad");
		return;
	}
	memcpy(told, label, sizeof label);
	hash_read(t->word[1], told + sizeof label);
	SHA256(told, sizeof told, digest);
	signature_say(t, digest);
}

static void do_sign(struct talk *t)
{
	uint8_t digest[32];
	if (!is_hash(t->word[1])) {
		no(t, "bad");
		return;
	}
	hash_read(t->word[1], digest);
	signature_say(t, digest);
}

static void do_bundle(struct talk *t)
{
	struct tty_model *m = t->m;
	size_t len;
	if (!number_read(t->word[1], TTY_BUNDLE, &len) || !len || !is_hash(t->word[2])) {
		no(t, "bad");
		return;
	}
	m->receiving = true;
	m->incoming_len = len;
	m->incoming_at = 0;
	snprintf(m->incoming_hash, sizeof m->incoming_hash, "%s", t->word[2]);
	ok(t, "%s", "");
}

static void do_put(struct talk *t)
{
	struct tty_model *m = t->m;
	size_t at, text_len = strlen(t->word[2]);
	uint8_t piece[TTY_LINE];
	int n = text_len && text_len % 4 == 0 ? EVP_DecodeBlock(piece, (const uint8_t *)t->word[2], (int)text_len) : -1;
	if (n > 0)
		n -= (t->word[2][text_len - 1] == '=') + (t->word[2][text_len - 2] == '=');
	if (!m->receiving || n < 1 || n > TTY_PIECE || !number_read(t->word[1], TTY_BUNDLE, &at) || at > m->incoming_at
			|| at + (size_t)n > m->incoming_len) {
		no(t, "bad");
		return;
	}
	memcpy(m->incoming + at, piece, (size_t)n);
	if (at + (size_t)n > m->incoming_at)
		m->incoming_at = at + (size_t)n;
	ok(t, "%s", "");
}

static void do_commit(struct talk *t)
{
	struct tty_model *m = t->m;
	char hash[65];
	struct why why;
	stored_hash(t, hash);
	if (m->store.bundle && strcmp(hash, t->word[1]) == 0) {
		ok(t, "%s", "");
		return;
	}
	if (m->store.closed) {
		no(t, "closed");
		return;
	}
	hash_text(m->incoming, m->incoming_at, hash);
	if (!m->receiving || m->incoming_at != m->incoming_len || strcmp(hash, m->incoming_hash) != 0
			|| strcmp(hash, t->word[1]) != 0) {
		no(t, "bad");
	} else if (t->knobs->storage_full || !store_commit(&m->store, m->incoming, m->incoming_len, t->knobs->cut_commit, &why)) {
		no(t, "storage");
	} else if (t->knobs->cut_commit != CUT_NEVER) {
		t->cut = true;
	} else {
		m->receiving = false;
		ok(t, "%s", "");
	}
}

static void do_part(struct talk *t)
{
	struct tty_model *m = t->m;
	bool bundle = strcmp(t->word[1], "bundle") == 0;
	const uint8_t *from = bundle ? m->store.bundle : m->csr;
	size_t len = bundle ? m->store.bundle_len : m->csr_len, at;
	uint8_t piece[TTY_PIECE];
	char text[TTY_PIECE / 3 * 4 + 1];
	if (bundle && !from) {
		no(t, "none");
		return;
	}
	if ((!bundle && strcmp(t->word[1], "csr") != 0) || !number_read(t->word[2], len, &at) || at == len) {
		no(t, "bad");
		return;
	}
	size_t n = len - at < TTY_PIECE ? len - at : TTY_PIECE;
	memcpy(piece, from + at, n);
	if (bundle && at == 0 && t->knobs->lie == LIE_READBACK)
		piece[0] ^= 1;
	EVP_EncodeBlock((uint8_t *)text, piece, (int)n);
	ok(t, "%s", text);
}

static void do_finish(struct talk *t)
{
	char hash[65];
	struct why why;
	stored_hash(t, hash);
	if (!t->m->store.bundle || strcmp(hash, t->word[1]) != 0)
		no(t, "bad");
	else if (!t->m->store.closed && (t->knobs->storage_full || !store_finish(&t->m->store, &why)))
		no(t, "storage");
	else
		ok(t, "%s", "");
}

static const struct {
	const char *name;
	int words;
	bool when_closed;
	void (*run)(struct talk *t);
} words[TTY_WORDS] = {
	[TTY_HELLO] = { "hello", 2, true, do_hello },
	[TTY_GET] = { "get", 2, true, do_get },
	[TTY_STATE] = { "state", 1, true, do_state },
	[TTY_KEY] = { "key", 3, false, do_key },
	[TTY_CSR] = { "csr", 2, true, do_csr },
	[TTY_PROVE] = { "prove", 2, true, do_prove },
	[TTY_SIGN] = { "sign", 2, false, do_sign },
	[TTY_BUNDLE_WORD] = { "bundle", 3, false, do_bundle },
	[TTY_PUT] = { "put", 3, false, do_put },
	[TTY_COMMIT] = { "commit", 2, true, do_commit },
	[TTY_PART] = { "part", 3, true, do_part },
	[TTY_FINISH] = { "finish", 2, true, do_finish },
};

enum tty_word tty_word_by_name(const char *name, size_t len)
{
	for (int i = 1; i < TTY_WORDS; i++)
		if (strlen(words[i].name) == len && memcmp(words[i].name, name, len) == 0)
			return (enum tty_word)i;
	return 0;
}

const char *tty_word_name(enum tty_word word)
{
	return words[word].name;
}

bool tty_word_work(struct tty_model *m, const struct tty_knobs *knobs, enum tty_word word, char *text, char *answer, size_t room)
{
	struct talk t = { .m = m, .knobs = knobs, .answer = answer, .room = room };
	char *rest = NULL;

	for (char *p = strtok_r(text, " ", &rest); p && t.count < WORDS_MAX; p = strtok_r(NULL, " ", &rest))
		t.word[t.count++] = p;
	if (word && word != TTY_HELLO && !m->greeted)
		no(&t, "hello");
	else if (!word || t.count != words[word].words)
		no(&t, "bad");
	else if (m->store.closed && !words[word].when_closed)
		no(&t, "closed");
	else
		words[word].run(&t);
	return !t.cut;
}
