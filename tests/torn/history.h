/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of torn: what a recording is made of. Descriptors are known by the inode behind them; what is not in the watched directory
 * is left alone. */
#ifndef TESTS_TORN_HISTORY_H
#define TESTS_TORN_HISTORY_H

#include "torn.h"

#include <sys/types.h>

struct torn *history_new(const char *dir);
void history_promise(struct torn *t, uint64_t what);

void history_make(struct torn *t, int fd, const char *path, mode_t mode);
void history_write(struct torn *t, int fd, off_t at, const void *data, size_t len);
void history_resize(struct torn *t, int fd, off_t size);
/* False if the descriptor is nothing of the watched directory. */
bool history_sync(struct torn *t, int fd);
void history_rename(struct torn *t, const char *from, const char *to);
void history_link(struct torn *t, const char *from, const char *to);
void history_remove(struct torn *t, const char *path, const char *none);
void history_mkdir(struct torn *t, const char *path, const char *none);

#endif
