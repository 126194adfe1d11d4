/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/note_key.h"
#include "certs/hmac.h"
#include "certs/note_text.h"
#include "certs/pem.h"
#include "station/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SIGNATURE_SIZE 64

void note_key_id(const char *name, const uint8_t public[static 32], uint8_t ret[static NOTE_ID_SIZE])
{
	note_id(name, NOTE_ED25519, public, ret);
}

static bool name_is_valid(const char *name, struct err *e)
{
	size_t len = strlen(name);
	if (!len || len > NOTE_NAME_MAX || !text_is_printable(name, len) || strpbrk(name, " +"))
		return err_set(e, E_CA_FILE, "a log's name is 1 to %d printable characters without space and plus sign", NOTE_NAME_MAX);
	return true;
}

/* Fills name, id and vkey once the key is there. */
static bool describe(struct note_key *k, const char *name, struct err *e)
{
	uint8_t public[32];
	size_t len = sizeof(public);
	AUTO(bytes) struct bytes text = {0};
	if (!EVP_PKEY_is_a(k->pkey, "ED25519") || !EVP_PKEY_get_raw_public_key(k->pkey, public, &len) || len != sizeof(public))
		return ossl_err(e, E_CA_FILE, "the log key is not an Ed25519 key");
	note_key_id(name, public, k->id);
	if (!note_vkey_text(name, NOTE_ED25519, public, &text, e))
		return false;
	return TEXT_COPY(k->name, name, e) && TEXT_COPY(k->vkey, bytes_text(&text), e);
}

bool note_key_open(struct note_key *k, const char *path, const char *passphrase, const char *name, struct err *e)
{
	memset(k, 0, sizeof(*k));
	if (!name_is_valid(name, e))
		return false;
	if (pem_read_key(path, passphrase, &k->pkey, e) && describe(k, name, e))
		return true;
	note_key_fini(k);
	return err_in(e, "log key");
}

bool note_key_make(struct note_key *k, const char *name, struct err *e)
{
	memset(k, 0, sizeof(*k));
	if (!name_is_valid(name, e))
		return false;
	k->pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (!k->pkey)
		return ossl_err(e, E_NOMEM, "making a log key");
	if (describe(k, name, e))
		return true;
	note_key_fini(k);
	return false;
}

void note_key_fini(struct note_key *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->pkey);
	memset(k, 0, sizeof(*k));
}

static bool checkpoint_text(const char *origin, uint64_t size, const struct merkle_hash *root, const char *lines, struct bytes *ret,
			    struct err *e)
{
	return bytes_printf(ret, e, "%s\n%" PRIu64 "\n", origin, size) && base64_encode(root->h, sizeof(root->h), ret, e) &&
	       bytes_printf(ret, e, "\n%s", lines);
}

bool note_key_derive(const struct note_key *k, const char *purpose, uint8_t ret[static SHA256_SIZE], struct err *e)
{
	uint8_t private[32];
	size_t len = sizeof(private);
	if (!EVP_PKEY_get_raw_private_key(k->pkey, private, &len) || len != sizeof(private))
		return ossl_err(e, E_CA_FILE, "the log key");
	hmac_sha256(private, len, purpose, strlen(purpose), ret);
	wipe(private, sizeof(private));
	return true;
}

bool note_key_sign_text(const struct note_key *k, const void *text, size_t len, struct bytes *ret, struct err *e)
{
	uint8_t signature[NOTE_ID_SIZE + SIGNATURE_SIZE];
	size_t signed_len = SIGNATURE_SIZE;
	AUTO(md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (!ctx || !EVP_DigestSignInit(ctx, NULL, NULL, NULL, k->pkey) ||
	    !EVP_DigestSign(ctx, signature + NOTE_ID_SIZE, &signed_len, text, len) || signed_len != SIGNATURE_SIZE)
		return ossl_err(e, E_SIGN, "signing a note");
	memcpy(signature, k->id, NOTE_ID_SIZE);
	return bytes_printf(ret, e, "\u2014 %s ", k->name) && base64_encode(signature, sizeof(signature), ret, e) &&
	       bytes_add_text(ret, "\n", e);
}

bool note_key_sign(const struct note_key *k, uint64_t size, const struct merkle_hash *root, const char *lines, struct bytes *ret,
		   struct err *e)
{
	AUTO(bytes) struct bytes text = {0};
	return checkpoint_text(k->name, size, root, lines, &text, e) && bytes_add(ret, text.data, text.len, e) &&
	       bytes_add_text(ret, "\n", e) && note_key_sign_text(k, text.data, text.len, ret, e);
}
