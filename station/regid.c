/* SPDX-License-Identifier: Apache-2.0 */
#include "station/regid.h"
#include "station/base/text.h"

#include <ctype.h>
#include <string.h>

void regid_from_hash(const uint8_t hash[static SHA256_SIZE], char out[static REGID_ROOM])
{
	base32_encode(hash, SHA256_SIZE, out);
}

static bool alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool regid_is_valid(const char *id, struct err *e)
{
	size_t n = strlen(id);
	if (n == 0)
		return err_set(e, E_ID_INVALID, "the id is empty");
	if (n > REGID_MAX)
		return err_set(e, E_ID_INVALID, "\"%.70s\" has %zu characters; a common name holds %d", id, n, REGID_MAX);
	for (size_t i = 0; i < n; i++)
		if (!alphanumeric(id[i]) && (!id[i] || !strchr("-._:", id[i])))
			return err_set(e, E_ID_INVALID, "character %zu of \"%s\" is not one of a-z 0-9 - . _ :", i + 1, id);
	if (!alphanumeric(id[0]) || !alphanumeric(id[n - 1]))
		return err_set(e, E_ID_INVALID, "\"%s\" must begin and end with a letter or digit", id);
	return true;
}

/* The value of the field that begins at `at` ("{serial}…"), and how many characters the field takes; NULL if it is none. */
static const char *field_value(const char *at, const struct regid_facts *facts, const char *ek, size_t *ret_len)
{
	const struct { const char *name, *value; } fields[] = {
		{"{serial}", facts->serial}, {"{model}", facts->model}, {"{ek}", ek}, {"{id}", facts->id},
	};
	size_t known = facts->id ? COUNT_OF(fields) : COUNT_OF(fields) - 1;
	for (size_t i = 0; i < known; i++) {
		*ret_len = strlen(fields[i].name);
		if (!strncmp(at, fields[i].name, *ret_len))
			return fields[i].value ? fields[i].value : "";
	}
	return NULL;
}

static bool fill(const char *template, const struct regid_facts *facts, struct bytes *ret, struct err *e)
{
	char ek[REGID_ROOM] = "";
	if (facts->ek_sha256)
		regid_from_hash(facts->ek_sha256, ek);
	for (const char *p = template; *p;) {
		size_t len = 1;
		const char *value = *p == '{' ? field_value(p, facts, ek, &len) : NULL;
		if (*p == '{' && !value)
			return err_set(e, E_ID_INVALID, "\"%s\" names an unknown field; {serial}, {model} and {ek} are known%s", template,
				       facts->id ? ", and {id}" : "");
		if (value ? !bytes_add_text(ret, value, e) : !bytes_add(ret, p, 1, e))
			return false;
		p += len;
	}
	return true;
}

bool regid_from_template(const char *template, const struct regid_facts *facts, char out[static REGID_ROOM], struct err *e)
{
	AUTO(bytes) struct bytes id = {.max = 1024};
	if (!fill(template, facts, &id, e))
		return false;
	for (size_t i = 0; i < id.len; i++)
		id.data[i] = (uint8_t)tolower(id.data[i]);
	if (!regid_is_valid(bytes_text(&id), e))
		return false;
	return text_copy(out, REGID_ROOM, bytes_text(&id), e);
}

static bool stands_in_a_hub(char c)
{
	return alphanumeric((char)tolower((unsigned char)c)) || (c && strchr("-.+%_#*?!(),:=@$'", c));
}

bool regid_device_id(const char *template, const struct regid_facts *facts, char out[static DEVICE_ID_ROOM], struct err *e)
{
	AUTO(bytes) struct bytes id = {.max = 1024};
	if (!fill(template, facts, &id, e))
		return false;
	if (id.len == 0 || id.len > DEVICE_ID_MAX)
		return err_set(e, E_ID_INVALID, "a device id of %zu characters; a hub takes 1 to %d", id.len, DEVICE_ID_MAX);
	for (size_t i = 0; i < id.len; i++)
		if (!stands_in_a_hub((char)id.data[i]))
			return err_set(e, E_ID_INVALID, "character %zu of device id \"%s\" is none that a hub takes", i + 1, bytes_text(&id));
	return text_copy(out, DEVICE_ID_ROOM, bytes_text(&id), e);
}

static bool size_prefix_fits(const uint8_t *p, size_t len)
{
	return len > 2 && len <= 2048 && (size_t)(p[0] << 8 | p[1]) == len - 2;
}

bool regid_hash_ek_file(const void *data, size_t len, uint8_t ret[static SHA256_SIZE], struct err *e)
{
	const uint8_t *p = data;
	AUTO(bytes) struct bytes decoded = {.max = 4096};
	if (size_prefix_fits(p, len)) {
		sha256_of(p, len, ret);
		return true;
	}
	while (len && isspace(p[len - 1]))
		len--;
	while (len && isspace(*p))
		p++, len--;
	if (!base64_decode((const char *)p, len, &decoded, NULL))
		return err_set(e, E_TEXT, "neither a marshalled TPM2B_PUBLIC with its size prefix nor the base64 of one; "
			"`tpm2_readpublic -c 0x81010001 -f tss -o FILE` writes it");
	if (!size_prefix_fits(decoded.data, decoded.len))
		return err_set(e, E_TEXT, "the base64 holds no marshalled TPM2B_PUBLIC: its size prefix does not fit");
	sha256_of(decoded.data, decoded.len, ret);
	return true;
}
