/* SPDX-License-Identifier: Apache-2.0 */
/* What several verbs do first. */
#ifndef STATION_CMD_LOAD_H
#define STATION_CMD_LOAD_H

#include "station/config.h"
#include "station/dps/dps.h"

/* Loads the configuration, printing every mistake on standard error. E_USAGE without a path, E_CONFIG. */
WARN_UNUSED bool command_config(const char *path, struct config **ret, struct err *e);

/* The same, refused where the configuration says role = line: E_ROLE. */
WARN_UNUSED bool command_engineer(const char *path, const char *verb, struct config **ret, struct err *e);

/* Starts the HTTP library and opens the client of this configuration's DPS. dps_close and http_stop end it. */
WARN_UNUSED bool command_dps(const struct config *c, struct dps **ret, struct err *e);

#endif
