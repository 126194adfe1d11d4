/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared access signatures, of the service's policies and of devices. What was signed is the raw text
 * of `sr` as it stands in the token; only to compare it with the resource asked for is it decoded.
 */
#ifndef SIM_DPS_SAS_H
#define SIM_DPS_SAS_H

#include <stdbool.h>
#include <stdint.h>

/* A token taken apart, every part as it was sent. */
struct sas {
	char *sr, *sig, *se, *skn;
};

/* Is this Authorization header meant as a shared access signature? NULL is not. */
bool sas_is_meant(const char *authorization);

/* False when a part is missing or stands there twice. The caller ends *t with sas_fini either way. */
bool sas_parse(struct sas *t, const char *authorization);
void sas_fini(struct sas *t);

/* Is it signed with this key (base64)? NULL signs nothing. */
bool sas_is_signed_with(const struct sas *t, const char *key);

bool sas_is_in_force(const struct sas *t, int64_t now_s);

/* HMAC-SHA256 of a text with a key in base64, itself in base64; NULL when the key is none. The caller frees. */
char *sas_digest(const char *key, const char *text);

#endif
