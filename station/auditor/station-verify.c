/* SPDX-License-Identifier: Apache-2.0 */
/* station-verify: an auditor's own reading of a station's audit log.
 *
 *     cc -O2 -o station-verify station-verify.c -lcrypto
 *     station-verify DIR VKEY [--older FILE]... [--receipt FILE]... [--cosigned FILE --witness VKEY]
 *
 * DIR holds the log as tiles (C2SP tlog-tiles.md), VKEY is a file with the log's public key. This one file needs nothing of the
 * station, and shares no line with it: it is written from the published formats (RFC 6962; C2SP signed-note, tlog-checkpoint,
 * tlog-tiles, tlog-proof, tlog-cosignature). Everything is computed anew from the entries: their hashes, every tile, and the root
 * at the log's own checkpoint and at each other that you hold: an older checkpoint, the result file of a device or the hand-over
 * of a lot (--older), a receipt (--receipt), a checkpoint that a witness signed (--cosigned).
 *
 * It ends with 0 if all of it fits, 1 with the first entry that does not, 2 if it was not called right. Then it prints how many
 * identities each order got: one "sign.intent" is a certificate, one "permit.intent" a device that is known by its TPM. */
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HASH 32
#define WIDTH 256
#define LEVELS 8
#define HEADS_MAX 1024
#define FILE_CAP ((size_t)1 << 30)

struct slice {
	const char *at;
	size_t len;
};

struct hash {
	uint8_t h[HASH];
};

/* A signed head of the log that the entries must give. */
struct head {
	const char *whose;
	uint64_t size;
	struct hash root;
};

struct key {
	char text[256];	/* of its file; the name is cut off its front */
	char *name;
	uint8_t id[4], type, public[32];
};

/* ---- the end ---- */

_Noreturn static void end(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
_Noreturn static void end(int code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	printf(code == 1 ? "fits         NO: " : "");
	vfprintf(code == 1 ? stdout : stderr, fmt, ap);
	fputc('\n', code == 1 ? stdout : stderr);
	va_end(ap);
	exit(code);
}

static void *more(void *old, size_t size)
{
	void *p = realloc(old, size);
	if (!p)
		end(2, "out of memory");
	return p;
}

/* ---- files ---- */

/* The whole file, with a zero behind it; NULL if it cannot be read. */
static char *file_read(const char *path, size_t *ret_len)
{
	FILE *f = fopen(path, "rb");
	char *data = NULL;
	if (!f)
		return NULL;
	*ret_len = 0;
	for (size_t n = 1; n && *ret_len < FILE_CAP; *ret_len += n) {
		data = more(data, *ret_len + 65536 + 1);
		n = fread(data + *ret_len, 1, 65536, f);
	}
	data[*ret_len] = 0;
	fclose(f);
	return data;
}

static char *file_need(const char *path, size_t *ret_len)
{
	char *data = file_read(path, ret_len);
	if (!data)
		end(2, "%s: %s", path, strerror(errno));
	return data;
}

/* ---- letters ---- */

static int digit64(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;
	return at ? (int)(at - digits) : -1;
}

/* Base 64 with its padding into freshly made bytes; NULL if it is none. */
static uint8_t *base64(struct slice text, size_t *ret_len)
{
	uint32_t bits = 0;
	size_t pad = 0, len = 0;
	if (!text.len || text.len % 4)
		return NULL;
	while (pad < 2 && text.at[text.len - 1 - pad] == '=')
		pad++;
	uint8_t *out = more(NULL, text.len / 4 * 3);
	for (size_t i = 0; i < text.len; i++) {
		int d = i < text.len - pad ? digit64(text.at[i]) : 0;
		if (d < 0) {
			free(out);
			return NULL;
		}
		bits = bits << 6 | (uint32_t)d;
		if (i % 4 == 3)
			for (int k = 16; k >= 0; k -= 8)
				out[len++] = (uint8_t)(bits >> k);
	}
	*ret_len = len - pad;
	if (bits & ((1u << (8 * pad)) - 1)) {	/* what the padding cuts off */
		free(out);
		return NULL;
	}
	return out;
}

static bool base64_exact(struct slice text, void *ret, size_t want)
{
	size_t len = 0;
	uint8_t *raw = base64(text, &len);
	bool ok = raw && len == want && memcpy(ret, raw, want);
	free(raw);
	return ok;
}

static bool line_take(struct slice *from, struct slice *ret)
{
	const char *nl = from->len ? memchr(from->at, '\n', from->len) : NULL;
	if (!nl)
		return false;
	*ret = (struct slice){from->at, (size_t)(nl - from->at)};
	*from = (struct slice){nl + 1, from->len - ret->len - 1};
	return true;
}

static bool begins(struct slice text, const char *with, struct slice *ret_rest)
{
	size_t len = strlen(with);
	if (text.len < len || memcmp(text.at, with, len) != 0)
		return false;
	*ret_rest = (struct slice){text.at + len, text.len - len};
	return true;
}

static bool number(struct slice text, uint64_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9' || *ret > INT64_MAX / 10 - 1)
			return false;
		*ret = *ret * 10 + (uint64_t)(text.at[i] - '0');
	}
	return text.len && (text.at[0] != '0' || text.len == 1);
}

