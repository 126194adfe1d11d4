/* SPDX-License-Identifier: Apache-2.0 */
/* A leaf as a profile would have it under a CA, for the linter: the CA's name, identifiers and time, and keys of a
 * moment in the place of the CA's and the device's. It is of no use to anybody: nothing that the CA has signed it. */
#ifndef CERTS_SPECIMEN_H
#define CERTS_SPECIMEN_H

#include "certs/issue.h"

/* Replaces ret by the leaf (DER) that the CA would issue at now_ms. Errors of issue_build, E_CA_FILE. */
WARN_UNUSED bool specimen_make(const struct bytes *ca, const char *id, uint32_t validity_days, const struct leaf_form *form,
			       int64_t now_ms,
			       struct bytes *ret, struct err *e);

#endif
