/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/own_tpm_esys.h"

#include <string.h>

void own_tpm_pcr_selection(uint32_t pcrs, TPML_PCR_SELECTION *ret)
{
	*ret = (TPML_PCR_SELECTION){.count = 1};
	ret->pcrSelections[0].hash = TPM2_ALG_SHA256;
	ret->pcrSelections[0].sizeofSelect = OWN_TPM_PCRS / 8;
	for (unsigned i = 0; i < OWN_TPM_PCRS / 8; i++)
		ret->pcrSelections[0].pcrSelect[i] = (BYTE)(pcrs >> 8 * i);
}

static uint32_t selected(const TPML_PCR_SELECTION *s)
{
	uint32_t pcrs = 0;
	for (unsigned i = 0; s->count == 1 && i < OWN_TPM_PCRS / 8; i++)
		pcrs |= (uint32_t)s->pcrSelections[0].pcrSelect[i] << 8 * i;
	return pcrs;
}

struct pcr_values {
	size_t len;
	uint8_t data[OWN_TPM_PCRS * SHA256_SIZE];
};

static bool keep(const TPML_DIGEST *values, struct pcr_values *ret)
{
	for (uint32_t i = 0; i < values->count; i++) {
		if (values->digests[i].size != SHA256_SIZE || ret->len + SHA256_SIZE > sizeof(ret->data))
			return false;
		memcpy(ret->data + ret->len, values->digests[i].buffer, SHA256_SIZE);
		ret->len += SHA256_SIZE;
	}
	return values->count > 0;
}

/* The PCRs come in the order of their numbers, so those of later rounds have higher numbers. */
static bool read_some(struct own_tpm *t, uint32_t *left, struct pcr_values *ret, struct err *e)
{
	TPML_PCR_SELECTION wanted, *given = NULL;
	TPML_DIGEST *values = NULL;
	TSS2_RC rc;
	own_tpm_pcr_selection(*left, &wanted);
	OWN_TPM_REPEAT(t, rc, Esys_PCR_Read(t->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &wanted, NULL, &given, &values));
	if (rc != TSS2_RC_SUCCESS)
		return own_tpm_err(t, rc, E_CA_FILE, e, "reading PCRs");
	bool ok = keep(values, ret) && selected(given);
	*left &= ~selected(given);
	Esys_Free(given);
	Esys_Free(values);
	return ok || err_set(e, E_CA_FILE, "the station's TPM has no SHA-256 bank with these PCRs");
}

bool own_tpm_pcr_digest(struct own_tpm *t, uint32_t pcrs, TPM2B_DIGEST *ret, struct err *e)
{
	struct pcr_values values = {0};
	while (pcrs)
		if (!read_some(t, &pcrs, &values, e))
			return false;
	ret->size = SHA256_SIZE;
	sha256_of(values.data, values.len, ret->buffer);
	return true;
}

static void fold(TPM2B_DIGEST *policy, const void *a, size_t a_len, const void *b, size_t b_len)
{
	const struct span parts[] = {{policy->buffer, SHA256_SIZE}, {a, a_len}, {b, b_len}};
	sha256(parts, COUNT_OF(parts), policy->buffer);
}

static void put_code(uint32_t code, uint8_t ret[static 4])
{
	for (unsigned i = 0; i < 4; i++)
		ret[i] = (uint8_t)(code >> (24 - 8 * i));
}

/* policyUpdate(TPM_CC_PolicySecret, authObject→Name, policyRef) with an empty policyRef. */
static bool fold_secret(struct own_tpm *t, ESYS_TR limit, TPM2B_DIGEST *policy, struct err *e)
{
	uint8_t code[4];
	TPM2B_NAME *name = NULL;
	TSS2_RC rc = Esys_TR_GetName(t->esys, limit, &name);
	if (rc != TSS2_RC_SUCCESS)
		return own_tpm_err(t, rc, E_CA_FILE, e, "the name of the limit");
	put_code(TPM2_CC_PolicySecret, code);
	fold(policy, code, sizeof(code), name->name, name->size);
	sha256_of(policy->buffer, SHA256_SIZE, policy->buffer);
	Esys_Free(name);
	return true;
}

/* H(policyOld ‖ TPM_CC_PolicyPCR ‖ pcrs ‖ digestTPM) */
static bool fold_pcrs(uint32_t pcrs, const TPM2B_DIGEST *digest, TPM2B_DIGEST *policy, struct err *e)
{
	uint8_t head[4 + sizeof(TPML_PCR_SELECTION)];
	TPML_PCR_SELECTION selection;
	size_t len = 4;
	put_code(TPM2_CC_PolicyPCR, head);
	own_tpm_pcr_selection(pcrs, &selection);
	if (Tss2_MU_TPML_PCR_SELECTION_Marshal(&selection, head, sizeof(head), &len) != TSS2_RC_SUCCESS)
		return err_set(e, E_CA_FILE, "the selection of PCRs");
	fold(policy, head, len, digest->buffer, SHA256_SIZE);
	return true;
}

bool own_tpm_policy(struct own_tpm *t, uint32_t pcrs, const TPM2B_DIGEST *pcr_digest, ESYS_TR limit, TPM2B_DIGEST *ret,
		    struct err *e)
{
	memset(ret, 0, sizeof(*ret));
	if (limit != ESYS_TR_NONE && !fold_secret(t, limit, ret, e))
		return false;
	if (pcrs && !fold_pcrs(pcrs, pcr_digest, ret, e))
		return false;
	ret->size = pcrs || limit != ESYS_TR_NONE ? SHA256_SIZE : 0;
	return true;
}