/* ---- JSON, as far as it is needed: where a value ends, and the member of an object ---- */

static const char *json_string_end(const char *p, const char *stop)
{
	for (p++; p < stop && *p != '"'; p++)
		p += *p == '\\';
	return p < stop ? p + 1 : NULL;
}

/* The end of the value that begins here, by its brackets; NULL if it has none. */
static const char *json_end(const char *p, const char *stop)
{
	for (int depth = 0; p && p < stop;) {
		if (*p == '"')
			p = json_string_end(p, stop);
		else if (*p == '{' || *p == '[')
			depth++, p++;
		else if (*p == '}' || *p == ']')
			depth--, p++;
		else
			p++;
		if (p && depth <= 0 && (p == stop || strchr(",]}", *p)))
			return depth ? NULL : p;
	}
	return NULL;
}

/* {"name":value,…} without white space, as the station writes it. A text comes without its quotes. */
static bool json_member(struct slice object, const char *name, struct slice *ret)
{
	const char *p = object.at, *stop = p + object.len;
	size_t want = strlen(name);
	while (p < stop && (*p == '{' || *p == ',') && ++p < stop && *p == '"') {
		const char *key = p + 1, *key_end = json_string_end(p, stop);
		const char *value = key_end && key_end < stop && *key_end == ':' ? key_end + 1 : NULL;
		p = value ? json_end(value, stop) : NULL;
		if (!p)
			return false;
		if ((size_t)(key_end - 1 - key) == want && !memcmp(key, name, want)) {
			bool text = *value == '"';
			*ret = (struct slice){value + text, (size_t)(p - value) - 2 * text};
			return true;
		}
	}
	return false;
}

static bool is(struct slice s, const char *text)
{
	return s.len == strlen(text) && !memcmp(s.at, text, s.len);
}

/* A text of JSON as it is meant, in place; enough for a checkpoint, which has no other escapes. */
static size_t json_unescape(char *text, size_t len)
{
	size_t out = 0;
	for (size_t i = 0; i < len; i++) {
		if (len - i >= 6 && !memcmp(text + i, "\\u2014", 6)) {
			memcpy(text + out, "\xe2\x80\x94", 3);
			out += 3, i += 5;
			continue;
		}
		bool escaped = text[i] == '\\' && i + 1 < len;
		i += escaped;
		text[out++] = escaped && text[i] == 'n' ? '\n' : text[i];
	}
	return out;
}

/* The text of the first member of this name, in JSON of any layout. */
static bool json_find(char *text, size_t len, const char *quoted_name, struct slice *ret)
{
	for (char *p = strstr(text, quoted_name); p; p = strstr(p + 1, quoted_name)) {
		char *value = p + strlen(quoted_name);
		value += strspn(value, " \t\r\n");
		if (*value++ != ':')
			continue;
		value += strspn(value, " \t\r\n");
		const char *stop = *value == '"' ? json_string_end(value, text + len) : NULL;
		if (!stop)
			return false;
		*ret = (struct slice){value + 1, json_unescape(value + 1, (size_t)(stop - value) - 2)};
		return true;
	}
	return false;
}

/* ---- hashes: RFC 6962, 2.1 ---- */

static struct hash sha256(const struct slice *parts, size_t count)
{
	static EVP_MD *md;
	static EVP_MD_CTX *ctx;
	struct hash out;
	if (!ctx)
		md = EVP_MD_fetch(NULL, "SHA256", NULL), ctx = EVP_MD_CTX_new();
	bool ok = md && ctx && EVP_DigestInit_ex(ctx, md, NULL);
	for (size_t i = 0; i < count; i++)
		ok = ok && EVP_DigestUpdate(ctx, parts[i].at, parts[i].len);
	if (!ok || !EVP_DigestFinal_ex(ctx, out.h, NULL))
		end(2, "libcrypto does not hash");
	return out;
}

