/* SPDX-License-Identifier: Apache-2.0 */
#include "export.h"

#include "file.h"
#include "frame.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>

static const char *const export_names[] = { "leaf.pem", "chain.pem", "registration.json" };

enum bundle_tag {
	BUNDLE_LEAF = 1,
	BUNDLE_CA = 2,
	BUNDLE_ID_SCOPE = 3,
	BUNDLE_ENDPOINT = 4,
	BUNDLE_REGISTRATION_ID = 5,
	BUNDLE_KEY_PARENT = 6,
	BUNDLE_KEY_HANDLE = 7,
	BUNDLE_KEY_AUTH = 8,
	BUNDLE_KEY_URI = 9,
	BUNDLE_ATTESTATION = 10,
};

/* The text fields and the names under which registration.json shows them. */
static const struct {
	enum bundle_tag tag;
	const char *key;
} text_fields[] = {
	{ BUNDLE_ID_SCOPE, "idScope" },
	{ BUNDLE_ENDPOINT, "globalEndpoint" },
	{ BUNDLE_REGISTRATION_ID, "registrationId" },
	{ BUNDLE_KEY_URI, "keyUri" },
};

struct field {
	uint8_t tag;
	uint16_t len;
	const uint8_t *value;
};

/* Takes the next field at *at; false at the end and where the bytes are no field. */
static bool field_next(const uint8_t *b, size_t len, size_t *at, struct field *f)
{
	if (len - *at < 3)
		return false;
	f->tag = b[*at];
	f->len = get_u16(b + *at + 1);
	f->value = b + *at + 3;
	if (len - *at - 3 < f->len)
		return false;
	*at += 3u + f->len;
	return true;
}

/* Appends a certificate in PEM to a malloc'd text. */
static bool pem_append(char **text, size_t *text_len, const struct field *f)
{
	size_t room = (f->len + 2u) / 3 * 4 + 1;
	char *base64 = malloc(room);
	char *bigger = base64 ? realloc(*text, *text_len + room + room / 64 + 64) : NULL;
	if (!bigger) {
		free(base64);
		return false;
	}
	*text = bigger;
	int n = EVP_EncodeBlock((unsigned char *)base64, f->value, f->len);
	char *to = bigger + *text_len;
	to += sprintf(to, "-----BEGIN CERTIFICATE-----\n");
	for (int i = 0; i < n; i += 64)
		to += sprintf(to, "%.64s\n", base64 + i);
	to += sprintf(to, "-----END CERTIFICATE-----\n");
	*text_len = (size_t)(to - bigger);
	free(base64);
	return true;
}

struct texts {
	char *leaf, *chain;
	size_t leaf_len, chain_len;
	json_t *registration;
};

static bool text_take(struct texts *t, const struct field *f)
{
	char hex[16];
	switch (f->tag) {
	case BUNDLE_LEAF:
		return pem_append(&t->leaf, &t->leaf_len, f);
	case BUNDLE_CA:
		return pem_append(&t->chain, &t->chain_len, f);
	case BUNDLE_KEY_PARENT:
	case BUNDLE_KEY_HANDLE:
		if (f->len != 4)
			return false;
		snprintf(hex, sizeof hex, "0x%08x", get_u32(f->value));
		return json_object_set_new(t->registration, f->tag == BUNDLE_KEY_PARENT ? "keyParent" : "keyHandle",
			json_string(hex)) == 0;
	case BUNDLE_KEY_AUTH:
		return json_object_set_new(t->registration, "keyHasAuth", json_boolean(f->len > 0)) == 0;
	case BUNDLE_ATTESTATION:
		return f->len == 1 && f->value[0] == 1
			&& json_object_set_new(t->registration, "attestation", json_string("tpm")) == 0;
	}
	for (size_t i = 0; i < sizeof text_fields / sizeof *text_fields; i++)
		if (text_fields[i].tag == f->tag)
			return json_object_set_new(t->registration, text_fields[i].key,
				json_stringn((const char *)f->value, f->len)) == 0;
	return true; /* a later version's field is none of the export's business */
}

static bool texts_write(const char *dir, const struct texts *t, struct why *w)
{
	char *json = json_dumps(t->registration, JSON_INDENT(2));
	if (!json)
		return why_set(w, "out of memory");
	bool ok = file_replace(dir, "registration.json", json, strlen(json), w);
	if (ok && t->leaf)
		ok = file_replace(dir, "leaf.pem", t->leaf, t->leaf_len, w)
			&& file_replace(dir, "chain.pem", t->chain ? t->chain : "", t->chain_len, w);
	free(json);
	return ok;
}

bool export_bundle(const char *dir, const uint8_t *bundle, size_t len, struct why *w)
{
	struct texts t = { .registration = json_object() };
	struct field f;
	size_t at = 0;
	bool readable = bundle && t.registration;

	while (readable && at < len)
		readable = field_next(bundle, len, &at, &f) && text_take(&t, &f);
	bool ok = true;
	bool complete = readable && (t.leaf || json_object_get(t.registration, "attestation"));
	for (size_t i = 0; i < sizeof export_names / sizeof *export_names; i++)
		if (!complete || !t.leaf)
			file_remove(dir, export_names[i]);
	if (complete)
		ok = texts_write(dir, &t, w);
	free(t.leaf);
	free(t.chain);
	json_decref(t.registration);
	return ok;
}
