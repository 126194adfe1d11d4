/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of an enrollment, read field by field against a table: what the client may set is
 * checked and kept, what only the service sets is ignored, defaults are filled in. PUT is replace:
 * nothing of an older record flows into the new one.
 */
#ifndef SIM_DPS_FIELDS_H
#define SIM_DPS_FIELDS_H

#include "service.h"

enum entry_kind { KIND_GROUP = 1, KIND_INDIVIDUAL = 2 };

/*
 * The record that this body makes, without times and etag; certificates are kept as base64 of DER
 * beside their `info`. NULL with the answer (400) when the body breaks a rule.
 */
json_t *fields_read(const struct service *svc, enum entry_kind kind, const json_t *body,
	const char *api_version, struct answer *a);

/* 1..128 of letters, digits and - . _ : with a letter or digit first, a letter, digit or - last. */
bool id_is_valid(const char *id);

#endif
