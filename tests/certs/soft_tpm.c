/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/certs/soft_tpm.h"
#include "certs/ca.h"
#include "station/base/clock.h"
#include "tests/certs/check.h"

#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_tctildr.h>

#define EK_HANDLE 0x81010001
#define EK_CERT_NV 0x01c00002
#define START_MS 10000

static struct {
	char dir[64];
} plant;

#define TPM_OK(call) do { \
	TSS2_RC rc_ = (call); \
	if (rc_ != TSS2_RC_SUCCESS) \
		fail_msg("%s: %08x", #call, rc_); \
} while (0)

#define PASSWORD ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE

/* ---- the plant ---- */

static void run(const char *const argv[])
{
	int status;
	pid_t pid;
	assert_int_equal(posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

void soft_tpm_manufacture(const char *python, const char *manufacture)
{
	snprintf(plant.dir, sizeof(plant.dir), "/tmp/soft_tpm.XXXXXX");
	assert_non_null(mkdtemp(plant.dir));
	run((const char *const[]){python, manufacture, "--dir", plant.dir, "--count", "2", "--prefix", "GOOD", NULL});
	run((const char *const[]){python, manufacture, "--dir", plant.dir, "--count", "1", "--prefix", "ROGUE", "--rogue-vendor",
				  NULL});
}

void soft_tpm_scrap(void)
{
	run((const char *const[]){"rm", "-rf", plant.dir, NULL});
}

const char *soft_tpm_dir(void)
{
	return plant.dir;
}

void soft_tpm_use(const char *dir)
{
	assert_true(snprintf(plant.dir, sizeof(plant.dir), "%s", dir) < (int)sizeof(plant.dir));
}

static void vendor_read(const char *name, struct bytes *ret)
{
	char path[128];
	size_t count;
	struct err e = {0};
	snprintf(path, sizeof(path), "%s/vendor/%s", plant.dir, name);
	CHECK_OK(cert_read_pem_file(path, ret, 1, &count, &e), e);
	assert_int_equal(count, 1);
}

void soft_tpm_vendor(struct bytes *root, struct bytes *issuing)
{
	vendor_read("root.pem", root);
	vendor_read("issuing.pem", issuing);
}

/* ---- power ---- */

/* The TPM works on a copy, so that it is as manufactured at every start. */
static void copy_state(const char *serial)
{
	char from[128], to[128];
	snprintf(from, sizeof(from), "%s/tpm/%s", plant.dir, serial);
	snprintf(to, sizeof(to), "%s/%s", plant.dir, serial);
	run((const char *const[]){"rm", "-rf", to, NULL});
	run((const char *const[]){"cp", "-r", from, to, NULL});
}

void soft_tpm_start(struct soft_tpm *t, const char *serial)
{
	char state[128], server[160], control[160], tcti[160], log[160];
	copy_state(serial);
	snprintf(state, sizeof(state), "dir=%s/%s", plant.dir, serial);
	snprintf(server, sizeof(server), "type=unixio,path=%s/%s/sock", plant.dir, serial);
	snprintf(control, sizeof(control), "type=unixio,path=%s/%s/sock.ctrl", plant.dir, serial);
	snprintf(log, sizeof(log), "file=%s/%s/log", plant.dir, serial);
	snprintf(tcti, sizeof(tcti), "swtpm:path=%s/%s/sock", plant.dir, serial);
	const char *const argv[] = {"swtpm", "socket", "--tpm2", "--tpmstate", state, "--server", server, "--ctrl", control,
				    "--flags", "not-need-init,startup-clear", "--log", log, NULL};
	pid_t pid;
	setenv("TSS2_LOG", "all+NONE", 1);	/* refusals are what these tests are about */
	assert_int_equal(posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ), 0);
	t->pid = pid;
	int64_t until_ms = clock_steady_ms() + START_MS;
	while (Tss2_TctiLdr_Initialize(tcti, &t->tcti) != TSS2_RC_SUCCESS) {
		assert_true(clock_steady_ms() < until_ms);
		clock_sleep_ms(5);
	}
	TPM_OK(Esys_Initialize(&t->esys, t->tcti, NULL));
}

void soft_tpm_stop(struct soft_tpm *t)
{
	if (!t->pid)
		return;
	Esys_Finalize(&t->esys);
	Tss2_TctiLdr_Finalize(&t->tcti);
	kill(t->pid, SIGKILL);
	waitpid(t->pid, NULL, 0);
	memset(t, 0, sizeof(*t));
}

/* Three transient objects fit in this TPM, so keys that are needed longer become persistent. */
static ESYS_TR settle(struct soft_tpm *t, ESYS_TR transient)
{
	static TPM2_HANDLE next = 0x81000300;
	ESYS_TR settled;
	TPM_OK(Esys_EvictControl(t->esys, ESYS_TR_RH_OWNER, transient, PASSWORD, next++, &settled));
	TPM_OK(Esys_FlushContext(t->esys, transient));
	return settled;
}

void soft_key_fini(struct soft_key *k)
{
	bytes_fini(&k->public_area);
}

/* ---- keys ---- */

void soft_marshal(const TPM2B_PUBLIC *p, struct bytes *ret)
{
	uint8_t room[sizeof(*p)];
	size_t len = 0;
	struct err e = {0};
	TPM_OK(Tss2_MU_TPM2B_PUBLIC_Marshal(p, room, sizeof(room), &len));
	CHECK_OK(bytes_set(ret, room, len, &e), e);
}

static void public_of(struct soft_tpm *t, ESYS_TR handle, struct bytes *ret)
{
	TPM2B_PUBLIC *p;
	TPM_OK(Esys_ReadPublic(t->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &p, NULL, NULL));
	soft_marshal(p, ret);
	Esys_Free(p);
}

void soft_tpm_ek(struct soft_tpm *t, struct soft_key *ret)
{
	TPM_OK(Esys_TR_FromTPMPublic(t->esys, EK_HANDLE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &ret->handle));
	public_of(t, ret->handle, &ret->public_area);
}

void soft_tpm_ek_cert(struct soft_tpm *t, struct bytes *ret)
{
	ESYS_TR nv;
	TPM2B_NV_PUBLIC *about;
	struct err e = {0};
	bytes_clear(ret);
	TPM_OK(Esys_TR_FromTPMPublic(t->esys, EK_CERT_NV, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &nv));
	TPM_OK(Esys_NV_ReadPublic(t->esys, nv, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &about, NULL));
	while (ret->len < about->nvPublic.dataSize) {
		size_t left = about->nvPublic.dataSize - ret->len;
		TPM2B_MAX_NV_BUFFER *part;
		TPM_OK(Esys_NV_Read(t->esys, nv, nv, PASSWORD, left < 512 ? (uint16_t)left : 512, (uint16_t)ret->len, &part));
		CHECK_OK(bytes_add(ret, part->buffer, part->size, &e), e);
		Esys_Free(part);
	}
	Esys_Free(about);
	TPM_OK(Esys_TR_Close(t->esys, &nv));
}

static TPM2B_PUBLIC template_p256(TPMA_OBJECT attributes)
{
	TPM2B_PUBLIC p = {.publicArea = {.type = TPM2_ALG_ECC, .nameAlg = TPM2_ALG_SHA256, .objectAttributes = attributes}};
	p.publicArea.parameters.eccDetail = (TPMS_ECC_PARMS){
		.symmetric.algorithm = TPM2_ALG_NULL,
		.scheme.scheme = TPM2_ALG_NULL,
		.curveID = TPM2_ECC_NIST_P256,
		.kdf.scheme = TPM2_ALG_NULL,
	};
	return p;
}

#define OF_THIS_TPM (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN)

TPM2B_PUBLIC soft_template_ak(void)
{
	TPM2B_PUBLIC p = template_p256(OF_THIS_TPM | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_RESTRICTED |
				       TPMA_OBJECT_SIGN_ENCRYPT);
	p.publicArea.parameters.eccDetail.scheme.scheme = TPM2_ALG_ECDSA;
	p.publicArea.parameters.eccDetail.scheme.details.ecdsa.hashAlg = TPM2_ALG_SHA256;
	return p;
}

TPM2B_PUBLIC soft_template_leaf(uint8_t seed)
{
	TPM2B_PUBLIC p = template_p256(OF_THIS_TPM | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_SIGN_ENCRYPT);
	p.publicArea.unique.ecc.x.size = p.publicArea.unique.ecc.y.size = 32;
	memset(p.publicArea.unique.ecc.x.buffer, seed, 32);
	return p;
}

static const TPMT_SYM_DEF_OBJECT aes_128_cfb = {TPM2_ALG_AES, {.aes = 128}, {.aes = TPM2_ALG_CFB}};

static void set_ek(TPMT_PUBLIC *p)
{
	static const uint8_t policy_a[32] = {
		0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
		0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
	};
	p->nameAlg = TPM2_ALG_SHA256;
	p->objectAttributes = OF_THIS_TPM | TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
	p->authPolicy.size = sizeof(policy_a);
	memcpy(p->authPolicy.buffer, policy_a, sizeof(policy_a));
	p->parameters.asymDetail.symmetric = aes_128_cfb;
	p->parameters.asymDetail.scheme.scheme = TPM2_ALG_NULL;
}

TPM2B_PUBLIC soft_template_ek_rsa(uint16_t unique_len)
{
	TPM2B_PUBLIC p = {.publicArea.type = TPM2_ALG_RSA};
	set_ek(&p.publicArea);
	p.publicArea.parameters.rsaDetail.keyBits = 2048;
	p.publicArea.unique.rsa.size = unique_len;
	return p;
}

TPM2B_PUBLIC soft_template_ek_p256(void)
{
	TPM2B_PUBLIC p = template_p256(0);
	set_ek(&p.publicArea);
	p.publicArea.unique.ecc.x.size = p.publicArea.unique.ecc.y.size = 32;
	return p;
}

TPM2B_PUBLIC soft_template_srk(void)
{
	TPM2B_PUBLIC p = {.publicArea = {.type = TPM2_ALG_RSA, .nameAlg = TPM2_ALG_SHA256}};
	p.publicArea.objectAttributes = OF_THIS_TPM | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED |
					TPMA_OBJECT_DECRYPT;
	p.publicArea.parameters.rsaDetail.symmetric = aes_128_cfb;
	p.publicArea.parameters.rsaDetail.scheme.scheme = TPM2_ALG_NULL;
	p.publicArea.parameters.rsaDetail.keyBits = 2048;
	p.publicArea.unique.rsa.size = 256;
	return p;
}

void soft_tpm_primary(struct soft_tpm *t, ESYS_TR hierarchy, const TPM2B_PUBLIC *template, struct soft_key *ret)
{
	static const TPM2B_SENSITIVE_CREATE no_auth;
	static const TPM2B_DATA nothing;
	static const TPML_PCR_SELECTION no_pcr;
	ESYS_TR transient;
	TPM_OK(Esys_CreatePrimary(t->esys, hierarchy, PASSWORD, &no_auth, template, &nothing, &no_pcr, &transient, NULL, NULL,
				  NULL, NULL));
	ret->handle = hierarchy == ESYS_TR_RH_NULL ? transient : settle(t, transient);	/* its objects cannot settle */
	public_of(t, ret->handle, &ret->public_area);
}

static EVP_PKEY *make_outside(TPM2B_PUBLIC *p, TPM2B_SENSITIVE *secret)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIGNUM *x = NULL, *y = NULL, *d = NULL;
	assert_true(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &x) &&
		    EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, &y) &&
		    EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &d));
	BN_bn2binpad(x, p->publicArea.unique.ecc.x.buffer, 32);
	BN_bn2binpad(y, p->publicArea.unique.ecc.y.buffer, 32);
	BN_bn2binpad(d, secret->sensitiveArea.sensitive.ecc.buffer, 32);
	secret->sensitiveArea.sensitiveType = TPM2_ALG_ECC;
	secret->sensitiveArea.sensitive.ecc.size = 32;
	BN_free(x);
	BN_free(y);
	BN_free(d);
	return key;
}

