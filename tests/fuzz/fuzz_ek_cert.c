/* SPDX-License-Identifier: Apache-2.0 */
/* The endorsement certificate of a unit, before a profile that accepts one maker and before one that asks for none.
 *
 * An input is two bytes of length and the maker's root, the same of his issuing CA, and the certificate. What is taken is taken with padding
 * behind it as well and with anything else behind it no more, names the very key that was asked about, and says nothing of a maker that
 * nobody was asked about. */
#include "certs/ek.h"
#include "station/base/text.h"

#include <openssl/err.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool what)
{
	if (!what)
		abort();
}

static struct span take_piece(struct span *in)
{
	const uint8_t *p = in->data;
	if (in->len < 2)
		return (struct span){p, 0};
	size_t len = (size_t)p[0] << 8 | p[1];
	if (len > in->len - 2)
		len = in->len - 2;
	*in = (struct span){p + 2 + len, in->len - 2 - len};
	return (struct span){p + 2, len};
}

/* NULL if these are no certificates: then a profile would not be loaded. */
static struct chain *maker_of(const struct span *root, const struct span *issuing)
{
	const struct bytes one = {.data = (uint8_t *)(uintptr_t)root->data, .len = root->len};
	const struct bytes two = {.data = (uint8_t *)(uintptr_t)issuing->data, .len = issuing->len};
	struct chain *makers = NULL;
	struct err e = {0};
	must(chain_new(&one, 1, &two, 1, &makers, &e) || e.code == E_CONFIG);
	return makers;
}

/* The key that the certificate names, or none that can be. */
static void named_key(const struct span *cert, struct key_public *ret)
{
	const uint8_t *end = cert->data;
	struct err ignored = {0};
	AUTO(x509) X509 *x = d2i_X509(NULL, &end, (long)cert->len);
	memset(ret, 0, sizeof(*ret));
	if (x && X509_get0_pubkey(x))
		(void)!ossl_key_public(X509_get0_pubkey(x), ret, &ignored);
	ERR_clear_error();
}

static void texts_are_right(const struct ek_cert *c, bool asked)
{
	must(text_is_printable(c->manufacturer, strnlen(c->manufacturer, sizeof(c->manufacturer))) &&
	     text_is_printable(c->model, strnlen(c->model, sizeof(c->model))) &&
	     text_is_printable(c->version, strnlen(c->version, sizeof(c->version))));
	must(asked ? c->manufacturer[0] != '\0' : !c->manufacturer[0] && !c->model[0] && !c->version[0]);
}

static bool judge(const struct span *cert, const struct key_public *key, const struct chain *makers, struct ek_cert *ret)
{
	struct err e = {0};
	bool taken = ek_cert_judge(cert->data, cert->len, key, makers, ret, &e);
	must(taken ? e.code == E_NONE : e.code == E_EK_CERT_BAD || e.code == E_EK_CHAIN || e.code == E_EK_MISMATCH || e.code == E_KEY_WEAK);
	if (taken)
		texts_are_right(ret, makers != NULL);
	return taken;
}

/* As a TPM's NV index gives it: longer than the certificate. */
static void padding_alone_may_follow(const struct span *cert, const struct key_public *key, const struct ek_cert *plain)
{
	AUTO(bytes) struct bytes longer = {0};
	struct ek_cert c;
	struct err e = {0};
	must(bytes_add(&longer, cert->data, cert->len, &e) && bytes_add(&longer, "\xff\x00\xff", 3, &e));
	struct span padded = {longer.data, longer.len};
	must(judge(&padded, key, NULL, &c) && !memcmp(c.sha256, plain->sha256, sizeof(c.sha256)));
	longer.data[longer.len - 2] = 0x01;
	must(!judge(&padded, key, NULL, &c));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span in = {data, len};
	struct span root = take_piece(&in), issuing = take_piece(&in);
	struct key_public key, other;
	struct ek_cert vouched, plain, none;
	struct chain *makers = maker_of(&root, &issuing);
	named_key(&in, &key);
	other = key;
	other.rsa_modulus[100] ^= 1;
	other.x[0] ^= 1;	/* on the curve or not: another one */
	bool taken = judge(&in, &key, NULL, &plain), held = makers && judge(&in, &key, makers, &vouched);
	must(!held || (taken && !memcmp(vouched.sha256, plain.sha256, sizeof(plain.sha256))));
	must(!taken || !judge(&in, &other, NULL, &none));
	if (taken)
		padding_alone_may_follow(&in, &key, &plain);
	chain_free(makers);
	must(!ERR_peek_error());
	return 0;
}
