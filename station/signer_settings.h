/* SPDX-License-Identifier: Apache-2.0 */
/* The signer's setup out of the configuration: for the signer's process, and for verbs that open the custody themselves
 * while no line runs. */
#ifndef STATION_SIGNER_SETTINGS_H
#define STATION_SIGNER_SETTINGS_H

#include "certs/signer.h"
#include "station/config.h"

struct signer_settings {
	struct signer_profile profile[CONFIG_PROFILES_MAX];
	char state_path[PATH_MAX], pin_path[PATH_MAX];
	struct signer_setup setup;	/* lends from the configuration and from here: not to be moved */
};

/* What a profile has in its leaves. */
struct leaf_form leaf_form_of(const struct config_profile *p);

/* E_FILE (the path of the state directory is too long). */
WARN_UNUSED bool signer_settings_of(const struct config *config, struct signer_settings *ret, struct err *e);

#endif
