/* SPDX-License-Identifier: Apache-2.0 */
#include "station/inbox.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/base/log.h"
#include "station/base/text.h"
#include "station/shift/order.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MS 2000
#define PATH_ROOM (PATH_MAX + 16 + NAME_MAX + 1)

/* ---- one file ---- */

static bool is_ready(const char *name)
{
	size_t n = strlen(name);
	return name[0] != '.' && (n < 4 || strcmp(name + n - 4, ".tmp") != 0);
}

/* Another order than the one with which the lot was opened. */
static bool fits_its_lot(struct line *l, const struct order *order, struct err *e)
{
	AUTO(lot_row) struct lot_row lot = {0};
	bool found = false;
	if (!lots_find(l->ledger, order->lot.id, &lot, &found, e))
		return false;
	return !found || !memcmp(lot.order_sha256, order->lot.order_sha256, SHA256_SIZE) ||
	       err_set(e, E_LOT_OTHER, "lot %s is %s, with another content", lot.id, lot_state_name(lot.state));
}

/* Writes it where the line looks for orders. E_ORDER, E_LOT_OTHER: it is none for this line; else it stays and comes again. */
static bool take_over(struct line *l, const char *path, const char *name, struct err *e)
{
	char to[PATH_ROOM], own[LOT_ID + 8];
	struct stat st;
	AUTO(order) struct order order = {0};
	AUTO(bytes) struct bytes text = {.max = ORDER_FILE_MAX};
	if (lstat(path, &st) == 0 && (!S_ISREG(st.st_mode) || st.st_size > (off_t)ORDER_FILE_MAX))
		return err_set(e, E_ORDER, "it is no file of at most %zu bytes", ORDER_FILE_MAX);
	if (!file_read(path, &text, e) || !order_parse(bytes_text(&text), text.len, &order, e))
		return false;
	snprintf(own, sizeof(own), "%s.json", order.lot.id);
	if (strcmp(own, name) != 0)
		return err_set(e, E_ORDER, "it holds order %s, and its name is not %s", order.lot.id, own);
	if (!fits_its_lot(l, &order, e))
		return false;
	if (mkdir(l->config->orders_dir, 0750) < 0 && errno != EEXIST)
		return err_errno(e, E_FILE, "making %s", l->config->orders_dir);
	snprintf(to, sizeof(to), "%s/%s", l->config->orders_dir, name);
	if (!file_write_atomic(to, text.data, text.len, 0640, e))
		return false;
	log_info("order %s came from the MES", order.lot.id);
	return unlink(path) == 0 || err_errno(e, E_FILE, "removing %s", path);
}

/* First the reason, then the file: who finds the file finds why. */
static bool refuse(struct line *l, const char *path, const char *name, const struct err *why, struct err *e)
{
	char dir[PATH_MAX + 16], to[PATH_ROOM], reason[PATH_ROOM + 4];
	AUTO(bytes) struct bytes text = {0};
	const struct err_row *row = err_row(why->code);
	snprintf(dir, sizeof(dir), "%s/refused", l->config->folder_in);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return err_errno(e, E_FILE, "making %s", dir);
	snprintf(to, sizeof(to), "%s/%s", dir, name);
	snprintf(reason, sizeof(reason), "%s.txt", to);
	if (!bytes_printf(&text, e, "%s %s\n%s\n", row->code, row->happened, why->what) ||
	    !file_write_atomic(reason, text.data, text.len, 0644, e))
		return false;
	log_err(LOG_LEVEL_WARN, why, "an order of the MES was refused");
	return rename(path, to) == 0 || err_errno(e, E_FILE, "moving %s", path);
}

static bool take_file(struct line *l, const char *name, struct err *e)
{
	char path[PATH_ROOM];
	struct err why = {0};
	snprintf(path, sizeof(path), "%s/orders/%s", l->config->folder_in, name);
	if (take_over(l, path, name, &why))
		return true;
	if (why.code == E_ORDER || why.code == E_LOT_OTHER)
		return refuse(l, path, name, &why, e);
	return err_native(e, why.code, why.native, "%s", why.what);
}

/* ---- all of them ---- */

/* Both names may mean one directory: then the orders are where they belong. */
static bool is_orders_dir(const struct line *l, const char *dir)
{
	struct stat here, there;
	return stat(dir, &here) == 0 && stat(l->config->orders_dir, &there) == 0 && here.st_dev == there.st_dev &&
	       here.st_ino == there.st_ino;
}

bool inbox_look(struct line *l, struct err *e)
{
	char path[PATH_MAX + 8];
	struct err first = {0};
	snprintf(path, sizeof(path), "%s/orders", l->config->folder_in);
	if (is_orders_dir(l, path))
		return true;
	DIR *dir = opendir(path);
	if (!dir)
		return errno == ENOENT || err_errno(e, E_FILE, "opening %s", path);
	for (struct dirent *d; !atomic_load(&l->stopping) && (d = readdir(dir));) {
		struct err why = {0};
		if (is_ready(d->d_name) && !take_file(l, d->d_name, &why) && !first.code)
			first = why;
	}
	closedir(dir);
	return !first.code || err_native(e, first.code, first.native, "%s", first.what);
}

/* ---- its thread ---- */

struct inbox {
	struct line *line;
	pthread_t thread;
	pthread_mutex_t lock;	/* what follows */
	pthread_cond_t news;
	bool ending;
};

/* False at the end. */
static bool wait_for_next(struct inbox *in)
{
	int64_t until_ms = clock_steady_ms() + LOOK_MS;
	struct timespec end = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};
	pthread_mutex_lock(&in->lock);
	while (!in->ending && clock_left_ms(until_ms))
		pthread_cond_timedwait(&in->news, &in->lock, &end);
	bool ending = in->ending;
	pthread_mutex_unlock(&in->lock);
	return !ending;
}

/* A trouble is said once, until it passes. */
static void *watch(void *arg)
{
	struct inbox *in = arg;
	bool said = false;
	do {
		struct err e = {0};
		bool ok = inbox_look(in->line, &e);
		if (!ok && !said)
			log_err(LOG_LEVEL_WARN, &e, "orders of the MES");
		said = !ok;
	} while (wait_for_next(in));
	return NULL;
}

bool inbox_start(struct line *l, struct inbox **ret, struct err *e)
{
	pthread_condattr_t attr;
	*ret = NULL;
	if (!l->config->folder_in[0] || l->mode == MODE_RECHECK)
		return true;
	struct inbox *in = calloc(1, sizeof(*in));
	if (!in)
		return err_set(e, E_NOMEM, "inbox");
	in->line = l;
	pthread_mutex_init(&in->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&in->news, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&in->thread, NULL, watch, in) != 0) {
		pthread_cond_destroy(&in->news);
		pthread_mutex_destroy(&in->lock);
		free(in);
		return err_set(e, E_NOMEM, "thread that takes orders over");
	}
	*ret = in;
	return true;
}

void inbox_stop(struct inbox *in)
{
	if (!in)
		return;
	pthread_mutex_lock(&in->lock);
	in->ending = true;
	pthread_cond_broadcast(&in->news);
	pthread_mutex_unlock(&in->lock);
	pthread_join(in->thread, NULL);
	pthread_cond_destroy(&in->news);
	pthread_mutex_destroy(&in->lock);
	free(in);
}
