/* SPDX-License-Identifier: Apache-2.0 */
#include "sas.h"

#include "util.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#define SAS "SharedAccessSignature "

bool sas_is_meant(const char *authorization)
{
	return authorization && text_starts(authorization, SAS);
}

void sas_fini(struct sas *t)
{
	free(t->sr);
	free(t->sig);
	free(t->se);
	free(t->skn);
	*t = (struct sas){0};
}

bool sas_parse(struct sas *t, const char *authorization)
{
	const struct {
		const char *key;
		char **raw;
	} parts[] = {{"sr=", &t->sr}, {"sig=", &t->sig}, {"se=", &t->se}, {"skn=", &t->skn}};
	if (!sas_is_meant(authorization))
		return false;
	for (const char *text = authorization + strlen(SAS); *text; text += *text == '&') {
		size_t n = strcspn(text, "&");
		for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
			size_t k = strlen(parts[i].key);
			if (strncmp(text, parts[i].key, k) != 0)
				continue;
			if (*parts[i].raw)
				return false;
			*parts[i].raw = text_copy(text + k, n - k);
			break;
		}
		text += n;
	}
	return t->sr && t->sig && t->se && t->skn;
}

static bool digest(const char *key, const char *text, uint8_t mac[SHA256_DIGEST_LENGTH])
{
	size_t n = 0;
	uint8_t *secret = key ? base64_bytes(key, &n) : NULL;
	bool ok = secret && HMAC(EVP_sha256(), secret, (int)n, (const uint8_t *)text, strlen(text), mac, NULL);
	free(secret);
	return ok;
}

char *sas_digest(const char *key, const char *text)
{
	uint8_t mac[SHA256_DIGEST_LENGTH];
	return digest(key, text, mac) ? base64_of(mac, sizeof mac) : NULL;
}

bool sas_is_signed_with(const struct sas *t, const char *key)
{
	size_t n = 0;
	AUTO_TEXT sig_text = percent_decode(t->sig, strlen(t->sig));
	uint8_t *sig = sig_text ? base64_bytes(sig_text, &n) : NULL;
	AUTO_TEXT signed_text = text_of("%s\n%s", t->sr, t->se);
	uint8_t mac[SHA256_DIGEST_LENGTH];
	bool ok = sig && n == sizeof mac && digest(key, signed_text, mac) &&
		CRYPTO_memcmp(mac, sig, sizeof mac) == 0;
	free(sig);
	return ok;
}

bool sas_is_in_force(const struct sas *t, int64_t now_s)
{
	int64_t expiry = 0;
	return text_number(t->se, &expiry) && expiry > now_s;
}
