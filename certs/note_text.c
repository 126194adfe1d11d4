/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/note_text.h"
#include "station/base/text.h"

#include <inttypes.h>
#include <string.h>

#define SIGNATURES_MAX 100
#define SIGNATURE_SIZE 64
#define TIME_SIZE 8	/* in front of a cosignature, big-endian */

bool note_take_line(struct note_piece *from, struct note_piece *ret)
{
	const char *end = memchr(from->at, '\n', from->len);
	if (!end)
		return false;
	*ret = (struct note_piece){from->at, (size_t)(end - from->at)};
	from->len -= ret->len + 1;
	from->at = end + 1;
	return true;
}

bool note_split(const char *note, size_t len, struct note_piece *ret_text, struct note_piece *ret_signatures, struct err *e)
{
	if (len > NOTE_MAX || len < 3 || note[len - 1] != '\n')
		return err_set(e, E_AUDIT, "a checkpoint of %zu bytes", len);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)note[i] < 0x20 && note[i] != '\n')
			return err_set(e, E_AUDIT, "a control character in the checkpoint");
	size_t at = len - 1;
	while (at > 0 && !(note[at - 1] == '\n' && note[at] == '\n'))
		at--;
	if (!at || at + 1 == len)
		return err_set(e, E_AUDIT, "the checkpoint has no signature");
	*ret_text = (struct note_piece){note, at};
	*ret_signatures = (struct note_piece){note + at + 1, len - at - 1};
	return true;
}

