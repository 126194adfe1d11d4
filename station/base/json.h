/* SPDX-License-Identifier: Apache-2.0 */
/* The few things that the station does with JSON beyond jansson: strict parsing with an error, canonical text for hashing,
 * and members taken out with a check of their type. json_t objects are jansson's; AUTO(json) json_t *j drops a reference. */
#ifndef STATION_BASE_JSON_H
#define STATION_BASE_JSON_H

#include "station/base/bytes.h"

#include <jansson.h>

static inline void json_auto(json_t **j)
{
	json_decref(*j);
}

/* Parses one JSON text of `len` bytes; duplicate members are refused. E_JSON. The caller drops *ret. */
WARN_UNUSED bool json_parse(const char *text, size_t len, json_t **ret, struct err *e);

/* Appends the canonical form: members sorted by name, no white space. E_JSON for a NULL j, as jansson gives it when
 * memory is out. */
WARN_UNUSED bool json_canonical(const json_t *j, struct bytes *ret, struct err *e);

/* A text member of an object; a missing one or one of another type is E_JSON naming it. Lent, as long as the object lives. */
WARN_UNUSED bool json_get_text(const json_t *object, const char *name, const char **ret, struct err *e);

/* The text of a member, or `otherwise` where it is missing or no text. */
const char *json_text_or(const json_t *object, const char *name, const char *otherwise);
int64_t json_int_or(const json_t *object, const char *name, int64_t otherwise);

#endif
