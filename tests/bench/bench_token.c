/* SPDX-License-Identifier: Apache-2.0 */
/* What the signer's way to a token costs, by the clock on the wall: a signature through p11-kit's client, its socket and its server,
 * against the same SoftHSM2 module called in this process (C_SignInit and C_Sign), in turns. */
#include "tests/bench/bench.h"
#include "tests/certs/hsm.h"

#include <p11-kit/pkcs11.h>

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 9

struct raw {
	CK_FUNCTION_LIST *p11;
	CK_SESSION_HANDLE session;
	CK_OBJECT_HANDLE key;
	CK_MECHANISM mechanism;
	CK_ULONG len;
};

static bool raw_open(struct raw *r, const struct hsm *h, bool rsa, struct err *e)
{
	char conf[96], label[4];
	CK_RV (*get)(CK_FUNCTION_LIST **);
	CK_SLOT_ID slots[8];
	CK_ULONG count = 8, found = 0;
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	snprintf(conf, sizeof(conf), "%s/hsm.conf", h->dir);
	snprintf(label, sizeof(label), "%s", rsa ? "rsa" : "ec");
	CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_LABEL, label, strlen(label)}};
	setenv("SOFTHSM2_CONF", conf, 1);
	void *lib = dlopen("/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW);
	*(void **)&get = lib ? dlsym(lib, "C_GetFunctionList") : NULL;
	if (!get || get(&r->p11) != CKR_OK)
		return err_set(e, E_TOKEN_GONE, "SoftHSM2 cannot be loaded");
	CK_RV rv = r->p11->C_Initialize(NULL);
	if ((rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) || r->p11->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK)
		return err_set(e, E_TOKEN_GONE, "SoftHSM2");
	for (CK_ULONG i = 0; i < count && !found; i++)
		if (r->p11->C_OpenSession(slots[i], CKF_SERIAL_SESSION, NULL, NULL, &r->session) != CKR_OK ||
		    (r->p11->C_Login(r->session, CKU_USER, (CK_BYTE *)(uintptr_t)HSM_PIN, strlen(HSM_PIN)) == CKR_PIN_INCORRECT) ||
		    r->p11->C_FindObjectsInit(r->session, template, 2) != CKR_OK ||
		    r->p11->C_FindObjects(r->session, &r->key, 1, &found) != CKR_OK || r->p11->C_FindObjectsFinal(r->session) != CKR_OK)
			found = 0;
	r->mechanism.mechanism = rsa ? CKM_RSA_PKCS : CKM_ECDSA;
	r->len = rsa ? 51 : 32;
	return found || err_set(e, E_CA_FILE, "the key is not in SoftHSM2");
}

static bool raw_sign(void *state, struct err *e)
{
	struct raw *r = state;
	CK_BYTE data[51] = {0x30}, out[KEYSTORE_SIGNATURE_MAX];
	CK_ULONG len = sizeof(out);
	return (r->p11->C_SignInit(r->session, &r->mechanism, r->key) == CKR_OK &&
		r->p11->C_Sign(r->session, data, r->len, out, &len) == CKR_OK) || err_set(e, E_SIGN, "raw C_Sign");
}

static bool own_sign(void *state, struct err *e)
{
	const uint8_t digest[SHA256_SIZE] = {0x30};
	struct keystore_signature s;
	return keystore_sign(state, digest, &s, e);
}

static bool per_second(bool (*once)(void *state, struct err *e), void *state, int turn, double *ret, struct err *e)
{
	uint64_t start = bench_now_ns();
	for (int i = 0; i < turn; i++)
		if (!once(state, e))
			return false;
	*ret = turn * 1e9 / (double)(bench_now_ns() - start);
	return true;
}

static bool measure(struct hsm *h, bool rsa, bool json, struct err *e)
{
	double own[ROUNDS], limit[ROUNDS];
	struct raw raw = {0};
	struct token *token = NULL;
	struct keystore key = {0};
	int turn = rsa ? 100 : 400;
	bool ok = token_open(&h->setup, &token, e) && keystore_open_token(token, rsa ? "pkcs11:object=rsa" : "pkcs11:object=ec", &key, e) &&
		  raw_open(&raw, h, rsa, e);
	for (int i = -1; ok && i < ROUNDS; i++)	/* the first to get warm */
		ok = per_second(own_sign, &key, turn, &own[i < 0 ? 0 : i], e) &&
		     per_second(raw_sign, &raw, turn, &limit[i < 0 ? 0 : i], e);
	if (ok)
		ok = bench_print(&(struct bench){rsa ? "certs.token_rsa2048" : "certs.token_p256", bench_median(own, ROUNDS), "signatures/s",
						 "SoftHSM2's C_Sign in this process", bench_median(limit, ROUNDS), 0}, json);
	keystore_close(&key);
	token_close(token);
	return ok;
}

int main(int argc, char **argv)
{
	struct hsm h;
	struct err e = {0};
	bool json = bench_wants_json(argc, argv);
	hsm_open(&h);
	hsm_make_key(&h, "station", "P-256", "ec", "01");
	hsm_make_key(&h, "station", "RSA-2048", "rsa", "02");
	hsm_put_back(&h);
	bool ok = measure(&h, false, json, &e) && measure(&h, true, json, &e);
	if (e.code)
		fprintf(stderr, "bench_token: %s\n", e.what);
	hsm_close(&h);
	return ok ? 0 : 1;
}
