/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/order_note.h"
#include "certs/note_text.h"
#include "certs/pem.h"
#include "station/base/clock.h"
#include "station/base/json.h"
#include "station/base/text.h"

#include <string.h>

/* ---- terms ---- */

static bool is_name(const char *text)
{
	size_t len = strlen(text);
	return len > 0 && text_is_printable(text, len) && !strpbrk(text, "\"\\ ");
}

static bool terms_are_sane(const struct order_terms *t, struct err *e)
{
	if (!is_name(t->number) || !is_name(t->product) || !is_name(t->profile) || !is_name(t->station))
		return err_set(e, E_ORDER, "number, product, profile and station are names without spaces");
	if (t->count < 1 || t->count > ORDER_COUNT_LIMIT || t->scrap > t->count || t->replace > t->count)
		return err_set(e, E_ORDER, "count is 1 to %u, scrap and replace are at most count", ORDER_COUNT_LIMIT);
	if (t->from_ms % CLOCK_DAY_MS || (t->until_ms + 1) % CLOCK_DAY_MS || t->from_ms >= t->until_ms || t->from_ms < 0)
		return err_set(e, E_ORDER, "from and until are days, one not before the other");
	return true;
}

bool order_note_text(const struct order_terms *t, struct bytes *ret, struct err *e)
{
	char from[CLOCK_TEXT], until[CLOCK_TEXT], made[CLOCK_TEXT], issuer[2 * SHA256_SIZE + 1], file[2 * SHA256_SIZE + 1];
	if (!terms_are_sane(t, e))
		return false;
	clock_text(t->from_ms, from);
	clock_text(t->until_ms, until);
	clock_text(t->made_ms, made);
	from[strlen("YYYY-MM-DD")] = until[strlen("YYYY-MM-DD")] = '\0';
	hex_encode(t->issuer, sizeof(t->issuer), issuer);
	hex_encode(t->file, sizeof(t->file), file);
	AUTO(json) json_t *j = json_pack("{s:i, s:i, s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i}",
		"count", (int)t->count, "scrap", (int)t->scrap, "replace", (int)t->replace, "from", from, "until", until, "made", made,
		"issuer", issuer, "file", file, "order", t->number, "product", t->product, "profile", t->profile, "station", t->station,
		"v", 1);
	if (!j)
		return err_set(e, E_NOMEM, "order");
	return json_canonical(j, ret, e) && bytes_add_text(ret, "\n", e);
}

static bool take_text(const json_t *j, const char *name, char *out, size_t room, struct err *e)
{
	return text_copy(out, room, json_text_or(j, name, ""), e);
}

static bool take_hash(const json_t *j, const char *name, uint8_t ret[static SHA256_SIZE], struct err *e)
{
	const char *hex = json_text_or(j, name, "");
	return (strlen(hex) == 2 * SHA256_SIZE && hex_decode(hex, ret, SHA256_SIZE, e)) || err_set(e, E_ORDER, "%s is no hash", name);
}

static bool take_times(const json_t *j, struct order_terms *t, struct err *e)
{
	if (!clock_parse_day(json_text_or(j, "from", ""), &t->from_ms) || !clock_parse_day(json_text_or(j, "until", ""), &t->until_ms) ||
	    !clock_parse(json_text_or(j, "made", ""), &t->made_ms))
		return err_set(e, E_ORDER, "from, until or made is no time");
	t->until_ms += CLOCK_DAY_MS - 1;
	return true;
}

static uint32_t number_of(const json_t *j, const char *name)
{
	int64_t n = json_int_or(j, name, -1);
	return n < 0 || n > ORDER_COUNT_LIMIT ? UINT32_MAX : (uint32_t)n;
}