void soft_tpm_import(struct soft_tpm *t, struct soft_key *ret)
{
	static const TPM2B_DATA no_key;
	static const TPM2B_ENCRYPTED_SECRET no_seed;
	static const TPMT_SYM_DEF_OBJECT plain = {.algorithm = TPM2_ALG_NULL};
	struct soft_key parent = {0};
	TPM2B_PUBLIC storage = template_p256(OF_THIS_TPM | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED |
					     TPMA_OBJECT_DECRYPT);
	TPM2B_PUBLIC p = soft_template_leaf(0);
	TPM2B_SENSITIVE secret = {0};
	TPM2B_PRIVATE duplicate = {0}, *wrapped;
	ESYS_TR loaded;
	size_t len = 0;
	storage.publicArea.parameters.eccDetail.symmetric = aes_128_cfb;
	soft_tpm_primary(t, ESYS_TR_RH_OWNER, &storage, &parent);
	p.publicArea.objectAttributes &= ~(TPMA_OBJECT)OF_THIS_TPM;
	EVP_PKEY_free(make_outside(&p, &secret));
	TPM_OK(Tss2_MU_TPM2B_SENSITIVE_Marshal(&secret, duplicate.buffer, sizeof(duplicate.buffer), &len));
	duplicate.size = (uint16_t)len;
	TPM_OK(Esys_Import(t->esys, parent.handle, PASSWORD, &no_key, &p, &duplicate, &no_seed, &plain, &wrapped));
	TPM_OK(Esys_Load(t->esys, parent.handle, PASSWORD, wrapped, &p, &loaded));
	Esys_Free(wrapped);
	ret->handle = settle(t, loaded);
	public_of(t, ret->handle, &ret->public_area);
	soft_key_fini(&parent);
}