static struct hash leaf_hash(struct slice entry)
{
	return sha256((struct slice[]){{"\0", 1}, entry}, 2);
}

static struct hash node_hash(const struct hash *left, const struct hash *right)
{
	return sha256((struct slice[]){{"\1", 1}, {(const char *)left->h, HASH}, {(const char *)right->h, HASH}}, 3);
}

static bool same(const struct hash *a, const struct hash *b)
{
	return !memcmp(a->h, b->h, HASH);
}

/* The root that an inclusion proof leads to: the definition of PATH, read backwards. */
static bool path_root(const struct hash *leaf, uint64_t index, uint64_t size, const struct hash *path, size_t count,
		      struct hash *ret)
{
	uint64_t k = 1;
	if (size == 1) {
		*ret = *leaf;
		return count == 0;
	}
	if (!count)
		return false;
	while (k < size - k)
		k *= 2;
	bool left = index < k;
	if (!path_root(leaf, left ? index : index - k, left ? k : size - k, path, count - 1, ret))
		return false;
	*ret = left ? node_hash(ret, &path[count - 1]) : node_hash(&path[count - 1], ret);
	return true;
}

/* ---- keys and signatures: signed-note.md, tlog-cosignature.md ---- */

static void key_load(const char *path, uint8_t type, struct key *ret)
{
	size_t len;
	char *file = file_need(path, &len);
	uint8_t typed[33], id[4];
	while (len && file[len - 1] == '\n')
		file[--len] = 0;
	snprintf(ret->text, sizeof(ret->text), "%s", file);
	free(file);
	ret->name = ret->text;
	char *hex = strchr(ret->text, '+'), *key = hex ? strchr(hex + 1, '+') : NULL;
	if (!key || key - hex != 9 || !base64_exact((struct slice){key + 1, strlen(key + 1)}, typed, sizeof(typed)) || typed[0] != type)
		end(2, "%s: no verifier key of type %u", path, type);
	*hex = 0;
	for (int i = 0; i < 4; i++)
		id[i] = (uint8_t)strtoul((char[]){hex[1 + 2 * i], hex[2 + 2 * i], 0}, NULL, 16);
	struct hash digest = sha256((struct slice[]){{ret->name, strlen(ret->name)}, {"\n", 1}, {(char *)typed, sizeof(typed)}}, 3);
	if (memcmp(digest.h, id, sizeof(id)) != 0)
		end(2, "%s: the key's hash does not fit it", path);
	memcpy(ret->id, id, sizeof(id));
	memcpy(ret->public, typed + 1, sizeof(ret->public));
	ret->type = type;
}

static bool ed25519(const struct key *key, const void *text, size_t len, const uint8_t *signature)
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->public, sizeof(key->public));
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = pkey && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		  EVP_DigestVerify(ctx, signature, 64, text, len) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return ok;
}

/* Type 1 signs the text; type 4 a time, and the text behind two lines. */
static bool key_signed(const struct key *key, struct slice text, const uint8_t *blob, uint64_t *ret_time)
{
	char lines[64];
	if (key->type == 1)
		return ed25519(key, text.at, text.len, blob);
	*ret_time = 0;
	for (int i = 0; i < 8; i++)
		*ret_time = *ret_time << 8 | blob[i];
	size_t n = (size_t)snprintf(lines, sizeof(lines), "cosignature/v1\ntime %" PRIu64 "\n", *ret_time);
	char *all = more(NULL, n + text.len);
	memcpy(all, lines, n);
	memcpy(all + n, text.at, text.len);
	bool ok = ed25519(key, all, n + text.len, blob + 8);
	free(all);
	return ok;
}

