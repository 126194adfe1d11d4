/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs about the audit log do first: find the ledger, read a verifier key, and the checkpoint in a file. */
#ifndef STATION_CMD_AUDIT_H
#define STATION_CMD_AUDIT_H

#include "certs/note.h"
#include "db/ledger.h"

/* Opens for reading the ledger of --ledger, or of the configuration. ledger_close ends it. E_USAGE without either, E_CONFIG,
 * E_DB. */
WARN_UNUSED bool audit_open_ledger(const char *config_path, const char *ledger_path, struct ledger **ret, struct err *e);

/* The line in the file, without its end. E_USAGE without a path, E_FILE. */
WARN_UNUSED bool audit_read_vkey(const char *path, struct bytes *ret, struct err *e);

/* The checkpoint in a file: a signed note, or a result or hand-over (JSON) with one in it. With vkey_path NULL its signature is
 * not looked at. E_FILE, E_JSON, E_AUDIT. */
WARN_UNUSED bool audit_read_checkpoint(const char *path, const char *vkey_path, struct checkpoint *ret, struct err *e);

#endif
