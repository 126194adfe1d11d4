/* SPDX-License-Identifier: Apache-2.0 */
/* libsodium's limits for "interactive" use: two passes over 64 MiB. A PIN of four digits is guessed offline whatever the hash
 * costs; what it withstands is the look into the file by someone who would reuse it, and the reuse of another's PIN. */
#include "station/shift/pin.h"

#include <sodium.h>
#include <string.h>

_Static_assert(crypto_pwhash_STRBYTES <= PIN_HASH, "a hash fits");

static bool is_pin(const struct bytes *pin)
{
	size_t digits = 0;
	for (size_t i = 0; i < pin->len; i++)
		digits += pin->data[i] >= '0' && pin->data[i] <= '9';
	return digits == pin->len && digits >= PIN_LEAST && digits <= PIN_MOST;
}

bool pin_hash(const struct bytes *pin, char ret[static PIN_HASH], struct err *e)
{
	if (!is_pin(pin))
		return err_set(e, E_PIN, "a PIN is %d to %d digits", PIN_LEAST, PIN_MOST);
	memset(ret, 0, PIN_HASH);
	if (sodium_init() < 0 || crypto_pwhash_str(ret, (const char *)pin->data, pin->len, crypto_pwhash_OPSLIMIT_INTERACTIVE,
						   crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0)
		return err_set(e, E_NOMEM, "the hash of a PIN");
	return true;
}

bool pin_fits(const struct bytes *pin, const char *hash)
{
	return is_pin(pin) && sodium_init() >= 0 && crypto_pwhash_str_verify(hash, (const char *)pin->data, pin->len) == 0;
}
