/* SPDX-License-Identifier: Apache-2.0 */
/* What the desk does with codes, PINs and slots to be held. */
#include "station/desk.h"
#include "station/base/log.h"
#include "station/relay.h"
#include "station/shift/shift.h"

#include <string.h>

json_t *desk_shift_json(struct desk *d)
{
	return d->line->shift ? shift_json(d->line) : json_object();
}

void desk_tell_shift(struct desk *d)
{
	struct err ignored = {0};
	desk_tell_of(d, "shift", desk_shift_json(d));
	if (!relay_wake(d->line->relay, false, &ignored))
		log_err(LOG_LEVEL_WARN, &ignored, "relay");
}

json_t *desk_scan(struct desk *d, const json_t *request, struct err *e)
{
	const char *code;
	if (!json_get_text(request, "code", &code, e))
		return NULL;
	json_t *answer = shift_scan(d->line, code);
	desk_tell_shift(d);
	return answer;
}

json_t *desk_pin(struct desk *d, const json_t *request, struct err *e)
{
	const char *text;
	AUTO(bytes) struct bytes pin = {.secret = true};
	if (!json_get_text(request, "pin", &text, e) || !bytes_add_text(&pin, text, e))
		return NULL;
	json_t *answer = shift_pin(d->line, &pin);
	desk_tell_shift(d);
	return answer;
}

json_t *desk_hold(struct desk *d, const json_t *request, struct err *e)
{
	char person[PERSON_ID];
	if (d->line->shift && !session_may(d->line->shift->session, DO_WORK, person, e))
		return NULL;
	return slots_hold(d->slots, json_text_or(request, "slot", ""), e) ? json_object() : NULL;
}