/* Text, empty line, signature lines "— name base64": one by this key, and none of this key that is wrong. */
static bool note_open(struct slice note, const struct key *key, struct slice *ret_text, uint64_t *ret_time)
{
	size_t at = note.len, want = key->type == 1 ? 4 + 64 : 4 + 8 + 64;
	struct slice rest, line, by;
	bool signed_by = false;
	while (at > 1 && !(note.at[at - 1] == '\n' && note.at[at - 2] == '\n'))
		at--;
	if (at < 2)
		return false;
	*ret_text = (struct slice){note.at, at - 1};
	rest = (struct slice){note.at + at, note.len - at};
	while (line_take(&rest, &line)) {
		uint8_t blob[4 + 8 + 64];
		if (!begins(line, "\xe2\x80\x94 ", &by))
			return false;
		if (!begins(by, key->name, &by) || !begins(by, " ", &by) || !base64_exact(by, blob, want) ||
		    memcmp(blob, key->id, sizeof(key->id)) != 0)
			continue;
		if (!key_signed(key, *ret_text, blob + 4, ret_time))
			return false;
		signed_by = true;
	}
	return signed_by && !rest.len;
}

/* A checkpoint (tlog-checkpoint.md) that this log signed: origin, size, root, and lines that are not ours to read. */
static bool checkpoint_open(struct slice note, const struct key *log, struct head *ret)
{
	struct slice text, origin, size, root;
	uint64_t unused;
	return note_open(note, log, &text, &unused) && line_take(&text, &origin) && is(origin, log->name) && line_take(&text, &size) &&
	       number(size, &ret->size) && line_take(&text, &root) && base64_exact(root, ret->root.h, HASH);
}

/* ---- what else the auditor holds ---- */

static struct head heads[HEADS_MAX];
static size_t head_count;

static void head_add(const char *path, struct slice note, const struct key *log)
{
	if (head_count == HEADS_MAX)
		end(2, "more than %d checkpoints", HEADS_MAX);
	if (!checkpoint_open(note, log, &heads[head_count]))
		end(1, "%s: this is no checkpoint signed by %s", path, log->name);
	heads[head_count++].whose = path;
}

static void older_load(const char *path, const struct key *log)
{
	size_t len;
	char *file = file_need(path, &len);
	struct slice note = {file, len};
	if (file[0] == '{' && !json_find(file, len, "\"checkpoint\"", &note))
		end(2, "%s: no checkpoint in it", path);
	head_add(path, note, log);
	free(file);
}

/* tlog-proof.md: the entry stands in the line "extra", and is proved by being hashed. */
static void receipt_load(const char *path, const struct key *log)
{
	size_t len, entry_len = 0, count = 0;
	char *file = file_need(path, &len);
	struct slice rest = {file, len}, line, value;
	struct hash proof[64], leaf, root;
	uint64_t index = 0;
	uint8_t *entry = NULL;
	if (line_take(&rest, &line) && is(line, "c2sp.org/tlog-proof@v1") && line_take(&rest, &line) && begins(line, "extra ", &value))
		entry = base64(value, &entry_len);
	if (!entry || !line_take(&rest, &line) || !begins(line, "index ", &value) || !number(value, &index))
		end(1, "%s: this is no receipt with its entry", path);
	while (line_take(&rest, &line) && line.len)
		if (count == 64 || !base64_exact(line, proof[count++].h, HASH))
			end(1, "%s: a line of the proof is no hash", path);
	head_add(path, rest, log);
	const struct head *head = &heads[head_count - 1];
	leaf = leaf_hash((struct slice){(char *)entry, entry_len});
	if (index >= head->size || !path_root(&leaf, index, head->size, proof, count, &root) || !same(&root, &head->root))
		end(1, "entry %" PRIu64 ": %s does not prove it", index, path);
	printf("receipt      %s: entry %" PRIu64 " of %" PRIu64 "\n", path, index, head->size);
	free(entry);
	free(file);
}

static void cosigned_load(const char *path, const char *witness_path, const struct key *log)
{
	struct key witness;
	size_t len;
	struct slice text;
	uint64_t time_s = 0;
	char *file = file_need(path, &len), when[32];
	key_load(witness_path, 4, &witness);
	head_add(path, (struct slice){file, len}, log);
	if (!note_open((struct slice){file, len}, &witness, &text, &time_s))
		end(1, "%s: not signed by witness %s", path, witness.name);
	struct tm tm;
	time_t t = (time_t)time_s;
	if (time_s > INT64_MAX || !gmtime_r(&t, &tm) || !strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm))
		end(1, "%s: the time of %s's signature is none", path, witness.name);
	printf("witnessed    by %s at %s: %" PRIu64 " entries\n", witness.name, when, heads[head_count - 1].size);
	free(file);
}

/* ---- the log: tlog-tiles.md ---- */

static const char *dir;
static uint64_t log_size;