/* What is read must be, written again, the very text: so nothing is in it that is not understood. */
static bool terms_parse(struct note_piece text, struct order_terms *t, struct err *e)
{
	AUTO(json) json_t *j = NULL;
	AUTO(bytes) struct bytes again = {.max = ORDER_NOTE_MAX};
	memset(t, 0, sizeof(*t));
	if (!json_parse(text.at, text.len, &j, e) || !take_text(j, "order", t->number, sizeof(t->number), e) ||
	    !take_text(j, "product", t->product, sizeof(t->product), e) || !take_text(j, "profile", t->profile, sizeof(t->profile), e) ||
	    !take_text(j, "station", t->station, sizeof(t->station), e) || !take_hash(j, "issuer", t->issuer, e) ||
	    !take_hash(j, "file", t->file, e) || !take_times(j, t, e))
		return false;
	t->count = number_of(j, "count");
	t->scrap = number_of(j, "scrap");
	t->replace = number_of(j, "replace");
	if (!order_note_text(t, &again, e))
		return false;
	return (again.len == text.len && !memcmp(again.data, text.at, text.len)) ||
	       err_set(e, E_ORDER, "it holds something that is not known in an order, or is not written as an order is");
}

static bool terms_read(struct note_piece text, struct order_terms *ret, struct err *e)
{
	struct err why = {0};
	return terms_parse(text, ret, &why) || err_set(e, why.code == E_NOMEM ? E_NOMEM : E_ORDER, "%s", why.what);
}

/* ---- signatures ---- */

static bool two_keys(const char *vkey_1, const char *vkey_2, struct note_vkey key[static 2], struct err *e)
{
	if (!note_vkey_parse(vkey_1, NOTE_ED25519, &key[0], e) || !note_vkey_parse(vkey_2, NOTE_ED25519, &key[1], e))
		return false;
	return memcmp(key[0].public, key[1].public, sizeof(key[0].public)) != 0 ||
	       err_set(e, E_ORDER_UNSIGNED, "both keys of those who sign orders are one");
}

/* The signatures first: nothing else of an order is read before. */
bool order_note_open(const char *note, size_t len, const char *vkey_1, const char *vkey_2, struct order_terms *ret, struct err *e)
{
	struct note_piece text, signatures;
	struct note_vkey key[2];
	struct err why = {0};
	if (len > ORDER_NOTE_MAX)
		return err_set(e, E_ORDER, "a signed order of more than %d bytes", ORDER_NOTE_MAX);
	if (!note_split(note, len, &text, &signatures, &why) || !two_keys(vkey_1, vkey_2, key, &why) ||
	    !note_is_signed(text, signatures, &key[0], NULL, &why) || !note_is_signed(text, signatures, &key[1], NULL, &why))
		return err_set(e, E_ORDER_UNSIGNED, "%s", why.what);
	return terms_read(text, ret, e);
}

bool order_note_read(const char *note, size_t len, struct order_terms *ret, struct err *e)
{
	struct note_piece text = {note, len}, signatures;
	struct err ignored = {0};
	if (len > ORDER_NOTE_MAX)
		return err_set(e, E_ORDER, "a signed order of more than %d bytes", ORDER_NOTE_MAX);
	if (!note_split(note, len, &text, &signatures, &ignored))
		text = (struct note_piece){note, len};
	return terms_read(text, ret, e);
}

bool order_note_sign(const void *note, size_t len, const char *key_path, const char *passphrase, const char *name,
		     struct bytes *ret, struct err *e)
{
	struct note_piece text = {note, len}, signatures = {"", 0};
	struct order_terms terms;
	struct note_key key;
	struct err ignored = {0};
	if (!order_note_read(note, len, &terms, e))
		return false;
	if (!note_split(note, len, &text, &signatures, &ignored)) {
		text = (struct note_piece){note, len};
		signatures = (struct note_piece){"", 0};
	}
	if (!note_key_open(&key, key_path, passphrase, name, e))
		return false;
	bytes_clear(ret);
	bool ok = bytes_add(ret, text.at, text.len, e) && bytes_add_text(ret, "\n", e) &&
		  bytes_add(ret, signatures.at, signatures.len, e) && note_key_sign_text(&key, text.at, text.len, ret, e);
	note_key_fini(&key);
	return ok;
}

bool order_note_make_key(const char *key_path, const char *passphrase, const char *name, struct bytes *ret_vkey, struct err *e)
{
	struct note_key key;
	if (!note_key_make(&key, name, e))
		return false;
	bytes_clear(ret_vkey);
	bool ok = pem_write_key(key_path, passphrase, key.pkey, e) && bytes_printf(ret_vkey, e, "%s\n", key.vkey);
	note_key_fini(&key);
	return ok;
}
