/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/custody.h"
#include "certs/own_tpm.h"
#include "certs/token.h"

#include <string.h>

/* What stands behind the scheme of a URI; NULL if it has another. */
static const char *behind(const char *uri, const char *scheme)
{
	size_t n = strlen(scheme);
	return strncmp(uri, scheme, n) == 0 ? uri + n : NULL;
}

static const char *file_of(const char *uri)
{
	return uri[0] == '/' ? uri : behind(uri, "file:");
}

static bool is_token(const char *uri)
{
	return behind(uri, "pkcs11:") || behind(uri, "token:");
}

static bool is_tpm(const char *uri)
{
	return behind(uri, "tpm:") != NULL;
}

bool custody_is_key_uri(const char *uri)
{
	const char *path = file_of(uri);
	return path ? path[0] == '/' : behind(uri, "pkcs11:") || own_tpm_is_key_uri(uri);
}

bool custody_is_anchor_uri(const char *uri)
{
	const char *label = behind(uri, "token:");
	return !uri[0] || own_tpm_is_anchor_uri(uri) || (label && label[0]);
}

static bool open_token(const struct custody_setup *s, struct custody *c, struct err *e)
{
	const struct token_setup setup = {s->token_socket, s->key_uri, s->pin, s->pin_memory};
	if (!behind(s->key_uri, "pkcs11:"))
		return err_set(e, E_CA_FILE, "an anchor on a token needs the key there, too");
	if (!s->token_socket[0])
		return err_set(e, E_CA_FILE, "a key on a token needs [custody] token_socket");
	return token_open(&setup, &c->token, e);
}

static bool open_tpm(const struct custody_setup *s, struct custody *c, struct err *e)
{
	if (!s->tcti[0])
		return err_set(e, E_CA_FILE, "what is in the station's TPM needs [custody] tcti");
	return own_tpm_open(s->tcti, &c->tpm, e);
}

static bool open_key(const struct custody_setup *s, struct custody *c, struct err *e)
{
	const char *path = file_of(s->key_uri);
	if (path)
		return keystore_open_file(path, s->passphrase, &c->key, e);
	return is_tpm(s->key_uri) ? keystore_open_tpm(c->tpm, s->key_uri, s->pin, &c->key, e)
				  : keystore_open_token(c->token, s->key_uri, &c->key, e);
}

static bool open_anchor(const struct custody_setup *s, struct custody *c, struct err *e)
{
	if (!s->anchor_uri[0])
		return true;
	return is_tpm(s->anchor_uri) ? anchor_open_tpm(c->tpm, s->anchor_uri, s->pin, &c->anchor, e)
				     : anchor_open_token(c->token, behind(s->anchor_uri, "token:"), &c->anchor, e);
}

static bool open_all(const struct custody_setup *s, struct custody *c, struct err *e)
{
	if (!custody_is_key_uri(s->key_uri) || !custody_is_anchor_uri(s->anchor_uri))
		return err_set(e, E_CA_FILE, "the URI of the key or of the anchor is none that is known");
	if ((is_token(s->key_uri) || is_token(s->anchor_uri)) && !open_token(s, c, e))
		return false;
	if ((is_tpm(s->key_uri) || is_tpm(s->anchor_uri)) && !open_tpm(s, c, e))
		return false;
	return open_key(s, c, e) && open_anchor(s, c, e);
}

bool custody_open(const struct custody_setup *setup, struct custody *ret, struct err *e)
{
	memset(ret, 0, sizeof(*ret));
	if (open_all(setup, ret, e))
		return true;
	custody_close(ret);
	return false;
}

void custody_close(struct custody *c)
{
	if (!c)
		return;
	if (c->anchor.ops && c->anchor.ops->close)
		c->anchor.ops->close(c->anchor.state);
	keystore_close(&c->key);
	token_close(c->token);
	own_tpm_close(c->tpm);
	memset(c, 0, sizeof(*c));
}