/* ---- what keys do ---- */

static ESYS_TR ek_session(struct soft_tpm *t)
{
	static const TPMT_SYM_DEF plain = {.algorithm = TPM2_ALG_NULL};
	ESYS_TR session;
	TPM_OK(Esys_StartAuthSession(t->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, NULL,
				     TPM2_SE_POLICY, &plain, TPM2_ALG_SHA256, &session));
	TPM_OK(Esys_PolicySecret(t->esys, ESYS_TR_RH_ENDORSEMENT, session, PASSWORD, NULL, NULL, NULL, 0, NULL, NULL));
	return session;
}

bool soft_tpm_activate(struct soft_tpm *t, const struct soft_key *object, const struct soft_key *ek, const struct challenge *c,
		       struct bytes *ret_secret)
{
	TPM2B_ID_OBJECT blob = {.size = (uint16_t)c->blob_len};
	TPM2B_ENCRYPTED_SECRET seed = {.size = (uint16_t)c->secret_len};
	TPM2B_DIGEST *secret;
	struct err e = {0};
	memcpy(blob.credential, c->blob, c->blob_len);
	memcpy(seed.secret, c->secret, c->secret_len);
	ESYS_TR session = ek_session(t);
	TSS2_RC rc = Esys_ActivateCredential(t->esys, object->handle, ek->handle, ESYS_TR_PASSWORD, session, ESYS_TR_NONE, &blob,
					     &seed, &secret);
	Esys_FlushContext(t->esys, session);	/* gone already if the command used it up */
	if (rc != TSS2_RC_SUCCESS)
		return false;
	CHECK_OK(bytes_set(ret_secret, secret->buffer, secret->size, &e), e);
	Esys_Free(secret);
	return true;
}

