/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/note.h"
#include "certs/note_key.h"
#include "station/base/text.h"

#include <string.h>

#define NOTE_MAX 65536
#define SIGNATURES_MAX 100
#define SIGNATURE_SIZE 64

/* A piece of the note, lent. */
struct piece {
	const char *at;
	size_t len;
};

/* Takes the next line, without its end, off the front. */
static bool line_take(struct piece *from, struct piece *ret)
{
	const char *end = memchr(from->at, '\n', from->len);
	if (!end)
		return false;
	*ret = (struct piece){from->at, (size_t)(end - from->at)};
	from->len -= ret->len + 1;
	from->at = end + 1;
	return true;
}

/* A note is its text, an empty line, and signature lines; the text keeps its last line end. */
static bool note_split(const char *note, size_t len, struct piece *text, struct piece *signatures, struct err *e)
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
	*text = (struct piece){note, at};
	*signatures = (struct piece){note + at + 1, len - at - 1};
	return true;
}

static bool size_parse(struct piece line, uint64_t *ret)
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

static bool root_parse(struct piece line, struct merkle_hash *ret)
{
	AUTO(bytes) struct bytes raw = {.max = sizeof(ret->h)};
	struct err ignored = {0};
	if (!base64_decode(line.at, line.len, &raw, &ignored) || raw.len != sizeof(ret->h))
		return false;
	memcpy(ret->h, raw.data, sizeof(ret->h));
	return true;
}

/* Origin, size, root, and extension lines that are not empty and not ours to read. */
static bool text_parse(struct piece text, struct checkpoint *ret, struct err *e)
{
	struct piece origin, size, root, extension;
	memset(ret, 0, sizeof(*ret));
	if (!line_take(&text, &origin) || !origin.len || origin.len >= sizeof(ret->origin))
		return err_set(e, E_AUDIT, "the checkpoint has no origin");
	if (!line_take(&text, &size) || !size_parse(size, &ret->size))
		return err_set(e, E_AUDIT, "the checkpoint's size is no number");
	if (!line_take(&text, &root) || !root_parse(root, &ret->root))
		return err_set(e, E_AUDIT, "the checkpoint's root is no hash");
	while (text.len)
		if (!line_take(&text, &extension) || !extension.len)
			return err_set(e, E_AUDIT, "an empty line inside the checkpoint");
	memcpy(ret->origin, origin.at, origin.len);
	return true;
}

struct vkey {
	char name[NOTE_NAME_MAX + 1];
	uint8_t id[NOTE_ID_SIZE];
	uint8_t public[32];
};

static bool vkey_parse(const char *vkey, struct vkey *ret, struct err *e)
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
	memcpy(ret->name, vkey, (size_t)(hash - vkey));
	memcpy(hex, hash + 1, 2 * NOTE_ID_SIZE);
	if (!base64_decode(key + 1, strlen(key + 1), &raw, &ignored) || raw.len != 33 || raw.data[0] != 0x01)
		return err_set(e, E_AUDIT, "the verifier key is not Ed25519");
	memcpy(ret->public, raw.data + 1, sizeof(ret->public));
	note_key_id(ret->name, ret->public, ret->id);
	if (!hex_decode(hex, id, sizeof(id), &ignored) || memcmp(id, ret->id, sizeof(id)) != 0)
		return err_set(e, E_AUDIT, "the verifier key's hash does not fit it");
	return true;
}

static bool key_signed_text(const struct vkey *key, struct piece text, const uint8_t *signature, struct err *e)
{
	AUTO(pkey) EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->public, sizeof(key->public));
	AUTO(md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (pkey && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
	    EVP_DigestVerify(ctx, signature, SIGNATURE_SIZE, (const uint8_t *)text.at, text.len) == 1)
		return true;
	return ossl_err(e, E_AUDIT, "the checkpoint's signature by %s is wrong", key->name);
}

/* "— name base64": *ret_ours with *ret_signature if it is by this key. A line of another signer is
 * left alone (signed-note.md). */
static bool signature_parse(struct piece line, const struct vkey *key, bool *ret_ours, uint8_t ret_signature[SIGNATURE_SIZE])
{
	static const char dash[] = "\u2014 ";
	size_t dash_len = sizeof(dash) - 1, name_len = strlen(key->name);
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
		    !memcmp(raw.data, key->id, NOTE_ID_SIZE) && raw.len == NOTE_ID_SIZE + SIGNATURE_SIZE;
	if (*ret_ours)
		memcpy(ret_signature, raw.data + NOTE_ID_SIZE, SIGNATURE_SIZE);
	return true;
}

static bool note_is_signed(struct piece text, struct piece signatures, const struct vkey *key, struct err *e)
{
	uint8_t signature[SIGNATURE_SIZE];
	struct piece line;
	bool ours, found = false;
	for (int i = 0; signatures.len; i++) {
		if (i == SIGNATURES_MAX || !line_take(&signatures, &line) || !signature_parse(line, key, &ours, signature))
			return err_set(e, E_AUDIT, "a malformed signature line");
		if (ours && !key_signed_text(key, text, signature, e))
			return false;
		found = found || ours;
	}
	return found || err_set(e, E_AUDIT, "the checkpoint is not signed by %s", key->name);
}

bool note_read_checkpoint(const char *note, size_t len, struct checkpoint *ret, struct err *e)
{
	struct piece text, signatures;
	return note_split(note, len, &text, &signatures, e) && text_parse(text, ret, e);
}

bool note_open_checkpoint(const char *note, size_t len, const char *vkey, struct checkpoint *ret, struct err *e)
{
	struct piece text, signatures;
	struct checkpoint claimed;
	struct vkey key;
	if (!vkey_parse(vkey, &key, e) || !note_split(note, len, &text, &signatures, e) ||
	    !note_is_signed(text, signatures, &key, e) || !text_parse(text, &claimed, e))
		return false;
	if (strcmp(claimed.origin, key.name) != 0)
		return err_set(e, E_AUDIT, "a checkpoint of another log: %s", claimed.origin);
	*ret = claimed;
	return true;
}
