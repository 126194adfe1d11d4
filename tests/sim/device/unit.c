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

static bool identity_read(const char *dir, struct identity *id, bool *ret_tty, struct why *w)
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
	const char *kind = json_string_value(json_object_get(json, "kind"));
	*ret_tty = kind && strcmp(kind, "serial") == 0;
	json_decref(json);
	return ok;
}

bool unit_init(struct unit *u, const char *dir, struct why *w)
{
	struct identity id;

	memset(u, 0, sizeof *u);
	if (!identity_read(dir, &id, &u->has_tty, w))
		return false;
	if (snprintf(u->dir, sizeof u->dir, "%s", dir) >= (int)sizeof u->dir)
		return why_set(w, "path too long: %s", dir);
	model_init(&u->model, &id);
	tty_model_init(&u->tty, &id);
	return true;
}

void unit_fini(struct unit *u)
{
	if (!u->dir[0])
		return;
	unit_power_off(u);
	model_fini(&u->model);
	tty_model_fini(&u->tty);
	memset(u, 0, sizeof *u);
}

static void *unit_run(void *arg)
{
	struct unit *u = arg;

	while (u->has_tty ? tty_model_wait(&u->tty) : model_wait(&u->model)) {
		if ((u->has_tty ? tty_model_work(&u->tty) : model_work(&u->model)) == WORK_CUT) {
			u->listener.power_cut(u->listener.context);
			break;
		}
		u->listener.progress(u->listener.context);
	}
	return NULL;
}

static bool firmware_on(struct unit *u, struct why *w)
{
	return u->has_tty ? tty_model_power_on(&u->tty, u->dir, w) : model_power_on(&u->model, u->dir, w);
}

static void firmware_off(struct unit *u)
{
	if (u->has_tty)
		tty_model_power_off(&u->tty);
	else
		model_power_off(&u->model);
}

bool unit_power_on(struct unit *u, const struct unit_listener *listener, struct why *w)
{
	u->listener = *listener;
	if (!firmware_on(u, w))
		return false;
	int rc = pthread_create(&u->thread, NULL, unit_run, u);
	if (rc != 0) {
		firmware_off(u);
		return why_set(w, "thread: %s", strerror(rc));
	}
	u->on = true;
	return true;
}

void unit_power_off(struct unit *u)
{
	if (!u->on)
		return;
	if (u->has_tty)
		tty_model_power_fail(&u->tty);
	else
		model_power_fail(&u->model);
	pthread_join(u->thread, NULL);
	firmware_off(u);
	u->on = false;
}

size_t unit_out(struct unit *u, const uint8_t *data, size_t len)
{
	return u->has_tty ? tty_model_out(&u->tty, data, len) : model_out(&u->model, data, len);
}

bool unit_in(struct unit *u, uint8_t *data, size_t room, size_t *ret_len, bool *overflow)
{
	if (!u->has_tty)
		return model_in(&u->model, data, room, ret_len, overflow);
	*overflow = false;
	*ret_len = tty_model_in(&u->tty, data, room);
	return *ret_len > 0;
}

void unit_released(struct unit *u)
{
	if (!u->has_tty)
		model_cancel(&u->model);
}

bool unit_knob(struct unit *u, const char *name, const char *value, struct why *w)
{
	return u->has_tty ? tty_model_knob(&u->tty, name, value, w) : model_knob(&u->model, name, value, w);
}

void unit_stats(struct unit *u, char *text, size_t room)
{
	if (u->has_tty)
		tty_model_stats(&u->tty, text, room);
	else
		model_stats(&u->model, text, room);
}

const char *unit_usb_serial(const struct unit *u)
{
	return u->has_tty ? "0001" : u->model.id.serial; /* as many bridges leave their factory */
}
