/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/cosign.h"
#include "certs/note_text.h"
#include "certs/pem.h"
#include "station/base/text.h"

#include <string.h>

#define SIGNATURE_SIZE 64
#define TIME_SIZE 8

bool cosign_make_key(const char *key_path, const char *passphrase, const char *name, struct bytes *ret_vkey, struct err *e)
{
	AUTO(note_key) struct note_key k = {0};
	uint8_t public[32];
	size_t len = sizeof(public);
	if (!note_key_make(&k, name, e) || !pem_write_key(key_path, passphrase, k.pkey, e))
		return err_in(e, "witness key");
	if (!EVP_PKEY_get_raw_public_key(k.pkey, public, &len))
		return ossl_err(e, E_CA_FILE, "witness key");
	return note_vkey_text(name, NOTE_COSIGNATURE, public, ret_vkey, e);
}

static bool key_is(const EVP_PKEY *pkey, const struct note_vkey *vkey, struct err *e)
{
	uint8_t public[32];
	size_t len = sizeof(public);
	if (EVP_PKEY_is_a(pkey, "ED25519") && EVP_PKEY_get_raw_public_key(pkey, public, &len) && len == sizeof(public) &&
	    !memcmp(public, vkey->public, sizeof(public)))
		return true;
	return ossl_err(e, E_CA_FILE, "the key is not the one of witness %s", vkey->name);
}

static bool sign(EVP_PKEY *pkey, const struct bytes *text, uint8_t signature[static SIGNATURE_SIZE], struct err *e)
{
	size_t len = SIGNATURE_SIZE;
	AUTO(md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) && EVP_DigestSign(ctx, signature, &len, text->data, text->len) &&
	    len == SIGNATURE_SIZE)
		return true;
	return ossl_err(e, E_SIGN, "cosigning a checkpoint");
}

/* The signature lines but those of this name. */
static bool keep_others(struct note_piece signatures, const char *name, struct bytes *ret, struct err *e)
{
	AUTO(bytes) struct bytes ours = {0};
	struct note_piece line;
	if (!bytes_printf(&ours, e, "\u2014 %s ", name))
		return false;
	while (signatures.len) {
		if (!note_take_line(&signatures, &line))
			return err_set(e, E_AUDIT, "a malformed signature line");
		if (line.len > ours.len && !memcmp(line.at, ours.data, ours.len))
			continue;
		if (!bytes_add(ret, line.at, line.len, e) || !bytes_add_text(ret, "\n", e))
			return false;
	}
	return true;
}

bool cosign_note(const char *key_path, const char *passphrase, const char *vkey, const char *note, size_t len, uint64_t time_s,
		 struct bytes *ret, struct err *e)
{
	uint8_t blob[NOTE_ID_SIZE + TIME_SIZE + SIGNATURE_SIZE];
	struct note_piece text, signatures;
	struct note_vkey key;
	AUTO(pkey) EVP_PKEY *pkey = NULL;
	AUTO(bytes) struct bytes timed = {0};
	if (!note_vkey_parse(vkey, NOTE_COSIGNATURE, &key, e) || !note_split(note, len, &text, &signatures, e))
		return false;
	if (!pem_read_key(key_path, passphrase, &pkey, e) || !key_is(pkey, &key, e))
		return err_in(e, "witness key");
	memcpy(blob, key.id, NOTE_ID_SIZE);
	for (int i = 0; i < TIME_SIZE; i++)
		blob[NOTE_ID_SIZE + i] = (uint8_t)(time_s >> (8 * (TIME_SIZE - 1 - i)));
	if (!note_cosigned_text(text, time_s, &timed, e) || !sign(pkey, &timed, blob + NOTE_ID_SIZE + TIME_SIZE, e))
		return false;
	return bytes_add(ret, text.at, text.len, e) && bytes_add_text(ret, "\n", e) && keep_others(signatures, key.name, ret, e) &&
	       bytes_printf(ret, e, "\u2014 %s ", key.name) && base64_encode(blob, sizeof(blob), ret, e) && bytes_add_text(ret, "\n", e);
}

bool cosign_is_on(const char *note, size_t len, const char *vkey, uint64_t *ret_time_s, struct err *e)
{
	struct note_piece text, signatures;
	struct note_vkey key;
	return note_vkey_parse(vkey, NOTE_COSIGNATURE, &key, e) && note_split(note, len, &text, &signatures, e) &&
	       note_is_signed(text, signatures, &key, ret_time_s, e);
}
