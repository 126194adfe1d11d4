/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/label.h"
#include "station/base/file.h"
#include "station/base/json.h"
#include "station/shift/order.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct labels {
	size_t count;
	pthread_mutex_t lock;	/* what follows */
	char waiting[LABEL];	/* scanned, and its unit has not come */
	char tray[LABEL];
	char planned[CONFIG_SLOTS_MAX][LABEL];	/* by the tray; "" none lies there */
	struct {
		bool wants;	/* a unit is here, and waits for its label to be scanned */
		bool by_tray;	/* the tray said so, no scan */
		char label[LABEL];	/* of the unit that is here; "" not bound */
	} slot[CONFIG_SLOTS_MAX];
};

bool labels_new(const struct config *config, struct labels **ret, struct err *e)
{
	struct labels *l = calloc(1, sizeof(*l));
	if (!l)
		return err_set(e, E_NOMEM, "labels");
	pthread_mutex_init(&l->lock, NULL);
	l->count = config->slot_count;
	*ret = l;
	return true;
}

void labels_free(struct labels *l)
{
	if (!l)
		return;
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* The slot in which this label's unit is, or count. With the lock held. */
static size_t slot_of(const struct labels *l, const char *label)
{
	size_t i = 0;
	while (i < l->count && strcmp(l->slot[i].label, label) != 0)
		i++;
	return i;
}

/* How many units wait for a label; *ret_slot is one of them. With the lock held. */
static size_t wanting(const struct labels *l, size_t *ret_slot)
{
	size_t n = 0;
	for (size_t i = 0; i < l->count; i++) {
		if (!l->slot[i].wants)
			continue;
		*ret_slot = i;
		n++;
	}
	return n;
}

static bool scan(struct labels *l, const char *label, struct err *e)
{
	size_t slot = 0;
	if (slot_of(l, label) < l->count)
		return err_set(e, E_LABEL_TWICE, "\"%s\" is in slot number %zu", label, slot_of(l, label) + 1);
	if (l->waiting[0] && strcmp(l->waiting, label) != 0)
		return err_set(e, E_LABEL_OPEN, "\"%s\" waits for its unit", l->waiting);
	size_t n = wanting(l, &slot);
	if (n > 1)
		return err_set(e, E_LABEL_WHICH, "%zu units wait", n);
	char *to = n ? l->slot[slot].label : l->waiting;
	snprintf(to, LABEL, "%s", label);
	l->slot[slot].wants = n ? false : l->slot[slot].wants;
	return true;
}

bool labels_scan(struct labels *l, const char *label, struct err *e)
{
	if (!*label || strlen(label) >= LABEL)
		return err_set(e, E_LABEL, "a label has 1 to %d characters", LABEL - 1);
	pthread_mutex_lock(&l->lock);
	bool ok = scan(l, label, e);
	pthread_mutex_unlock(&l->lock);
	return ok;
}

void labels_forget(struct labels *l)
{
	pthread_mutex_lock(&l->lock);
	l->waiting[0] = '\0';
	pthread_mutex_unlock(&l->lock);
}

static bool plan(struct labels *l, const char *tray, const char (*label)[LABEL], size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; *label[i] && k < i; k++)
			if (!strcmp(label[i], label[k]))
				return err_set(e, E_LABEL_TWICE, "\"%s\" lies in positions %zu and %zu of the tray", label[i], k + 1, i + 1);
	for (size_t i = 0; i < count; i++) {
		size_t at = *label[i] ? slot_of(l, label[i]) : l->count;
		if (at < l->count && at != i)
			return err_set(e, E_LABEL_TWICE, "\"%s\" is in slot number %zu", label[i], at + 1);
	}
	memset(l->planned, 0, sizeof(l->planned));
	memcpy(l->planned, label, count * LABEL);
	for (size_t i = 0; i < count; i++)
		if (!strcmp(l->slot[i].label, label[i]))
			*l->planned[i] = '\0';	/* its unit is here already */
	snprintf(l->tray, sizeof(l->tray), "%s", tray);
	return true;
}

bool labels_tray(struct labels *l, const char *tray, const char (*label)[LABEL], size_t count, struct err *e)
{
	if (count > l->count)
		return err_set(e, E_TRAY, "tray \"%.64s\" has %zu positions, the fixture %zu slots", tray, count, l->count);
	pthread_mutex_lock(&l->lock);
	bool ok = plan(l, tray, label, count, e);
	pthread_mutex_unlock(&l->lock);
	return ok;
}

