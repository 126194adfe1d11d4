/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Enrollment groups and individual enrollments: two kinds of entry, one set of rules. The operations
 * themselves stand in operations.h; this is what other parts of the service ask about entries.
 */
#ifndef SIM_DPS_ENTRIES_H
#define SIM_DPS_ENTRIES_H

#include "fields.h"
#include "service.h"

/* What differs between the two kinds. */
struct entry_type {
	enum entry_kind kind;
	enum shelf shelf;
	const char *id_field, *certificates, *item_type;
	const char *list_field; /* of a bulk call */
};

extern const struct entry_type entry_groups, entry_individuals;

/* Lent, or NULL. Ids compare without case. */
json_t *entry_find(const struct service *svc, const struct entry_type *type, const char *id);

/*
 * Makes or replaces the entry as a PUT does: `if_match` NULL makes one (409 when it is there), else one
 * that is there and fits is replaced (412). Answers 200 with the entry, or the error.
 */
bool entry_write(struct service *svc, const struct entry_type *type, const char *id, const json_t *body,
	const char *api_version, const char *if_match, struct answer *a);

/* `if_match` NULL fits every entry. Answers 204, or the error (404, 412). */
bool entry_remove(struct service *svc, const struct entry_type *type, const char *id, const char *if_match,
	struct answer *a);

/* --group ID=FILE: makes the group when it is absent. Says why not on stderr. */
bool group_add(struct service *svc, const char *id_and_file);

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
