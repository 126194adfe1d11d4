/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/session.h"
#include "station/base/clock.h"
#include "station/base/log.h"
#include "station/line.h"
#include "station/shift/note.h"
#include "station/shift/pin.h"

#include <stdlib.h>
#include <string.h>

struct session {
	struct line *line;
	struct people *people;	/* NULL: open to all */
	pthread_mutex_t lock;	/* what follows */
	bool in, locked;
	struct person who;	/* if in */
	bool has_candidate;
	struct person candidate;	/* whose PIN is wanted */
	bool wants_second;
	enum doing second_for;
	char second[PERSON_ID];
	char digits[PIN_MOST + 1];
	int64_t moved_ms;	/* steady */
};

const char *session_state_name(enum session_state state)
{
	static const char *const names[] = {[SESSION_OPEN_TO_ALL] = "open", [SESSION_NOBODY] = "nobody",
					    [SESSION_WANTS_PIN] = "wants pin", [SESSION_IN] = "in", [SESSION_LOCKED] = "locked"};
	return names[state];
}

bool session_open(struct line *l, struct session **ret, struct err *e)
{
	struct session *s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(e, E_NOMEM, "session");
	pthread_mutex_init(&s->lock, NULL);
	s->line = l;
	s->moved_ms = clock_steady_ms();
	if (l->config->people_file[0] && !people_open(l->config->people_file, &s->people, e)) {
		session_close(s);
		return false;
	}
	*ret = s;
	return true;
}

