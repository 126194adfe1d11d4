/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enrollment groups and individual enrollments: two kinds of entry, one set of rules. The operations
 * themselves stand in operations.h; this is what other parts of the service ask about entries.
 */
#ifndef SIM_DPS_ENTRIES_H
#define SIM_DPS_ENTRIES_H

#include "service.h"

/* --group ID=FILE: makes the group when it is absent. Says why not on stderr. */
bool group_add(struct service *svc, const char *id_and_file);

/* The individual enrollment of this registration id, lent, or NULL. */
json_t *enrollment_find(const struct service *svc, const char *registration_id);

/* The individual enrollment that holds this client certificate, lent, or NULL. */
json_t *enrollment_of_leaf(const struct service *svc, const char *sha256);

/*
 * The group that holds this certificate as signing certificate, or refers to it by the name of a CA
 * certificate stored with the instance; lent, or NULL.
 */
json_t *group_of_signer(const struct service *svc, const char *sha256);

/* x-ms-max-item-count and x-ms-continuation, read and checked: the keys [*ret_from, *ret_to). */
bool page_cut(const struct request *r, const char *const *keys, size_t n, size_t *ret_from,
	size_t *ret_to, struct answer *a);

/* Answers the list with the headers of a query. `more` is the last key given, or NULL at the end. */
void page_answer(struct answer *a, json_t *take_list, const char *item_type, size_t count,
	const char *more);

#endif
