/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that loses power, below SQLite and everybody else.
 *
 * This library stands before the C library: what a program writes, truncates, makes, renames, removes and syncs in the watched
 * directory goes through it, so SQLite's own file layer, the signer's state file, result files and a simulated device's store are
 * all under test as they are, down to the sync of a directory. It keeps the history of one run. From that, torn_build makes what the
 * disk may hold if the power had gone before operation N, any number of times:
 *
 * - What was synced is there: the bytes and the size of a file by its own fsync or fdatasync, its name by the fsync of its directory.
 *   A sync of one file says nothing of another.
 * - Of what was not synced, each sector of 512 bytes holds what it held before, or any later version, independently of all others;
 *   so writes are dropped, torn and reordered. A file's size is an old one or a later one, and where it is longer than what was
 *   kept, there are zeros or junk. Each making, renaming and removing of a name happened or did not.
 *
 * The seed chooses. Seed 0 keeps nothing that was not synced, seed 1 everything, the others mix.
 * Memory maps are not seen; SQLite maps its -shm only, which torn_build fills with junk where there was one.
 * While a history is recorded, or torn_quiet was called, nothing is really synced: what matters is kept here.
 *
 * As a preloaded library (LD_PRELOAD), TORN_FAIL lets a program's disk fail: see torn.c. */
#ifndef TESTS_TORN_TORN_H
#define TESTS_TORN_TORN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct torn;

/* Records from here on what happens in `dir` (absolute); what is in it now is durable. One recording at a time. */
void torn_begin(const char *dir);
/* The program has promised something: that is, whoever asked for it was told that it is done. */
void torn_promise(uint64_t what);
/* Ends the recording. torn_free ends the history. */
struct torn *torn_end(void);
void torn_free(struct torn *t);

/* Operations in the history; the power can go before each of them, and after the last (at == torn_count). */
size_t torn_count(const struct torn *t);
/* How many of them are syncs of files and of directories. */
size_t torn_syncs(const struct torn *t);
bool torn_is_sync(const struct torn *t, size_t at);
/* How many operations in [from, to) are writes to files that were ever called so (what their name ends in). */
size_t torn_writes(const struct torn *t, const char *name, size_t from, size_t to);
/* What the last promise before operation `at` was; 0 if there was none. */
uint64_t torn_promised(const struct torn *t, size_t at);
/* The first operation behind the first promise of `what`; torn_count if it was never made. */
size_t torn_first(const struct torn *t, uint64_t what);
/* The disk says that it synced the files whose name ends in `name`, and did not ("" none, the default). */
void torn_lie(struct torn *t, const char *name);

/* Makes the directory `to` anew: what the disk may hold if the power goes before operation `at`. */
void torn_build(struct torn *t, size_t at, uint64_t seed, const char *to);
/* Removes a directory that torn_build made. */
void torn_remove(const char *dir);

/* Syncs of this process are not done any more, or are again. */
void torn_quiet(bool quiet);

#endif
