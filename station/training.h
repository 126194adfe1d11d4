/* SPDX-License-Identifier: Apache-2.0 */
/* Training: the line as it is, with its jig, its slots and its products, against an emulated service, a CA and a ledger of its own.
 * Nothing of it is real, and nothing real is touched: everything lies below STATE/training, and goes with that folder.
 *
 * What a training line is comes from the real one's configuration, as text: the sections of people, scanner, jig, profiles and
 * slots are taken over, those of the service, the CA, the MES and the API are not. A unit's factory mode is never closed, and its
 * key is made at a handle of its own, where an earlier training's key may be replaced; a unit that has only one place for a key
 * keeps the one it has. */
#ifndef STATION_TRAINING_H
#define STATION_TRAINING_H

#include "station/config.h"

#include <sys/types.h>

#define TRAINING_KEY_HANDLE "0x810001f0"

/* STATE/training/NAME of the real line's state. E_FILE. */
WARN_UNUSED bool training_path(const struct config *real, const char *name, char *out, size_t room, struct err *e);

/* Makes STATE/training: a passphrase, a CA whose subjects say TRAINING and whose root nobody can use again, and for each profile
 * the order TRAINING-PROFILE. What is there stays. E_FILE, E_CA_FILE. */
WARN_UNUSED bool training_prepare(const struct config *real, struct err *e);

/* Keeps the real line from running meanwhile; *ret is to be closed. E_DB_LOCKED if it runs. */
WARN_UNUSED bool training_lock(const struct config *real, int *ret, struct err *e);

/* What a configuration needs of the emulated service. */
struct training_service {
	char url[256], id_scope[64], ca_file[PATH_MAX], policy[65], arm_id[512];
};

/* Starts the emulated service, which ends with this process, and waits until it answers. It is the program beside this one: in
 * ../lib/station where this one is installed, else in its build directory. Its secrets lie in STATE/training/secrets.
 * E_FILE, E_NET. */
WARN_UNUSED bool training_serve(const struct config *real, struct training_service *ret, pid_t *ret_pid, struct err *e);

/* The configuration of the training line, out of the text of the real one. Pure. E_NOMEM, E_TEXT. */
WARN_UNUSED bool training_config(const struct config *real, const char *text, size_t len, const struct training_service *service,
				 struct bytes *ret, struct err *e);
/* Writes it to STATE/training/station.conf. E_FILE. */
WARN_UNUSED bool training_write(const struct config *real, const struct training_service *service, struct err *e);

#endif
