/* SPDX-License-Identifier: Apache-2.0 */
#include "rack.h"

#include <dirent.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static bool name_is_safe(const char *name)
{
	return name[0] != '.' && name[0] && strlen(name) <= 64 && !strchr(name, '/');
}

static bool seat_add(struct rack *r, const char *name, struct seat **ret, struct why *w)
{
	char dir[400];

	if (!name_is_safe(name))
		return why_set(w, "\"%s\" is no device's name", name);
	snprintf(dir, sizeof dir, "%s/%s", r->dir, name);
	struct seat **more = realloc(r->seats, (r->count + 1) * sizeof *more);
	if (!more)
		return why_set(w, "out of memory");
	r->seats = more;
	struct seat *s = calloc(1, sizeof *s);
	if (!s)
		return why_set(w, "out of memory");
	if (!unit_init(&s->unit, dir, w)) {
		free(s);
		return false;
	}
	snprintf(s->name, sizeof s->name, "%s", name);
	r->seats[r->count++] = s;
	if (ret)
		*ret = s;
	return true;
}

static int is_device(const struct dirent *entry)
{
	return name_is_safe(entry->d_name);
}

static bool seats_read(struct rack *r, struct why *w)
{
	struct dirent **names;
	char path[600];
	bool ok = true;
	int n = scandir(r->dir, &names, is_device, alphasort);

	if (n < 0)
		return why_set(w, "%s: %s", r->dir, strerror(errno));
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof path, "%s/%s/device.json", r->dir, names[i]->d_name);
		if (ok && access(path, F_OK) == 0)
			ok = seat_add(r, names[i]->d_name, NULL, w);
		free(names[i]);
	}
	free(names);
	return ok;
}

bool rack_open(struct rack *r, const char *dir, struct bus *bus, struct why *w)
{
	char absolute[PATH_MAX];

	memset(r, 0, sizeof *r);
	/* swtpm is started with it, and a path that depends on where we stand would not survive a chdir. */
	if (!realpath(dir, absolute) || strlen(absolute) >= sizeof r->dir)
		return why_set(w, "%s: %s", dir, errno ? strerror(errno) : "path too long");
	strcpy(r->dir, absolute);
	r->bus = bus;
	r->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->event_fd < 0)
		return why_set(w, "eventfd: %s", strerror(errno));
	bus->rack = r;
	if (!seats_read(r, w)) {
		rack_close(r);
		return false;
	}
	return true;
}

void rack_close(struct rack *r)
{
	if (!r->bus)
		return;
	for (size_t i = 0; i < r->count; i++) {
		rack_unplug(r, r->seats[i]);
		unit_fini(&r->seats[i]->unit);
		free(r->seats[i]);
	}
	free(r->seats);
	close(r->event_fd);
	memset(r, 0, sizeof *r);
}

bool rack_find(struct rack *r, const char *name, struct seat **ret, struct why *w)
{
	for (size_t i = 0; i < r->count; i++) {
		if (strcmp(r->seats[i]->name, name) == 0) {
			*ret = r->seats[i];
			return true;
		}
	}
	return seat_add(r, name, ret, w);
}

bool rack_plug(struct rack *r, struct seat *s, unsigned port, struct why *w)
{
	if (port < 1 || port > r->bus->ports)
		return why_set(w, "ports are 1 to %u", r->bus->ports);
	if (s->port)
		return why_set(w, "%s is plugged in already", s->name);
	for (size_t i = 0; i < r->count; i++)
		if (r->seats[i]->port == port)
			return why_set(w, "%s is in that port", r->seats[i]->name);
	s->cut = false;
	if (!r->bus->plug(r->bus, port, &s->unit, w))
		return false;
	s->port = port;
	return true;
}

bool rack_plug_first(struct rack *r, unsigned n, struct why *w)
{
	if (n > r->count)
		return why_set(w, "only %zu devices were manufactured", r->count);
	for (unsigned i = 0; i < n; i++)
		if (!rack_plug(r, r->seats[i], i + 1, w))
			return false;
	return true;
}

void rack_unplug(struct rack *r, struct seat *s)
{
	if (!s->port)
		return;
	r->bus->unplug(r->bus, s->port);
	s->port = 0;
	s->cut = false;
}

void rack_power_cut(struct rack *r, const struct unit *u)
{
	struct seat *s = (struct seat *)((uintptr_t)u - offsetof(struct seat, unit));
	uint64_t one = 1;

	s->cut = true;
	/* An eventfd that is full is readable too. */
	if (write(r->event_fd, &one, sizeof one) < 0)
		return;
}

void rack_settle(struct rack *r)
{
	uint64_t count;

	if (read(r->event_fd, &count, sizeof count) < 0)
		return;
	for (size_t i = 0; i < r->count; i++)
		if (r->seats[i]->cut)
			rack_unplug(r, r->seats[i]);
}
