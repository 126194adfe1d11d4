/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything the service remembers: shelves of JSON records, each record a file of its own.
 *
 * A record is written to DIR/<shelf>/<key>.json, by rename, the moment it changes; what is in
 * memory and what is on disk are the same after every request. A restart with the same directory
 * therefore answers as before. The caller holds the service's lock.
 */
#ifndef SIM_DPS_STORE_H
#define SIM_DPS_STORE_H

#include <jansson.h>
#include <stdbool.h>

enum shelf {
	SHELF_GROUPS,
	SHELF_ENROLLMENTS,
	SHELF_REGISTRATIONS,
	SHELF_OPERATIONS,
	SHELF_CERTIFICATES,
	SHELF_DEVICES,
	SHELF_TWINS,
	SHELF_CHALLENGES,
	SHELF_COUNTS,
	SHELVES
};

struct store {
	char *dir;
	json_t *shelf[SHELVES];
};

/* Makes the directory when it is absent, reads what is in it. Says why not on stderr. */
bool store_open(struct store *s, const char *dir);
void store_close(struct store *s);

/* The directory's name: "groups", "enrollments", "registrations", ... */
const char *store_shelf_name(enum shelf shelf);

/* The record lent, or NULL. */
json_t *store_get(const struct store *s, enum shelf shelf, const char *key);

/* Keeps the record (takes it) under the key, in memory and on disk. */
bool store_put(struct store *s, enum shelf shelf, const char *key, json_t *take);
void store_remove(struct store *s, enum shelf shelf, const char *key);

/* The keys of a shelf in byte order; free() the array only. */
const char **store_keys(const struct store *s, enum shelf shelf, size_t *ret_n);

/* A single document beside the shelves: DIR/<name>. NULL when absent; *_write does not take. */
json_t *store_read_document(const struct store *s, const char *name);
bool store_write_document(const struct store *s, const char *name, const json_t *doc);

#endif
