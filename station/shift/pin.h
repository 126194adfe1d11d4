/* SPDX-License-Identifier: Apache-2.0 */
/* PINs as Argon2id (RFC 9106), by libsodium; nobody else in the project knows it. */
#ifndef STATION_SHIFT_PIN_H
#define STATION_SHIFT_PIN_H

#include "station/base/bytes.h"

#define PIN_HASH 128	/* "$argon2id$v=19$m=…", and NUL */
#define PIN_LEAST 4
#define PIN_MOST 12

/* A PIN is PIN_LEAST to PIN_MOST digits. E_PIN if it is not; E_NOMEM. Takes about a tenth of a second and 64 MiB. */
WARN_UNUSED bool pin_hash(const struct bytes *pin, char ret[static PIN_HASH], struct err *e);
/* True if the hash is this PIN's. */
bool pin_fits(const struct bytes *pin, const char *hash);

#endif
