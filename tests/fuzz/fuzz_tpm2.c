/* SPDX-License-Identifier: Apache-2.0 */
/* Everything in the judge that reads a device's bytes, as a libFuzzer target. The first byte says which reader gets the rest.
 *
 * Built with -fsanitize=fuzzer it searches; built plainly (main below) it replays the files it is given, each of them whole, cut at
 * every length and with every bit flipped, as an ordinary test. */
#include "certs/attest.h"
#include "certs/ek.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* As if it were of the key that it names, or the reading would end there. */
static void read_ek_cert(const uint8_t *data, size_t len)
{
	struct key_public named = {0};
	struct ek_cert cert;
	struct err e = {0}, ignored = {0};
	const uint8_t *end = data;
	AUTO(x509) X509 *x = d2i_X509(NULL, &end, (long)len);
	if (x && X509_get0_pubkey(x))
		(void)!ossl_key_public(X509_get0_pubkey(x), &named, &ignored);
	(void)!ek_cert_judge(data, len, &named, NULL, &cert, &e);
}

static void read_public(const uint8_t *data, size_t len)
{
	struct tpm2_public p;
	struct ek ek;
	struct err e = {0}, e_ek = {0}, e_ak = {0}, e_leaf = {0};
	bool read = tpm2_public_parse(data, len, E_CERTIFY, &p, &e);
	bool taken = ek_parse(data, len, &ek, &e_ek);
	taken |= attest_ak_parse(data, len, &p, &e_ak);
	taken |= attest_leaf_parse(data, len, &p, &e_leaf);
	if (taken && !read)
		abort();	/* a key was taken from what is no key */
}

static void read_attestation(const uint8_t *data, size_t len)
{
	struct tpm2_certify c;
	struct err e = {0};
	if (tpm2_certify_parse(data, len, E_CERTIFY, &c, &e) && (c.name.len > TPM2_NAME_MAX || c.extra_len > sizeof(c.extra)))
		abort();
}

static void read_signature(const uint8_t *data, size_t len)
{
	struct key_signature s;
	struct err e = {0};
	(void)!tpm2_signature_parse(data, len, E_CERTIFY, &s, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const readers[])(const uint8_t *, size_t) = {read_public, read_attestation, read_signature, read_ek_cert};
	if (len)
		readers[data[0] % COUNT_OF(readers)](data + 1, len - 1);
	return 0;
}

#ifndef FUZZER
#include "station/base/file.h"

#include <stdio.h>

/* In memory of its own size, so that a sanitizer sees a read beyond. */
static void feed(const uint8_t *data, size_t len)
{
	uint8_t *exact = malloc(len + !len);
	if (!exact)
		abort();
	memcpy(exact, data, len);
	LLVMFuzzerTestOneInput(exact, len);
	free(exact);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		AUTO(bytes) struct bytes b = {0};
		struct err e = {0};
		if (!file_read(argv[i], &b, &e)) {
			fprintf(stderr, "%s: %s\n", argv[i], e.what);
			return EXIT_FAILURE;
		}
		for (size_t len = 0; len <= b.len; len++)
			feed(b.data, len);
		for (size_t bit = 0; bit < b.len * 8; bit++) {
			b.data[bit / 8] ^= 1 << bit % 8;
			feed(b.data, b.len);
			b.data[bit / 8] ^= 1 << bit % 8;
		}
	}
	return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
#endif
