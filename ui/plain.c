/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/app.h"

#include "station/base/clock.h"
#include "station/client.h"

#include <stdio.h>

#define RETRY_MS 1000
#define WAIT_MS 60000

/* Returns false only when nobody reads. */
static bool print(const char *text, struct err *e)
{
	if (fputs(text, stdout) < 0 || fflush(stdout))
		return err_errno(e, E_FILE, "writing events");
	return true;
}

/* Events of one connection until it ends; *why says why. False only when nobody reads. */
static bool follow(struct client *c, struct err *why, struct err *e)
{
	for (;;) {
		AUTO(json) json_t *event = NULL;
		AUTO(bytes) struct bytes text = {.max = 4 * BYTES_MAX_DEFAULT};
		if (!client_next(c, clock_steady_ms() + WAIT_MS, &event, why))
			return true;
		if (!event)
			continue;
		if (json_is_false(json_object_get(event, "ok"))) {
			err_set(why, E_RUNNING, "%s", json_text_or(event, "what", "the line refused"));
			return true;
		}
		if (!client_event_text(event, &text, why))
			return true;
		if (!print(bytes_text(&text), e))
			return false;
	}
}

bool plain_run(const struct app_options *o, struct err *e)
{
	bool told = false;
	AUTO(json) json_t *request = json_pack("{s:s}", "do", "watch");
	for (;;) {
		struct client *c = NULL;
		struct err why = {0};
		bool open = client_open(o->socket_path, &c, &why) && client_send(c, request, clock_steady_ms() + RETRY_MS, &why);
		told = told && !open;
		bool ok = !open || follow(c, &why, e);
		client_close(c);
		if (ok && !told)
			ok = print("LINE NOT REACHABLE, RETRYING: ", e) && print(why.what, e) && print("\n", e);
		if (!ok)
			return false;
		told = true;
		clock_sleep_ms(RETRY_MS);
	}
}
