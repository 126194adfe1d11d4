/* SPDX-License-Identifier: Apache-2.0 */
/* What holds within a profile: names that need or exclude each other, and the files that it names. */
#include "station/config_table.h"

#include "certs/ca.h"
#include "drivers/driver.h"
#include "station/base/file.h"
#include "station/base/json.h"

#include <string.h>

#define TWIN_MAX 16384u	/* of its canonical text: with a certificate beside it, it fits the outbox */

/* Splits what the PEM file holds into roots and intermediates; the profile takes the bytes. */
static bool sort_roots(struct config_profile *p, struct bytes *certs, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		struct cert_facts facts = {0};
		if (!cert_look(certs[i].data, certs[i].len, &facts, e))
			return err_in(e, "certificate %zu", i + 1);
		if (!facts.is_ca)
			return err_set(e, E_CONFIG, "certificate %zu (%.80s) is no CA", i + 1, facts.subject);
		if (facts.self_signed)
			p->ek_roots[p->ek_root_count++] = certs[i];
		else
			p->ek_intermediates[p->ek_intermediate_count++] = certs[i];
		certs[i] = (struct bytes){0};
	}
	return p->ek_root_count > 0 || err_set(e, E_CONFIG, "holds no self-signed root");
}

static bool load_roots(struct config_profile *p, struct err *e)
{
	struct bytes certs[CONFIG_ROOTS_MAX] = {0};
	size_t count = 0;
	bool ok = cert_read_pem_file(p->ek_roots_path, certs, CONFIG_ROOTS_MAX, &count, e) && sort_roots(p, certs, count, e);
	for (size_t i = 0; i < CONFIG_ROOTS_MAX; i++)
		bytes_fini(&certs[i]);
	return ok;
}

/* ---- the twin ---- */

/* True if the object has no other members than the one or two named, and these are objects. */
static bool only_objects(const json_t *object, const char *one, const char *other)
{
	const char *name;
	json_t *value;
	json_object_foreach((json_t *)(uintptr_t)object, name, value)
		if ((strcmp(name, one) != 0 && (!other || strcmp(name, other) != 0)) || !json_is_object(value))
			return false;
	return json_is_object(object);
}

static bool twin_is_one(const json_t *twin)
{
	const json_t *properties = json_object_get(twin, "properties");
	return only_objects(twin, "tags", "properties") && (!properties || only_objects(properties, "desired", NULL));
}

static bool load_twin(struct config_profile *p, struct err *e)
{
	AUTO(bytes) struct bytes text = {.max = 4 * TWIN_MAX};
	AUTO(json) json_t *twin = NULL;
	if (!file_read(p->twin_path, &text, e) || !json_parse((const char *)text.data, text.len, &twin, e))
		return false;
	if (!twin_is_one(twin))
		return err_set(e, E_CONFIG, "holds something else than {\"tags\":{…},\"properties\":{\"desired\":{…}}}");
	p->twin.max = TWIN_MAX;
	return json_canonical(twin, &p->twin, e);
}

/* ---- what fits together ---- */

static bool units_have_a_tpm(const struct config_profile *p)
{
	const struct driver *driver = driver_real(p->driver);
	return !driver || driver->proof == PROOF_TPM;
}

static bool is_of_a_group(const struct config_profile *p)
{
	return p->attestation == ATTEST_X509_GROUP;
}

static bool has_its_own_entry(const struct config_profile *p)
{
	return !is_of_a_group(p);
}

static bool has_a_key_at_a_handle(const struct config_profile *p)
{
	return units_have_a_tpm(p) && p->attestation != ATTEST_TPM;
}

static bool gets_a_certificate(const struct config_profile *p)
{
	return p->attestation != ATTEST_TPM;
}