void soft_tpm_certify(struct soft_tpm *t, const struct soft_key *object, const struct soft_key *signer,
		      const uint8_t nonce[static 32], struct bytes *ret_attest, struct bytes *ret_signature)
{
	static const TPMT_SIG_SCHEME as_key = {.scheme = TPM2_ALG_NULL};
	static const TPMT_SIG_SCHEME ecdsa = {.scheme = TPM2_ALG_ECDSA, .details.ecdsa.hashAlg = TPM2_ALG_SHA256};
	TPM2B_DATA data = {.size = 32};
	TPM2B_ATTEST *attest;
	TPMT_SIGNATURE *sig;
	uint8_t room[sizeof(*sig)];
	size_t len = 0;
	struct err e = {0};
	memcpy(data.buffer, nonce, 32);
	if (Esys_Certify(t->esys, object->handle, signer->handle, ESYS_TR_PASSWORD, ESYS_TR_PASSWORD, ESYS_TR_NONE, &data, &as_key,
			 &attest, &sig) != TSS2_RC_SUCCESS)	/* a signer without scheme of its own */
		TPM_OK(Esys_Certify(t->esys, object->handle, signer->handle, ESYS_TR_PASSWORD, ESYS_TR_PASSWORD, ESYS_TR_NONE,
				    &data, &ecdsa, &attest, &sig));
	TPM_OK(Tss2_MU_TPMT_SIGNATURE_Marshal(sig, room, sizeof(room), &len));
	CHECK_OK(bytes_set(ret_attest, attest->attestationData, attest->size, &e), e);
	CHECK_OK(bytes_set(ret_signature, room, len, &e), e);
	Esys_Free(attest);
	Esys_Free(sig);
}

void soft_tpm_sign(struct soft_tpm *t, const struct soft_key *key, const uint8_t digest[static 32], struct key_signature *ret)
{
	static const TPMT_SIG_SCHEME ecdsa = {.scheme = TPM2_ALG_ECDSA, .details.ecdsa.hashAlg = TPM2_ALG_SHA256};
	static const TPMT_TK_HASHCHECK no_ticket = {.tag = TPM2_ST_HASHCHECK, .hierarchy = TPM2_RH_NULL};
	TPM2B_DIGEST d = {.size = 32};
	TPMT_SIGNATURE *sig;
	memcpy(d.buffer, digest, 32);
	memset(ret, 0, sizeof(*ret));
	TPM_OK(Esys_Sign(t->esys, key->handle, PASSWORD, &d, &ecdsa, &no_ticket, &sig));
	const TPMS_SIGNATURE_ECC *s = &sig->signature.ecdsa;
	memcpy(ret->r + 32 - s->signatureR.size, s->signatureR.buffer, s->signatureR.size);
	memcpy(ret->s + 32 - s->signatureS.size, s->signatureS.buffer, s->signatureS.size);
	Esys_Free(sig);
}