/* A name that comes from a scanner and becomes part of a path. */
static bool is_file_name(const char *tray)
{
	return *tray && *tray != '.' && strlen(tray) < LABEL &&
	       strspn(tray, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:") == strlen(tray);
}

bool labels_read_tray(const char *dir, const char *tray, char (*label)[LABEL], size_t *ret_count, struct err *e)
{
	char path[PATH_MAX + LABEL + 8];
	struct err why = {0};
	AUTO(bytes) struct bytes text = {.max = 65536};
	AUTO(json) json_t *file = NULL;
	if (!is_file_name(tray))
		return err_set(e, E_TRAY, "that is no tray's name");
	snprintf(path, sizeof(path), "%s/%s.json", dir, tray);
	if (!file_read(path, &text, &why) || !json_parse(bytes_text(&text), text.len, &file, &why))
		return err_set(e, E_TRAY, "%s", why.what);
	if (json_object_size(file) != 2 || strcmp(json_text_or(file, "tray", ""), tray) != 0 ||
	    !tray_positions(json_object_get(file, "positions"), label, ret_count))
		return err_set(e, E_TRAY, "%s.json is not {\"tray\":\"%s\",\"positions\":[…]}", tray, tray);
	return true;
}

/* ---- the slots' workers ---- */

static bool take_scanned(struct labels *l, size_t slot, struct err *e)
{
	size_t other = 0;
	l->slot[slot].wants = !l->waiting[0];
	if (l->waiting[0]) {
		memcpy(l->slot[slot].label, l->waiting, LABEL);
		l->waiting[0] = '\0';
		return true;
	}
	if (wanting(l, &other) > 1)
		return err_set(e, E_LABEL_WHICH, "%zu units wait", wanting(l, &other));
	return err_set(e, E_LABEL_WANTED, "none was scanned");
}

static bool take_planned(struct labels *l, size_t slot, struct err *e)
{
	if (!l->tray[0])
		return err_set(e, E_LABEL_WANTED, "no tray was scanned");
	if (!*l->planned[slot])
		return err_set(e, E_TRAY_EMPTY, "position %zu of tray %s", slot + 1, l->tray);
	size_t at = slot_of(l, l->planned[slot]);
	if (at < l->count && at != slot)
		return err_set(e, E_LABEL_TWICE, "\"%s\" is in slot number %zu", l->planned[slot], at + 1);
	memcpy(l->slot[slot].label, l->planned[slot], LABEL);
	l->slot[slot].by_tray = true;
	*l->planned[slot] = '\0';	/* for one unit */
	return true;
}

bool labels_take(struct labels *l, size_t slot, enum label_source source, char ret[static LABEL], struct err *e)
{
	bool ok = true;
	ret[0] = '\0';
	if (source == LABEL_SERIAL)
		return true;
	pthread_mutex_lock(&l->lock);
	if (!l->slot[slot].label[0])
		ok = source == LABEL_SCAN ? take_scanned(l, slot, e) : take_planned(l, slot, e);
	if (ok)
		memcpy(ret, l->slot[slot].label, LABEL);
	pthread_mutex_unlock(&l->lock);
	return ok;
}

void labels_unit_left(struct labels *l, size_t slot)
{
	pthread_mutex_lock(&l->lock);
	if (!l->slot[slot].by_tray)
		memset(&l->slot[slot], 0, sizeof(l->slot[slot]));
	pthread_mutex_unlock(&l->lock);
}

void labels_release(struct labels *l, size_t slot, bool comes_again)
{
	pthread_mutex_lock(&l->lock);
	if (comes_again && l->slot[slot].by_tray && !*l->planned[slot])
		memcpy(l->planned[slot], l->slot[slot].label, LABEL);
	memset(&l->slot[slot], 0, sizeof(l->slot[slot]));
	pthread_mutex_unlock(&l->lock);
}

void labels_look(struct labels *l, struct labels_view *ret)
{
	pthread_mutex_lock(&l->lock);
	memcpy(ret->waiting, l->waiting, LABEL);
	memcpy(ret->tray, l->tray, LABEL);
	pthread_mutex_unlock(&l->lock);
}
