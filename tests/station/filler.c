/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/station/filler.h"
#include "db/audit.h"
#include "db/outbox.h"
#include "station/base/clock.h"
#include "station/dps/individual.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <stdio.h>
#include <string.h>

#define PORTION 250

/* Self-signed, as nobody asks who signed it: the enrollment knows the certificate itself. */
static bool make_leaf(const char *name, unsigned number, struct bytes *ret, struct err *e)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	unsigned char *der = NULL;
	if (!key || !x)
		return err_set(e, E_NOMEM, "certificate");
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), (long)number + 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -86400);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400L * 3650);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_set_pubkey(x, key);
	int len = X509_sign(x, key, EVP_sha256()) ? i2d_X509(x, &der) : 0;
	bool ok = len > 0 ? bytes_set(ret, der, (size_t)len, e) : err_set(e, E_SIGN, "certificate");
	OPENSSL_free(der);
	X509_free(x);
	EVP_PKEY_free(key);
	return ok;
}

static bool spoil(struct bytes *body, struct err *e)
{
	AUTO(json) json_t *j = NULL;
	if (!json_parse((const char *)body->data, body->len, &j, e))
		return false;
	json_t *x509 = json_object_get(json_object_get(j, "attestation"), "x509");
	json_t *primary = json_object_get(json_object_get(x509, "clientCertificates"), "primary");
	json_object_set_new(primary, "certificate", json_string("bm8gY2VydGlmaWNhdGU="));
	bytes_clear(body);
	return json_canonical(j, body, e);
}

static bool queue(struct ledger *l, const struct job_row *job, const struct outbox_row *row, struct err *e)
{
	bool changed = false;
	uint64_t index;
	AUTO(json) json_t *body = json_pack("{s:s}", "registration_id", row->registration_id);
	return jobs_put(l, job, e) && outbox_put(l, row, &changed, e) &&
	       audit_append(l, "enroll.queued", job->id, body, row->queued_ms, &index, e);
}

static bool add_unit(struct ledger *l, const struct filler *f, unsigned number, struct err *e)
{
	AUTO(job_row) struct job_row job = {.intent_index = -1, .visits = 1, .verdict = VERDICT_BUILT};
	AUTO(outbox_row) struct outbox_row row = {.queued_ms = clock_wall_ms() - f->age_ms};
	snprintf(job.id, sizeof(job.id), "%032x", number);
	snprintf(job.serial, sizeof(job.serial), "SN%05u", number);
	snprintf(job.registration_id, sizeof(job.registration_id), "%s%05u", f->prefix, number);
	memcpy(row.job, job.id, sizeof(row.job));
	memcpy(row.registration_id, job.registration_id, sizeof(row.registration_id));
	if (!make_leaf(job.registration_id, number, &job.leaf, e))
		return false;
	sha256_of(job.leaf.data, job.leaf.len, job.leaf_spki_sha256);
	memcpy(job.cert_serial, job.leaf_spki_sha256, sizeof(job.cert_serial));
	const struct individual_wanted wanted = {.registration_id = job.registration_id, .leaf = &job.leaf};
	return individual_body(&wanted, &row.body, e) && (number != f->spoiled || spoil(&row.body, e)) && queue(l, &job, &row, e);
}

static bool add_portion(struct ledger *l, const struct filler *f, unsigned from, unsigned to, struct err *e)
{
	if (!ledger_begin(l, e))
		return false;
	for (unsigned number = from; number < to; number++) {
		if (add_unit(l, f, number, e))
			continue;
		ledger_rollback(l);
		return false;
	}
	return ledger_commit(l, e);
}

bool filler_fill(const char *path, const char *origin, const struct filler *f, struct err *e)
{
	struct ledger *l = NULL;
	unsigned end = f->first + f->count;
	bool ok = ledger_open(path, origin, &l, e);
	for (unsigned from = f->first; ok && from < end; from += PORTION)
		ok = add_portion(l, f, from, from + PORTION < end ? from + PORTION : end, e);
	ledger_close(l);
	return ok;
}