void session_close(struct session *s)
{
	if (!s)
		return;
	people_close(s->people);
	wipe(s->digits, sizeof(s->digits));
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static enum session_state state_of(const struct session *s)
{
	if (!s->people)
		return SESSION_OPEN_TO_ALL;
	if (s->has_candidate)
		return SESSION_WANTS_PIN;
	return !s->in ? SESSION_NOBODY : s->locked ? SESSION_LOCKED : SESSION_IN;
}

void session_look(struct session *s, struct session_view *ret)
{
	pthread_mutex_lock(&s->lock);
	*ret = (struct session_view){.state = state_of(s), .wants_second = s->wants_second, .pin_digits = (int)strlen(s->digits)};
	if (s->has_candidate || s->in)
		ret->person = s->has_candidate ? s->candidate : s->who;
	memcpy(ret->second, s->second, sizeof(ret->second));
	pthread_mutex_unlock(&s->lock);
}

/* ---- coming ---- */

static void forget_candidate(struct session *s)
{
	s->has_candidate = false;
	wipe(s->digits, sizeof(s->digits));
}

static json_t *role_json(const struct person *p)
{
	return json_pack("{s:s}", "role", role_name(p->role));
}

/* The person is who he says. With the lock held. */
static bool accept_person(struct session *s, const struct person *p, enum session_step *ret, struct err *e)
{
	bool same = s->in && !strcmp(s->who.id, p->id);
	forget_candidate(s);
	if (s->wants_second) {
		s->wants_second = false;
		memcpy(s->second, p->id, sizeof(s->second));
		*ret = STEP_SECOND;
		return shift_note(s->line, "person.second", "", p->id,
				  json_pack("{s:s, s:s}", "for", doing_name(s->second_for), "beside", s->in ? s->who.id : ""), e);
	}
	*ret = same && s->locked ? STEP_UNLOCKED : STEP_IN;
	if (s->in && !same && !shift_note(s->line, "person.out", "", s->who.id, role_json(&s->who), e))
		return false;
	if (!shift_note(s->line, "person.in", "", p->id, role_json(p), e))
		return false;
	s->who = *p;
	s->in = true;
	s->locked = false;
	s->moved_ms = clock_steady_ms();
	return true;
}

static bool may_be_second(const struct session *s, const struct person *p, struct err *e)
{
	if (s->in && !strcmp(s->who.id, p->id))
		return err_set(e, E_TWO_PEOPLE, "the second badge is the first one's");
	return role_may(p->role, s->second_for) || err_set(e, E_RIGHTS, "to %s", doing_name(s->second_for));
}

static bool take_badge(struct session *s, const char *badge, enum session_step *ret, struct err *e)
{
	struct person p;
	bool has_pin = false;
	if (!s->people)
		return err_set(e, E_SCAN, "nobody has to say here who he is");
	if (!people_by_badge(s->people, badge, &p, &has_pin, e) || (s->wants_second && !may_be_second(s, &p, e)))
		return false;
	bool needs_pin = s->line->config->people_pin || p.role != ROLE_OPERATOR;
	if (!needs_pin)
		return accept_person(s, &p, ret, e);
	if (!has_pin)
		return err_set(e, E_PIN, "there is none on record for this badge");
	forget_candidate(s);
	s->candidate = p;
	s->has_candidate = true;
	*ret = STEP_PIN_WANTED;
	return true;
}

bool session_badge(struct session *s, const char *badge, enum session_step *ret, struct err *e)
{
	pthread_mutex_lock(&s->lock);
	bool ok = take_badge(s, badge, ret, e);
	pthread_mutex_unlock(&s->lock);
	return ok;
}

static bool take_pin(struct session *s, const struct bytes *pin, enum session_step *ret, struct err *e)
{
	if (!s->has_candidate)
		return err_set(e, E_SCAN, "no PIN is wanted");
	const struct person p = s->candidate;
	bool fits = people_check_pin(s->people, p.id, pin, e);
	forget_candidate(s);
	return fits && accept_person(s, &p, ret, e);
}

bool session_pin(struct session *s, const struct bytes *pin, enum session_step *ret, struct err *e)
{
	pthread_mutex_lock(&s->lock);
	bool ok = take_pin(s, pin, ret, e);
	pthread_mutex_unlock(&s->lock);
	return ok;
}

bool session_pin_digit(struct session *s, char digit, struct err *e)
{
	bool ok = false;
	pthread_mutex_lock(&s->lock);
	size_t n = strlen(s->digits);
	if (!s->has_candidate)
		err_set(e, E_SCAN, "no PIN is wanted");
	else if (digit < '0' || digit > '9' || n == PIN_MOST)
		err_set(e, E_PIN, "a PIN is %d to %d digits", PIN_LEAST, PIN_MOST);
	else
		ok = true;
	if (ok)
		s->digits[n] = digit;
	pthread_mutex_unlock(&s->lock);
	return ok;
}

bool session_pin_enter(struct session *s, enum session_step *ret, struct err *e)
{
	AUTO(bytes) struct bytes pin = {.secret = true};
	pthread_mutex_lock(&s->lock);
	bool ok = bytes_add(&pin, s->digits, strlen(s->digits), e) && take_pin(s, &pin, ret, e);
	pthread_mutex_unlock(&s->lock);
	return ok;
}

/* ---- going ---- */

static bool leave(struct session *s, bool lock, struct err *e)
{
	forget_candidate(s);
	s->wants_second = false;
	if (!s->in)
		return err_set(e, E_NO_PERSON, "nobody is there who could leave");
	if (!shift_note(s->line, lock ? "person.locked" : "person.out", "", s->who.id, role_json(&s->who), e))
		return false;
	s->locked = lock;
	s->in = lock;
	return true;
}

bool session_leave(struct session *s, bool lock, struct err *e)
{
	pthread_mutex_lock(&s->lock);
	bool ok = leave(s, lock, e);
	pthread_mutex_unlock(&s->lock);
	return ok;
}

void session_want_second(struct session *s, enum doing doing)
{
	pthread_mutex_lock(&s->lock);
	s->wants_second = true;
	s->second_for = doing;
	pthread_mutex_unlock(&s->lock);
}

void session_forget(struct session *s)
{
	pthread_mutex_lock(&s->lock);
	s->wants_second = false;
	forget_candidate(s);
	pthread_mutex_unlock(&s->lock);
}

bool session_may(struct session *s, enum doing doing, char ret_person[static PERSON_ID], struct err *e)
{
	pthread_mutex_lock(&s->lock);
	bool open = !s->people;
	memset(ret_person, 0, PERSON_ID);
	if (s->in)
		memcpy(ret_person, s->who.id, PERSON_ID);
	bool ok = open || (s->in ? true : err_set(e, E_NO_PERSON, "to %s", doing_name(doing)));
	ok = ok && (open || !s->locked || err_set(e, E_SESSION_LOCKED, "by %s", s->who.id));
	ok = ok && (open || role_may(s->who.role, doing) || err_set(e, E_RIGHTS, "to %s", doing_name(doing)));
	pthread_mutex_unlock(&s->lock);
	return ok;
}

void session_moved(struct session *s)
{
	pthread_mutex_lock(&s->lock);
	s->moved_ms = clock_steady_ms();
	pthread_mutex_unlock(&s->lock);
}

bool session_tick(struct session *s, size_t units)
{
	struct err e = {0};
	bool locks = false;
	pthread_mutex_lock(&s->lock);
	int64_t now = clock_steady_ms();
	s->moved_ms = units ? now : s->moved_ms;	/* never in the middle of a tray */
	bool gone = s->in && s->people && people_is_removed(s->people, s->who.id);
	if (gone && !leave(s, false, &e))
		log_err(LOG_LEVEL_WARN, &e, "a person who was removed");
	if (s->in && !s->locked && now - s->moved_ms > (int64_t)s->line->config->people_idle_minutes * 60000) {
		locks = leave(s, true, &e);
		if (!locks)
			log_err(LOG_LEVEL_WARN, &e, "locking");
	}
	pthread_mutex_unlock(&s->lock);
	return locks || gone;
}

bool session_two(struct session *s, const struct two_shown *shown, enum doing doing, struct person ret[static 2], struct err *e)
{
	if (!s->people)
		return err_set(e, E_TWO_PEOPLE, "the configuration names no [people] file");
	return two_may(s->people, shown, doing, ret, e);
}
