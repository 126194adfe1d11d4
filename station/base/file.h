/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files, read with a cap and written so that a power cut leaves the old one or the new one; and secrets by reference. */
#ifndef STATION_BASE_FILE_H
#define STATION_BASE_FILE_H

#include "station/base/bytes.h"

#include <sys/types.h>

/* Appends the content of a regular file; E_TEXT if it is longer than ret->max (or the default). E_FILE. */
WARN_UNUSED bool file_read(const char *path, struct bytes *ret, struct err *e);

/* Writes to a temporary name beside it, syncs, renames, syncs the directory. E_FILE. */
WARN_UNUSED bool file_write_atomic(const char *path, const void *data, size_t len, mode_t mode, struct err *e);

/* Makes a directory whose name is on disk when this returns; one that is there is left as it is. E_FILE. */
WARN_UNUSED bool file_make_directory(const char *path, mode_t mode, struct err *e);
/* What was made, renamed or removed beside `path`, and itself, is on disk by its name. E_FILE. */
WARN_UNUSED bool file_sync_directory_of(const char *path, struct err *e);

/* Reads a secret by reference: "file:PATH" (a regular file of ours or root's that group and others cannot read) or
 * "credential:NAME" (a file of that name in $CREDENTIALS_DIRECTORY, as systemd gives it). One trailing line end is dropped.
 * ret->secret is set. E_SECRET, whose text never holds the secret. */
WARN_UNUSED bool secret_read(const char *reference, struct bytes *ret, struct err *e);

/* True if the text has the form of a reference. */
bool secret_is_reference(const char *text);

#endif