bool note_number(struct note_piece line, uint64_t *ret)
{
	uint64_t n = 0;
	if (!line.len || line.len > 19 || (line.at[0] == '0' && line.len > 1))
		return false;
	for (size_t i = 0; i < line.len; i++) {
		if (line.at[i] < '0' || line.at[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(line.at[i] - '0');
	}
	*ret = n;
	return n <= INT64_MAX;
}

bool note_hash(struct note_piece line, struct merkle_hash *ret)
{
	AUTO(bytes) struct bytes raw = {.max = sizeof(ret->h)};
	struct err ignored = {0};
	if (!base64_decode(line.at, line.len, &raw, &ignored) || raw.len != sizeof(ret->h))
		return false;
	memcpy(ret->h, raw.data, sizeof(ret->h));
	return true;
}

void note_id(const char *name, uint8_t type, const uint8_t public[static 32], uint8_t ret[static NOTE_ID_SIZE])
{
	const struct span parts[] = {{name, strlen(name)}, {"\n", 1}, {&type, 1}, {public, 32}};
	uint8_t hash[SHA256_SIZE];
	sha256(parts, COUNT_OF(parts), hash);
	memcpy(ret, hash, NOTE_ID_SIZE);
}

bool note_vkey_parse(const char *vkey, uint8_t type, struct note_vkey *ret, struct err *e)
{
	const char *hash = strchr(vkey, '+');
	const char *key = hash ? strchr(hash + 1, '+') : NULL;
	AUTO(bytes) struct bytes raw = {.max = 33};
	struct err ignored = {0};
	uint8_t id[NOTE_ID_SIZE];
	char hex[2 * NOTE_ID_SIZE + 1] = "";
	if (!key || hash == vkey || hash - vkey > NOTE_NAME_MAX || key - hash - 1 != 2 * NOTE_ID_SIZE)
		return err_set(e, E_AUDIT, "a verifier key is name+hash+base64");
	memset(ret, 0, sizeof(*ret));
	ret->type = type;
	memcpy(ret->name, vkey, (size_t)(hash - vkey));
	memcpy(hex, hash + 1, 2 * NOTE_ID_SIZE);
	if (!base64_decode(key + 1, strlen(key + 1), &raw, &ignored) || raw.len != 33 || raw.data[0] != type)
		return err_set(e, E_AUDIT, type == NOTE_ED25519 ? "the verifier key is not Ed25519" : "the verifier key is no witness's");
	memcpy(ret->public, raw.data + 1, sizeof(ret->public));
	note_id(ret->name, type, ret->public, ret->id);
	if (!hex_decode(hex, id, sizeof(id), &ignored) || memcmp(id, ret->id, sizeof(id)) != 0)
		return err_set(e, E_AUDIT, "the verifier key's hash does not fit it");
	return true;
}

bool note_vkey_text(const char *name, uint8_t type, const uint8_t public[static 32], struct bytes *ret, struct err *e)
{
	uint8_t typed[33] = {type}, id[NOTE_ID_SIZE];
	char hex[2 * NOTE_ID_SIZE + 1];
	memcpy(typed + 1, public, 32);
	note_id(name, type, public, id);
	hex_encode(id, sizeof(id), hex);
	return bytes_printf(ret, e, "%s+%s+", name, hex) && base64_encode(typed, sizeof(typed), ret, e);
}

bool note_cosigned_text(struct note_piece text, uint64_t time_s, struct bytes *ret, struct err *e)
{
	return bytes_printf(ret, e, "cosignature/v1\ntime %" PRIu64 "\n", time_s) && bytes_add(ret, text.at, text.len, e);
}

static bool key_signed_bytes(const struct note_vkey *key, const void *text, size_t len, const uint8_t *signature, struct err *e)
{
	AUTO(pkey) EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->public, sizeof(key->public));
	AUTO(md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (pkey && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
	    EVP_DigestVerify(ctx, signature, SIGNATURE_SIZE, text, len) == 1)
		return true;
	return ossl_err(e, E_AUDIT, "the checkpoint's signature by %s is wrong", key->name);
}

/* `signature` is what stands behind the key's id. */
static bool key_signed_text(const struct note_vkey *key, struct note_piece text, const uint8_t *signature, uint64_t *ret_time_s,
			    struct err *e)
{
	AUTO(bytes) struct bytes timed = {0};
	if (key->type == NOTE_ED25519)
		return key_signed_bytes(key, text.at, text.len, signature, e);
	*ret_time_s = 0;
	for (int i = 0; i < TIME_SIZE; i++)
		*ret_time_s = *ret_time_s << 8 | signature[i];
	if (*ret_time_s > INT64_MAX)
		return err_set(e, E_AUDIT, "the time of %s's signature is none", key->name);
	return note_cosigned_text(text, *ret_time_s, &timed, e) &&
	       key_signed_bytes(key, timed.data, timed.len, signature + TIME_SIZE, e);
}

/* "— name base64": *ret_ours with the signature behind the key's id, if it is by this key. A line of another signer is left alone
 * (signed-note.md). */
static bool signature_parse(struct note_piece line, const struct note_vkey *key, bool *ret_ours,
			    uint8_t ret_signature[static TIME_SIZE + SIGNATURE_SIZE])
{
	static const char dash[] = "\u2014 ";
	size_t dash_len = sizeof(dash) - 1, name_len = strlen(key->name);
	size_t want = NOTE_ID_SIZE + SIGNATURE_SIZE + (key->type == NOTE_COSIGNATURE ? TIME_SIZE : 0);
	struct err ignored = {0};
	*ret_ours = false;
	if (line.len < dash_len || memcmp(line.at, dash, dash_len) != 0)
		return false;
	const char *name = line.at + dash_len, *end = line.at + line.len;
	const char *space = memchr(name, ' ', (size_t)(end - name));
	if (!space || space == name)
		return false;
	AUTO(bytes) struct bytes raw = {.max = 8192};
	if (!base64_decode(space + 1, (size_t)(end - space - 1), &raw, &ignored) || raw.len <= NOTE_ID_SIZE)
		return false;
	*ret_ours = (size_t)(space - name) == name_len && !memcmp(name, key->name, name_len) &&
		    !memcmp(raw.data, key->id, NOTE_ID_SIZE) && raw.len == want;
	if (*ret_ours)
		memcpy(ret_signature, raw.data + NOTE_ID_SIZE, want - NOTE_ID_SIZE);
	return true;
}

bool note_is_signed(struct note_piece text, struct note_piece signatures, const struct note_vkey *key, uint64_t *ret_time_s,
		    struct err *e)
{
	uint8_t signature[TIME_SIZE + SIGNATURE_SIZE];
	uint64_t time_s = 0;
	struct note_piece line;
	bool ours, found = false;
	for (int i = 0; signatures.len; i++) {
		if (i == SIGNATURES_MAX || !note_take_line(&signatures, &line) || !signature_parse(line, key, &ours, signature))
			return err_set(e, E_AUDIT, "a malformed signature line");
		if (ours && !key_signed_text(key, text, signature, &time_s, e))
			return false;
		found = found || ours;
	}
	if (ret_time_s)
		*ret_time_s = time_s;
	return found || err_set(e, E_AUDIT, "the checkpoint is not signed by %s", key->name);
}