/* The file of a tile, and how many places it has: the full one where a partial one is gone. */
static char *tile_read(const char *level, uint64_t n, uint64_t before, size_t *ret_len, unsigned *ret_places)
{
	char index[64] = "", path[4096];
	for (unsigned unit = n >= 1000000 ? 1000000 : n >= 1000 ? 1000 : 1, at = 0; unit; unit /= 1000)
		at += (unsigned)snprintf(index + at, sizeof(index) - at, unit > 1 ? "x%03u/" : "%03u", (unsigned)(n / unit % 1000));
	uint64_t left = (log_size - before) >> (*level == 'e' ? 0 : 8 * (*level - '0'));
	*ret_places = left < WIDTH ? (unsigned)left : WIDTH;
	snprintf(path, sizeof(path), "%s/tile/%s/%s.p/%u", dir, level, index, *ret_places);
	char *file = left < WIDTH ? file_read(path, ret_len) : NULL;
	if (file)
		return file;
	*ret_places = WIDTH;
	snprintf(path, sizeof(path), "%s/tile/%s/%s", dir, level, index);
	return file_read(path, ret_len);
}

/* At each level the tile that is being compared, and how many of its hashes were. */
static struct {
	char *file;
	size_t len;
	uint64_t next;
} tiles[LEVELS];

/* The root of a subtree of 256^level entries was computed, of which `last` is the last: the tile must say the same. */
static void tile_compare(unsigned level, uint64_t last, const struct hash *hash)
{
	char name[2] = {(char)('0' + level), 0};
	uint64_t n = tiles[level].next / WIDTH;
	size_t at = tiles[level].next++ % WIDTH;
	unsigned places = 0;
	uint64_t first = last + 1 - ((uint64_t)1 << (8 * level));
	if (at == 0) {
		free(tiles[level].file);
		tiles[level].file = tile_read(name, n, first, &tiles[level].len, &places);
		if (!tiles[level].file || tiles[level].len != places * HASH)
			end(1, "entry %" PRIu64 ": tile %s/%" PRIu64 " is missing, or not of its length", first, name, n);
	}
	if (memcmp(tiles[level].file + at * HASH, hash->h, HASH) != 0 && level == 0)
		end(1, "entry %" PRIu64 ": it is not the entry that its tile names", last);
	if (memcmp(tiles[level].file + at * HASH, hash->h, HASH) != 0)
		end(1, "entry %" PRIu64 ": tile %s/%" PRIu64 " is not the hash of what is below it, entries %" PRIu64 " to %" PRIu64, first,
		    name, n, first, last);
}

/* The perfect subtrees that the entries so far make up, from left to right, by their height. */
static struct {
	struct hash hash;
	unsigned height;
} forest[64];
static size_t trees;

static void entry_add(uint64_t index, struct hash h)
{
	unsigned height = 0;
	tile_compare(0, index, &h);
	while (trees && forest[trees - 1].height == height) {
		h = node_hash(&forest[--trees].hash, &h);
		if (++height % 8 == 0)
			tile_compare(height / 8, index, &h);
	}
	forest[trees].hash = h;
	forest[trees++].height = height;
}

static struct hash forest_root(void)
{
	struct hash h = trees ? forest[trees - 1].hash : sha256(NULL, 0);
	for (size_t i = trees; i-- > 1;)
		h = node_hash(&forest[i - 1].hash, &h);
	return h;
}

/* Heads of the size that was reached, in their order. */
static void heads_compare(uint64_t size)
{
	static size_t next;
	static uint64_t proved;
	struct hash root;
	bool made = false;
	for (; next < head_count && heads[next].size == size; next++) {
		if (!made)
			root = forest_root();
		made = true;
		if (!same(&root, &heads[next].root))
			end(1, "entry %" PRIu64 " or a later one below %" PRIu64 " is not the one that was signed: %s", proved, size,
			    heads[next].whose);
	}
	if (made)
		proved = size;
}

/* ---- how many identities each order got ---- */

static struct order {
	char *name;
	uint64_t leaves, permits, replaced;
} *orders;
static size_t order_count;

static struct order *order_of(struct slice name)
{
	for (size_t i = order_count; i-- > 0;)
		if (is(name, orders[i].name))
			return &orders[i];
	orders = more(orders, (order_count + 1) * sizeof(*orders));
	char *copy = more(NULL, name.len + 1);
	memcpy(copy, name.at, name.len);
	copy[name.len] = 0;
	orders[order_count] = (struct order){.name = copy};
	return &orders[order_count++];
}

