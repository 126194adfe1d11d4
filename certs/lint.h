/* SPDX-License-Identifier: Apache-2.0 */
/* A linter for the leaves of devices: rules as rows, each with the section that it comes from (RFC 5280; what DPS wants
 * of a registration certificate). It reads what was issued, by whomever, with libcrypto, and so is another reading than
 * the writer in issue.c. */
#ifndef CERTS_LINT_H
#define CERTS_LINT_H

#include "station/base/err.h"

#include <stddef.h>

struct lint_rule {
	const char *name;	/* "serial-number" */
	const char *section;	/* "RFC 5280, 4.1.2.2" */
	const char *wants;	/* in words */
};

/* Called for each rule that the certificate breaks. */
typedef void lint_told(void *ctx, const struct lint_rule *rule);

/* *ret_broken says how many rules a DER certificate breaks. E_CA_FILE if it is no certificate of exactly this length. */
WARN_UNUSED bool lint_leaf(const void *der, size_t len, lint_told *told, void *ctx, size_t *ret_broken, struct err *e);

/* All rules, for a page; NULL behind the last. */
const struct lint_rule *lint_rule_at(size_t i);

#endif
