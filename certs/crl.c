/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/crl.h"
#include "certs/der.h"

#include <stdlib.h>
#include <string.h>

#define FRAME_MAX 4096	/* names, times, extensions and the signature */
#define ENTRY_MAX 96

static const uint8_t oid_crl_number[] = {0x55, 0x1d, 0x14};
static const uint8_t oid_reason_code[] = {0x55, 0x1d, 0x15};

enum { DER_ENUMERATED = 0x0a };

static void put_big_endian(struct der *d, uint64_t number)
{
	uint8_t bytes[8];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(number >> (8 * (sizeof(bytes) - 1 - i)));
	der_unsigned(d, bytes, sizeof(bytes));
}

static void put_reason(struct der *d, uint8_t reason)
{
	size_t list = der_open(d, DER_SEQUENCE), extension = der_open(d, DER_SEQUENCE);
	der_put(d, DER_OID, oid_reason_code, sizeof(oid_reason_code));
	size_t value = der_open(d, DER_OCTET_STRING);
	der_put(d, DER_ENUMERATED, &reason, 1);
	der_close(d, value);
	der_close(d, extension);
	der_close(d, list);
}

static void put_entry(struct der *d, const struct crl_entry *entry)
{
	size_t whole = der_open(d, DER_SEQUENCE);
	der_unsigned(d, entry->serial, sizeof(entry->serial));
	der_time(d, entry->time_ms);
	if (entry->reason)
		put_reason(d, entry->reason);
	der_close(d, whole);
}

static void put_extensions(struct der *d, const struct issuer *ca, uint64_t number)
{
	size_t field = der_open(d, DER_CONTEXT_OF + 0), list = der_open(d, DER_SEQUENCE);
	issue_put_authority_key_id(d, ca);
	size_t extension = der_open(d, DER_SEQUENCE);
	der_put(d, DER_OID, oid_crl_number, sizeof(oid_crl_number));
	size_t value = der_open(d, DER_OCTET_STRING);
	put_big_endian(d, number);
	der_close(d, value);
	der_close(d, extension);
	der_close(d, list);
	der_close(d, field);
}

/* TBSCertList: what is signed. A list of nothing has no revokedCertificates (section 5.1.2.6). */
static void put_list(struct der *d, const struct issuer *ca, const struct crl_wanted *w)
{
	size_t whole = der_open(d, DER_SEQUENCE);
	der_put(d, DER_INTEGER, "\x01", 1);	/* version 2 */
	issue_put_algorithm(d, &ca->key->key);
	der_raw(d, ca->subject.data, ca->subject.len);
	der_time(d, w->this_ms);
	der_time(d, w->next_ms);
	if (w->count) {
		size_t entries = der_open(d, DER_SEQUENCE);
		for (size_t i = 0; i < w->count; i++)
			put_entry(d, &w->entries[i]);
		der_close(d, entries);
	}
	put_extensions(d, ca, w->number);
	der_close(d, whole);
}

static bool sign(const struct issuer *ca, const struct der *list, struct der *d, struct err *e)
{
	uint8_t digest[SHA256_SIZE];
	struct keystore_signature signature;
	sha256_of(list->data, list->len, digest);
	if (!keystore_sign(ca->key, digest, &signature, e))
		return false;
	size_t whole = der_open(d, DER_SEQUENCE);
	der_raw(d, list->data, list->len);
	issue_put_algorithm(d, &ca->key->key);
	size_t bits = der_open_bits(d);
	der_raw(d, signature.data, signature.len);
	der_close(d, bits);
	der_close(d, whole);
	return der_whole(d) || err_set(e, E_SIGN, "a list of more than %zu bytes", d->room);
}

static bool may_sign(const struct issuer *ca, const struct crl_wanted *w, struct err *e)
{
	if (!ca->may_sign_lists)
		return err_set(e, E_CA_FILE, "the CA's certificate does not allow revocation lists (keyUsage cRLSign)");
	if (w->this_ms < ca->not_before_ms || w->this_ms >= ca->not_after_ms)
		return err_set(e, E_CA_EXPIRED, "the CA's certificate is not valid now");
	return w->next_ms > w->this_ms || err_set(e, E_SIGN, "a list whose next one is due before it");
}

bool crl_sign(const struct issuer *ca, const struct crl_wanted *wanted, struct bytes *ret, struct err *e)
{
	size_t room = FRAME_MAX + wanted->count * ENTRY_MAX;
	if (!may_sign(ca, wanted, e))
		return false;
	uint8_t *memory = malloc(2 * room);
	if (!memory)
		return err_set(e, E_NOMEM, "revocation list");
	struct der list = {.data = memory, .room = room}, whole = {.data = memory + room, .room = room};
	put_list(&list, ca, wanted);
	bool ok = (der_whole(&list) || err_set(e, E_SIGN, "a list of more than %zu bytes, or a time beyond 9999", room)) &&
		  sign(ca, &list, &whole, e) && bytes_add(ret, whole.data, whole.len, e);
	free(memory);
	return ok;
}
