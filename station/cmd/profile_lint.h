/* SPDX-License-Identifier: Apache-2.0 */
/* What the leaves of profiles would be, held against the linter's rules (certs/lint.h) before the first unit. */
#ifndef STATION_CMD_PROFILE_LINT_H
#define STATION_CMD_PROFILE_LINT_H

#include "station/config.h"

/* Looks at a leaf of each profile that has one (of `only`, if not NULL), under the configuration's CA, and prints what
 * it breaks. False with E_PROFILE_LINT if anything does. E_CA_FILE, E_FILE. */
WARN_UNUSED bool profile_lint(const struct config *c, const char *only, struct err *e);

#endif
