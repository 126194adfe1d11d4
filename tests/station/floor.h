/* SPDX-License-Identifier: Apache-2.0 */
/* A line without devices: a configuration, a ledger and people in a scratch directory, for what happens beside the units. */
#ifndef TESTS_STATION_FLOOR_H
#define TESTS_STATION_FLOOR_H

#include "db/audit.h"
#include "station/base/file.h"
#include "station/base/json.h"
#include "station/line.h"
#include "station/shift/people.h"
#include "station/shift/pin.h"
#include "tests/base/check.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Their PINs are PIN_OF; the operators' badges BADGE-1 and BADGE-2, the lead's BADGE-3, the engineer's BADGE-4. */
#define PIN_OF "258036"

struct floor {
	char dir[64];
	struct config config;
	struct line line;
	struct person ana, ben, lea, max;
};

static inline void floor_person(const struct floor *f, const char *name, enum role role, const char *badge, struct person *ret)
{
	AUTO(bytes) struct bytes pin = {.secret = true};
	OK(bytes_add_text(&pin, PIN_OF, &e));
	OK(people_add(f->config.people_file, name, role, badge, &pin, ret, &e));
}

/* The file is made once for all tests of the program: each PIN's hash takes its time. */
static inline void floor_people(struct floor *f)
{
	static char text[4096];
	static struct person ana, ben, lea, max;
	AUTO(bytes) struct bytes made = {0};
	char *path = f->config.people_file;
	snprintf(path, sizeof(f->config.people_file), "%s/people.json", f->dir);
	if (!text[0]) {
		OK(people_create(path, &e));
		floor_person(f, "Ana Ordinary", ROLE_OPERATOR, "BADGE-1", &ana);
		floor_person(f, "Ben Other", ROLE_OPERATOR, "BADGE-2", &ben);
		floor_person(f, "Lea Leading", ROLE_LEAD, "BADGE-3", &lea);
		floor_person(f, "Max Maker", ROLE_MAINTAINER, "BADGE-4", &max);
		OK(file_read(path, &made, &e));
		snprintf(text, sizeof(text), "%s", bytes_text(&made));
	}
	OK(file_write_atomic(path, text, strlen(text), 0600, &e));
	f->ana = ana;
	f->ben = ben;
	f->lea = lea;
	f->max = max;
}

static inline void floor_slot(struct floor *f, const char *name)
{
	struct config_slot *slot = &f->config.slot[f->config.slot_count++];
	snprintf(slot->name, sizeof(slot->name), "%s", name);
}

static inline struct floor *floor_new(void)
{
	char path[128];
	struct floor *f = calloc(1, sizeof(*f));
	struct config *c = &f->config;
	snprintf(f->dir, sizeof(f->dir), "/tmp/floor.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	c->people_pin = true;
	c->people_idle_minutes = 15;
	snprintf(c->scan_command, sizeof(c->scan_command), "^CMD:.+$");
	snprintf(c->scan_badge, sizeof(c->scan_badge), "^BADGE:.+$");
	snprintf(c->scan_order, sizeof(c->scan_order), "^ORDER:.+$");
	snprintf(c->scan_tray, sizeof(c->scan_tray), "^TRAY:.+$");
	snprintf(c->scan_unit, sizeof(c->scan_unit), "^[A-Za-z0-9._:-]{1,64}$");
	snprintf(c->orders_dir, sizeof(c->orders_dir), "%s/orders", f->dir);
	snprintf(c->trays_dir, sizeof(c->trays_dir), "%s/trays", f->dir);
	assert_int_equal(mkdir(c->orders_dir, 0700) | mkdir(c->trays_dir, 0700), 0);
	snprintf(c->profile[0].name, sizeof(c->profile[0].name), "gateway");
	c->profile[0].label = LABEL_SCAN;
	c->profile_count = 1;
	floor_slot(f, "01");
	floor_slot(f, "02");
	snprintf(path, sizeof(path), "%s/ledger.db", f->dir);
	OK(ledger_open(path, "line-1.test", &f->line.ledger, &e));
	f->line.config = c;
	pthread_mutex_init(&f->line.lock, NULL);
	pthread_cond_init(&f->line.released, NULL);
	return f;
}

static inline void floor_free(struct floor *f)
{
	char command[128];
	ledger_close(f->line.ledger);
	pthread_mutex_destroy(&f->line.lock);
	pthread_cond_destroy(&f->line.released);
	snprintf(command, sizeof(command), "rm -r %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
}

/* ---- what stands in the audit log ---- */

/* How many entries of this type there are; the body of the last one, a new object, to *ret_last (may be NULL). */
struct floor_search { const char *type; size_t count; json_t *last; };

static inline bool floor_look(void *ctx, uint64_t index, const char *type, const char *job, const void *entry, size_t len)
{
	struct floor_search *s = ctx;
	(void)index, (void)job;
	if (strcmp(type, s->type) != 0)
		return true;
	s->count++;
	json_decref(s->last);
	s->last = NULL;
	OK(json_parse(entry, len, &s->last, &e));
	return true;
}

static inline size_t floor_entries(const struct floor *f, const char *type, json_t **ret_last)
{
	uint64_t size;
	struct merkle_hash root;
	struct floor_search s = {.type = type};
	OK(audit_head(f->line.ledger, &size, &root, &e));
	OK(audit_scan(f->line.ledger, 0, size, floor_look, &s, &e));
	if (ret_last)
		*ret_last = json_incref(json_object_get(s.last, "body"));
	json_decref(s.last);
	return s.count;
}

#endif
