/* SPDX-License-Identifier: Apache-2.0 */
/* Who may work here: the file of `station people`, mode 0600. It alone knows which person a pseudonym is; the audit log and
 * everything that leaves the station have pseudonyms only. Badges are kept as HMAC-SHA256 under a random key of the file, PINs
 * as Argon2id (pin.h). Roles and what each may do are one table.
 *
 *   {"version":1,"badge_key":"<hex>","people":[
 *     {"id":"p-7f3a91c2","name":"Ana","role":"operator","badge":"<hex>","pin":"$argon2id$…"}]}
 *
 * A person who is removed stays, with badge and pin "", so that an old pseudonym keeps its meaning. */
#ifndef STATION_SHIFT_PEOPLE_H
#define STATION_SHIFT_PEOPLE_H

#include "db/lots.h"

#define PEOPLE_MAX 500
#define PERSON_NAME 65

enum role { ROLE_OPERATOR, ROLE_LEAD, ROLE_MAINTAINER, ROLE_COUNT };
/* "operator", "lead", "engineer". */
const char *role_name(enum role role);
WARN_UNUSED bool role_named(const char *name, enum role *ret);

/* What a person may do at a line; a row each in people.c says which roles, `station people roles` prints it, and docs/people.md
 * holds the same table. */
enum doing {
	DO_WORK,	/* log in, scan units and trays, plug in, put a slot to HOLD */
	DO_OPEN_LOT,
	DO_CLOSE_LOT,
	DO_OVERRIDE,	/* be the second badge that releases a unit which the MES holds */
	DO_REVERT,	/* be one of the two who take a lot back */
	DO_REVOKE,	/* be one of the two who revoke or replace an identity */
	DO_CUSTODY,	/* be one of the two who stand for a clock that is not synchronised, or begin a count */
	DO_COUNT
};
const char *doing_name(enum doing doing);
bool role_may(enum role role, enum doing doing);

struct person {
	char id[PERSON_ID];
	char name[PERSON_NAME];
	enum role role;
	bool removed;
};

struct people;
/* E_SECRET if others can read the file, E_FILE, E_PEOPLE if it is not of the form. Read again whenever it has changed. */
WARN_UNUSED bool people_open(const char *path, struct people **ret, struct err *e);
void people_close(struct people *p);

/* Whose badge it is; *ret_has_pin whether a PIN belongs to it. E_BADGE if nobody's; looks at all people in either case. */
WARN_UNUSED bool people_by_badge(struct people *p, const char *badge, struct person *ret, bool *ret_has_pin, struct err *e);
/* E_PIN; E_PIN_LOCKED for PIN_LOCK_MS after PIN_TRIES wrong ones in a row. Takes about 0.1 s. */
#define PIN_TRIES 5
#define PIN_LOCK_MS 300000
WARN_UNUSED bool people_check_pin(struct people *p, const char *id, const struct bytes *pin, struct err *e);

/* True if the file says so; false also while it cannot be read. */
bool people_is_removed(struct people *p, const char *id);

typedef bool people_each(void *ctx, const struct person *person);
WARN_UNUSED bool people_list(struct people *p, people_each *each, void *ctx, struct err *e);

/* What `station people` does; each writes the file whole. A badge that is somebody's already is E_BADGE. An empty pin: none. */
WARN_UNUSED bool people_create(const char *path, struct err *e);
WARN_UNUSED bool people_add(const char *path, const char *name, enum role role, const char *badge, const struct bytes *pin,
			    struct person *ret, struct err *e);
WARN_UNUSED bool people_remove(const char *path, const char *id, struct err *e);
/* Another PIN, or with an empty one none. E_USAGE if nobody of this pseudonym works here. */
WARN_UNUSED bool people_set_pin(const char *path, const char *id, const struct bytes *pin, struct err *e);

#endif
