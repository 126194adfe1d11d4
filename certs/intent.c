/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/intent.h"
#include "station/base/json.h"
#include "station/base/text.h"

#include <string.h>

#define ENDS(array) (memchr((array), '\0', sizeof(array)) != NULL)

bool intent_is_whole(const struct intent *i)
{
	return ENDS(i->job) && ENDS(i->registration_id) && ENDS(i->profile) && ENDS(i->order) && ENDS(i->replaces);
}

static const char *const entry_types[] = {[INTENT_LEAF] = "sign.intent", [INTENT_PERMIT] = "permit.intent"};

const char *intent_type(enum intent_kind kind)
{
	return entry_types[kind];
}

bool intent_entry(const struct intent *intent, struct bytes *ret, struct err *e)
{
	uint8_t key[SHA256_SIZE];
	char key_hex[2 * SHA256_SIZE + 1], serial_hex[2 * INTENT_SERIAL + 1];
	if (!intent_is_whole(intent))
		return err_set(e, E_TEXT, "a text of the intent has no end");
	if (intent->kind >= COUNT_OF(entry_types))
		return err_set(e, E_TEXT, "an intent of kind %u", intent->kind);
	if (!key_spki_sha256(&intent->key, key, e))
		return err_in(e, "the key of the intent");
	hex_encode(key, sizeof(key), key_hex);
	hex_encode(intent->serial, sizeof(intent->serial), serial_hex);
	AUTO(json) json_t *entry = json_pack("{s:{s:s, s:s, s:s, s:s, s:s}, s:s, s:I, s:s, s:i}",
		"body", "id", intent->registration_id, "key", key_hex, "order", intent->order, "profile", intent->profile,
		"serial", serial_hex, "job", intent->job, "time", (json_int_t)intent->time_ms, "type", entry_types[intent->kind],
		"v", 1);
	if (!entry)
		return err_set(e, E_TEXT, "a text of the intent is not UTF-8");
	if (intent->replaces[0] && json_object_set_new(json_object_get(entry, "body"), "replaces", json_string(intent->replaces)) < 0)
		return err_set(e, E_TEXT, "what the intent replaces is not UTF-8");
	return json_canonical(entry, ret, e);
}