static const struct {
	const char *name;
	bool (*has_effect)(const struct config_profile *p);
	const char *only;
} rules[] = {
	{"group", is_of_a_group, "attestation = x509-group"},
	{"device_id", has_its_own_entry, "attestation = x509-individual or tpm"},
	{"hub", has_its_own_entry, "attestation = x509-individual or tpm"},
	{"allocation", has_its_own_entry, "attestation = x509-individual or tpm"},
	{"twin", has_its_own_entry, "attestation = x509-individual or tpm"},
	{"reprovision", has_its_own_entry, "attestation = x509-individual or tpm"},
	{"edge", has_its_own_entry, "attestation = x509-individual or tpm"},
	{"ek_roots", units_have_a_tpm, "a driver whose units have a TPM"},
	{"ek_certificate", units_have_a_tpm, "a driver whose units have a TPM"},
	{"ek_mismatch", units_have_a_tpm, "a driver whose units have a TPM"},
	{"key_handle", has_a_key_at_a_handle, "a TPM that holds the key of a certificate"},
	{"validity_days", gets_a_certificate, "an attestation by certificate"},
	{"extended_key_usage", gets_a_certificate, "an attestation by certificate"},
	{"alternative_name", gets_a_certificate, "an attestation by certificate"},
	{"organization", gets_a_certificate, "an attestation by certificate"},
	{"organizational_unit", gets_a_certificate, "an attestation by certificate"},
};

static void check_rules(const struct config_profile *p, const struct config_seen *seen, struct mistakes *m)
{
	for (size_t i = 0; i < COUNT_OF(rules); i++)
		if (config_given(seen, rules[i].name) && !rules[i].has_effect(p))
			mistake_add(m, config_line_of(seen, rules[i].name), "%s has no effect without %s", rules[i].name, rules[i].only);
	if (is_of_a_group(p) && !config_given(seen, "group"))
		mistake_add(m, seen->line, "group is missing; attestation = x509-group needs it");
}

static void check_id(struct config_profile *p, const struct config_seen *seen, struct mistakes *m)
{
	bool tpm = units_have_a_tpm(p);
	if (!tpm && !config_given(seen, "id"))
		p->id = ID_SPKI_SHA256;
	if (p->id == ID_TEMPLATE && !config_given(seen, "id_template"))
		mistake_add(m, config_line_of(seen, "id"), "id = template needs id_template beside it");
	if (p->id != ID_TEMPLATE && config_given(seen, "id_template"))
		mistake_add(m, config_line_of(seen, "id_template"), "id_template has no effect without id = template");
	if (!tpm && p->id == ID_EK_SHA256)
		mistake_add(m, config_line_of(seen, "id"), "id = ek-sha256 needs a TPM; units of driver %s take spki-sha256 or template",
			    p->driver);
	if (!tpm && strstr(p->id_template, "{ek}"))
		mistake_add(m, config_line_of(seen, "id_template"), "{ek} needs a TPM; units of driver %s have none", p->driver);
	if (!tpm && strstr(p->device_id, "{ek}"))
		mistake_add(m, config_line_of(seen, "device_id"), "{ek} needs a TPM; units of driver %s have none", p->driver);
	if (p->attestation == ATTEST_TPM && p->id == ID_SPKI_SHA256)
		mistake_add(m, config_line_of(seen, "id"), "id = spki-sha256 is of a device key; attestation = tpm makes none");
}

void config_check_profile(struct config_profile *p, const struct config_seen *seen, struct mistakes *m)
{
	struct err roots = {0}, twin = {0};
	bool tpm = units_have_a_tpm(p);
	check_rules(p, seen, m);
	check_id(p, seen, m);
	if (p->server && !p->dns_name)
		mistake_add(m, config_line_of(seen, "extended_key_usage"), "extended_key_usage = client-server needs alternative_name = dns");
	if (!tpm && p->attestation == ATTEST_TPM)
		mistake_add(m, config_line_of(seen, "attestation"), "attestation = tpm needs a TPM; units of driver %s have none", p->driver);
	if (tpm && p->need_ek_cert && !config_given(seen, "ek_roots"))
		mistake_add(m, seen->line, "ek_roots is missing; it names the TPM makers' certificates "
			    "(or set ek_certificate = optional)");
	if (p->ek_roots_path[0] && !load_roots(p, &roots))
		mistake_add(m, config_line_of(seen, "ek_roots"), "ek_roots: %s", roots.what);
	if (p->twin_path[0] && !load_twin(p, &twin))
		mistake_add(m, config_line_of(seen, "twin"), "twin: %s", twin.what);
}