static void entry_count(uint64_t index, struct slice entry)
{
	struct slice type, body, order, replaces;
	if (!json_member(entry, "type", &type))
		end(1, "entry %" PRIu64 ": it has no type", index);
	bool leaf = is(type, "sign.intent"), permit = is(type, "permit.intent");
	if (!leaf && !permit)
		return;
	if (!json_member(entry, "body", &body) || !json_member(body, "order", &order))
		end(1, "entry %" PRIu64 ": an intent without an order", index);
	struct order *o = order_of(order);
	o->leaves += leaf;
	o->permits += permit;
	o->replaced += json_member(body, "replaces", &replaces);
}

static void bundle_take(uint64_t first, unsigned count)
{
	size_t len = 0, at = 0;
	unsigned places;
	char *file = tile_read("entries", first / WIDTH, first, &len, &places);
	if (!file)
		end(1, "entry %" PRIu64 ": its bundle is missing", first);
	for (uint64_t i = first; i < first + count; i++) {
		size_t size = at + 2 <= len ? (size_t)((uint8_t)file[at] << 8 | (uint8_t)file[at + 1]) : len;
		if (at + 2 + size > len)
			end(1, "entry %" PRIu64 ": its bundle ends before it", i);
		struct slice entry = {file + at + 2, size};
		entry_add(i, leaf_hash(entry));
		entry_count(i, entry);
		heads_compare(i + 1);
		at += 2 + size;
	}
	if (at < len && count == places)
		end(1, "entry %" PRIu64 ": more entries in its bundle than it can have", first + count - 1);
	free(file);
}

static int by_size(const void *a, const void *b)
{
	const struct head *x = a, *y = b;
	return x->size < y->size ? -1 : x->size > y->size;
}

/* Else whoever wrote the log would write on the auditor's screen. */
static const char *plain(char *text)
{
	for (char *c = text; *c; c++)
		*c = *c < ' ' || *c > '~' ? '?' : *c;
	return *text ? text : "(none)";
}

static void log_verify(const struct key *log)
{
	char path[4096];
	size_t len;
	snprintf(path, sizeof(path), "%s/checkpoint", dir);
	char *note = file_need(path, &len);
	head_add(path, (struct slice){note, len}, log);
	struct head newest = heads[head_count - 1];
	log_size = newest.size;
	printf("log          %s\nentries      %" PRIu64 "\ncheckpoints  %zu\n", log->name, log_size, head_count);
	qsort(heads, head_count, sizeof(heads[0]), by_size);
	if (heads[head_count - 1].size > log_size)
		end(1, "entry %" PRIu64 ": it is missing; %s is of %" PRIu64 " entries", log_size, heads[head_count - 1].whose,
		    heads[head_count - 1].size);
	heads_compare(0);
	for (uint64_t first = 0; first < log_size; first += WIDTH)
		bundle_take(first, log_size - first < WIDTH ? (unsigned)(log_size - first) : WIDTH);
	for (size_t i = 0; i < order_count; i++)
		printf("order        %s: %" PRIu64 " certificates, %" PRIu64 " permits, of these %" PRIu64 " replace another\n",
		       plain(orders[i].name), orders[i].leaves, orders[i].permits, orders[i].replaced);
	printf("fits         yes\n");
	free(note);
}

int main(int argc, char **argv)
{
	struct key log;
	const char *cosigned = NULL, *witness = NULL;
	if (argc < 3 || argc % 2 == 0)
		end(2, "station-verify DIR VKEY [--older FILE]... [--receipt FILE]... [--cosigned FILE --witness VKEY]");
	dir = argv[1];
	key_load(argv[2], 1, &log);
	for (int i = 3; i < argc; i += 2) {
		if (!strcmp(argv[i], "--older"))
			older_load(argv[i + 1], &log);
		else if (!strcmp(argv[i], "--receipt"))
			receipt_load(argv[i + 1], &log);
		else if (!strcmp(argv[i], "--cosigned"))
			cosigned = argv[i + 1];
		else if (!strcmp(argv[i], "--witness"))
			witness = argv[i + 1];
		else
			end(2, "there is no option %s", argv[i]);
	}
	if (!cosigned != !witness)
		end(2, "--cosigned and --witness go together");
	if (cosigned)
		cosigned_load(cosigned, witness, &log);
	log_verify(&log);
	return 0;
}
