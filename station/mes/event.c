/* SPDX-License-Identifier: Apache-2.0 */
#include "station/mes/event.h"
#include "station/base/clock.h"

#include <stdio.h>
#include <sys/random.h>

bool event_id(int64_t time_ms, char ret[static 37], struct err *e)
{
	uint8_t b[16];
	if (getrandom(b, sizeof(b), 0) != (ssize_t)sizeof(b))
		return err_errno(e, E_FILE, "randomness");
	for (int i = 0; i < 6; i++)
		b[i] = (uint8_t)((uint64_t)time_ms >> (8 * (5 - i)));
	b[6] = (uint8_t)(0x70 | (b[6] & 0x0f));	/* version 7 */
	b[8] = (uint8_t)(0x80 | (b[8] & 0x3f));	/* variant of RFC 9562 */
	snprintf(ret, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4], b[5], b[6],
		 b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
	return true;
}

json_t *event_new(const char *type, const char *station, const char *unit, const char *lot, const char *person, int64_t time_ms,
		  json_t *body, struct err *e)
{
	char id[37], when[CLOCK_TEXT];
	if (!body || !event_id(time_ms, id, e)) {
		json_decref(body);
		return NULL;
	}
	clock_text(time_ms, when);
	json_t *event = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "id", id, "type", type, "time", when, "station", station,
				  "unit", unit, "lot", lot, "person", person, "body", body);
	if (!event)
		err_set(e, E_NOMEM, "an event");
	return event;
}
