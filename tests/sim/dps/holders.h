/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which entry holds which certificate. A certificate stands in one entry of the instance only, whatever
 * the entry's kind; the index is made from the entries at start and follows every change of one.
 */
#ifndef SIM_DPS_HOLDERS_H
#define SIM_DPS_HOLDERS_H

#include "entries.h"

void holders_open(struct service *svc);
void holders_close(struct service *svc);

/* The entry under this key holds what it holds now. */
void holders_add(struct service *svc, const struct entry_type *type, const char *key, const json_t *entry);
void holders_drop(struct service *svc, const struct entry_type *type, const json_t *entry);

/* May the entry under this key hold its certificates? False with the answer (409) when another one does. */
bool holders_allow(const struct service *svc, const struct entry_type *type, const char *key,
	const json_t *entry, struct answer *a);

/* The entry of this type that holds the certificate, lent, or NULL. */
json_t *holder_of(const struct service *svc, const struct entry_type *type, const char *sha256);

#endif
