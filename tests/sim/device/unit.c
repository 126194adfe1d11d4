/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include "file.h"

#include <jansson.h>
#include <stdlib.h>

/* Copies one text of device.json, printable ASCII of 1 to 64 bytes as IDENTIFY wants it. */
static bool identity_take(const json_t *json, const char *key, char text[65], struct why *w)
{
	const char *value = json_string_value(json_object_get(json, key));
	size_t len = value ? strlen(value) : 0;

	if (len < 1 || len > 64)
		return why_set(w, "device.json: \"%s\" is not a text of 1 to 64 bytes", key);
	for (size_t i = 0; i < len; i++)
		if (value[i] < 0x20 || value[i] > 0x7e)
			return why_set(w, "device.json: \"%s\" is not printable ASCII", key);
	memcpy(text, value, len + 1);
	return true;
}

static bool identity_read(const char *dir, struct identity *id, struct why *w)
{
	uint8_t *text;
	size_t len;

	if (!file_read(dir, "device.json", 4096, &text, &len, w))
		return false;
	if (!text)
		return why_set(w, "%s: no device.json", dir);
	json_t *json = json_loadb((const char *)text, len, 0, NULL);
	free(text);
	bool ok = json ? true : why_set(w, "%s/device.json is no JSON", dir);
	ok = ok && identity_take(json, "serial", id->serial, w) && identity_take(json, "model", id->model, w)
		&& identity_take(json, "revision", id->revision, w);
	json_decref(json);
	return ok;
}

bool unit_init(struct unit *u, const char *dir, struct why *w)
{
	struct identity id;

	memset(u, 0, sizeof *u);
	if (!identity_read(dir, &id, w))
		return false;
	if (snprintf(u->dir, sizeof u->dir, "%s", dir) >= (int)sizeof u->dir)
		return why_set(w, "path too long: %s", dir);
	model_init(&u->model, &id);
	return true;
}

void unit_fini(struct unit *u)
{
	if (!u->dir[0])
		return;
	unit_power_off(u);
	model_fini(&u->model);
	memset(u, 0, sizeof *u);
}

static void *unit_run(void *arg)
{
	struct unit *u = arg;

	while (model_wait(&u->model)) {
		if (model_work(&u->model) == WORK_CUT) {
			u->listener.power_cut(u->listener.context);
			break;
		}
		u->listener.progress(u->listener.context);
	}
	return NULL;
}

bool unit_power_on(struct unit *u, const struct unit_listener *listener, struct why *w)
{
	u->listener = *listener;
	if (!model_power_on(&u->model, u->dir, w))
		return false;
	int rc = pthread_create(&u->thread, NULL, unit_run, u);
	if (rc != 0) {
		model_power_off(&u->model);
		return why_set(w, "thread: %s", strerror(rc));
	}
	u->on = true;
	return true;
}

void unit_power_off(struct unit *u)
{
	if (!u->on)
		return;
	model_power_fail(&u->model);
	pthread_join(u->thread, NULL);
	model_power_off(&u->model);
	u->on = false;
}
