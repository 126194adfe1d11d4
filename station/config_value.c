/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of value: each checks a text and writes a field. Texts of the file stand in messages
 * only where they cannot be a secret. */
#include "station/config_table.h"
#include "station/base/clock.h"
#include "drivers/wrap.h"
#include "station/base/file.h"
#include "station/base/text.h"
#include "station/regid.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static bool store(const struct config_value *v, const char *text, struct err *e)
{
	size_t n = strlen(text);
	if (n >= v->row->room)
		return err_set(e, E_CONFIG, "%s is longer than %zu characters", v->row->name, v->row->room - 1);
	memcpy(v->to, text, n + 1);
	return true;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n >= m && !strcasecmp(text + n - m, end);
}

bool value_text(const struct config_value *v, struct err *e)
{
	if (!text_is_printable(v->text, strlen(v->text)))
		return err_set(e, E_CONFIG, "%s must be printable ASCII", v->row->name);
	return store(v, v->text, e);
}

bool value_name(const struct config_value *v, struct err *e)
{
	for (const char *p = v->text; *p; p++)
		if (!isascii(*p) || (!isalnum((unsigned char)*p) && !strchr("-._:", *p)))
			return err_set(e, E_CONFIG, "%s may hold letters, digits and - . _ : only", v->row->name);
	return store(v, v->text, e);
}

/* A path of the file's directory, or an absolute one, behind a prefix. */
static bool store_path(const struct config_value *v, const char *prefix, const char *path, struct err *e)
{
	char whole[PATH_MAX + 16];
	bool relative = path[0] != '/';
	for (const char *p = path; *p; p++)
		if (iscntrl((unsigned char)*p))
			return err_set(e, E_CONFIG, "%s holds a control character", v->row->name);
	int n = snprintf(whole, sizeof(whole), "%s%s%s%s", prefix, relative ? v->dir : "", relative ? "/" : "", path);
	if (n >= (int)sizeof(whole))
		return err_set(e, E_CONFIG, "%s is longer than a path may be", v->row->name);
	return store(v, whole, e);
}

bool value_path(const struct config_value *v, struct err *e)
{
	return store_path(v, "", v->text, e);
}

bool value_secret(const struct config_value *v, struct err *e)
{
	if (!secret_is_reference(v->text))
		return err_set(e, E_CONFIG, "%s is a secret and must not stand here: write file:PATH or credential:NAME",
			       v->row->name);
	if (strncmp(v->text, "file:", 5))
		return value_text(v, e);
	return store_path(v, "file:", v->text + 5, e);
}

/* Host, maybe port, nothing behind; one slash at the end is dropped. */
static bool store_url(const struct config_value *v, const char *scheme, struct err *e)
{
	char url[512];
	const char *host = v->text + strlen(scheme);
	size_t n = strlen(v->text);
	if (n && v->text[n - 1] == '/')
		n--;
	if (n >= sizeof(url) || n <= strlen(scheme))
		return err_set(e, E_CONFIG, "%s must be %sHOST or %sHOST:PORT", v->row->name, scheme, scheme);
	memcpy(url, v->text, n);
	url[n] = '\0';
	if (strchr(host, '@'))
		return err_set(e, E_CONFIG, "%s must not hold a user or password", v->row->name);
	size_t host_len = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-");
	if (host[0] == '[') {	/* an IPv6 address */
		host_len = strspn(host + 1, "0123456789abcdefABCDEF:.") + 1;
		host_len = host_len > 1 && host[host_len] == ']' ? host_len + 1 : 0;
	}
	size_t at = strlen(scheme) + host_len;
	bool port = at < n && url[at] == ':' && at + 1 < n && n - at <= 6 && strspn(url + at + 1, "0123456789") == n - at - 1;
	if (host_len == 0 || at > n || (at != n && !port))
		return err_set(e, E_CONFIG, "%s must be %sHOST or %sHOST:PORT, nothing behind", v->row->name, scheme, scheme);
	return store(v, url, e);
}

bool value_https(const struct config_value *v, struct err *e)
{
	if (strncmp(v->text, "https://", 8))
		return err_set(e, E_CONFIG, "%s must begin with https://", v->row->name);
	return store_url(v, "https://", e);
}

bool value_endpoint(const struct config_value *v, struct err *e)
{
	if (!value_https(v, e))
		return false;
	char host[256];
	const char *url = v->to;
	snprintf(host, sizeof(host), "%s", url + 8);
	host[strcspn(host, ":")] = '\0';
	if (ends_with(host, ".azure-devices.net"))
		return err_set(e, E_CONFIG, "endpoint is an IoT hub's host; the provisioning service is at "
			       "https://NAME.azure-devices-provisioning.net");
	if (!strcasecmp(host, "global.azure-devices-provisioning.net"))
		return err_set(e, E_CONFIG, "endpoint is where devices register (global_endpoint); the service itself is at "
			       "https://NAME.azure-devices-provisioning.net");
	return true;
}

bool value_proxy(const struct config_value *v, struct err *e)
{
	if (!strncmp(v->text, "http://", 7))
		return store_url(v, "http://", e);
	if (!strncmp(v->text, "https://", 8))
		return store_url(v, "https://", e);
	return err_set(e, E_CONFIG, "proxy must be http://HOST:PORT or https://HOST:PORT");
}

bool value_choice(const struct config_value *v, struct err *e)
{
	char all[128] = "";
	unsigned index = 0;
	for (; v->row->choices[index] && strcmp(v->row->choices[index], v->text); index++)
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", index ? " | " : "", v->row->choices[index]);
	if (!v->row->choices[index])
		return err_set(e, E_CONFIG, "%s must be one of: %s", v->row->name, all);
	if (v->row->room == sizeof(bool))
		*(bool *)v->to = index == 1;
	else
		memcpy(v->to, &index, sizeof(index));
	return true;
}

bool value_count(const struct config_value *v, struct err *e)
{
	size_t n = strlen(v->text);
	unsigned long number = n && n <= 9 && strspn(v->text, "0123456789") == n ? strtoul(v->text, NULL, 10) : 0;
	if (number < v->row->least || number > v->row->most)
		return err_set(e, E_CONFIG, "%s must be a number from %u to %u", v->row->name, v->row->least, v->row->most);
	*(uint32_t *)v->to = (uint32_t)number;
	return true;
}

bool value_handle(const struct config_value *v, struct err *e)
{
	uint8_t be[4];
	struct err ignored = {0};
	bool hex = !strncmp(v->text, "0x", 2) && hex_decode(v->text + 2, be, sizeof(be), &ignored);
	uint32_t handle = hex ? (uint32_t)be[0] << 24 | (uint32_t)be[1] << 16 | (uint32_t)be[2] << 8 | be[3] : 0;
	if (handle < 0x81000000u || handle > 0x817fffffu)
		return err_set(e, E_CONFIG, "%s must be a persistent handle of the TPM's owner, 0x81000000 to 0x817fffff",
			       v->row->name);
	if (handle >= 0x81010000u && handle <= 0x8101ffffu)
		return err_set(e, E_CONFIG, "%s lies where the TCG keeps endorsement keys (0x8101….)", v->row->name);
	*(uint32_t *)v->to = handle;
	return true;
}

bool value_last_day(const struct config_value *v, struct err *e)
{
	int64_t start_ms;
	if (!clock_parse_day(v->text, &start_ms))
		return err_set(e, E_CONFIG, "%s must be a day as YYYY-MM-DD", v->row->name);
	*(int64_t *)v->to = start_ms + CLOCK_DAY_MS - 1;
	return true;
}

bool value_template(const struct config_value *v, struct err *e)
{
	static const uint8_t hash[SHA256_SIZE];
	const struct regid_facts shortest = {.serial = "0", .model = "0", .ek_sha256 = hash};
	char id[REGID_ROOM];
	struct err why = {0};
	if (!text_is_printable(v->text, strlen(v->text)))
		return err_set(e, E_CONFIG, "%s must be printable ASCII", v->row->name);
	if (!regid_from_template(v->text, &shortest, id, &why))
		return err_set(e, E_CONFIG, "%s makes no valid registration id: %s", v->row->name, why.what);
	if (!strstr(v->text, "{serial}") && !strstr(v->text, "{ek}"))
		return err_set(e, E_CONFIG, "%s gives every unit one id; it needs {serial} or {ek}", v->row->name);
	return store(v, v->text, e);
}

bool value_device_id(const struct config_value *v, struct err *e)
{
	static const uint8_t hash[SHA256_SIZE];
	const struct regid_facts shortest = {.serial = "0", .model = "0", .ek_sha256 = hash, .id = "0"};
	char id[DEVICE_ID_ROOM];
	struct err why = {0};
	if (!text_is_printable(v->text, strlen(v->text)))
		return err_set(e, E_CONFIG, "%s must be printable ASCII", v->row->name);
	if (!regid_device_id(v->text, &shortest, id, &why))
		return err_set(e, E_CONFIG, "%s makes no valid device id: %s", v->row->name, why.what);
	if (!strstr(v->text, "{serial}") && !strstr(v->text, "{ek}") && !strstr(v->text, "{id}"))
		return err_set(e, E_CONFIG, "%s gives every unit one id; it needs {id}, {serial} or {ek}", v->row->name);
	return store(v, v->text, e);
}

bool value_host(const struct config_value *v, struct err *e)
{
	for (const char *p = v->text; *p; p++)
		if (!isascii(*p) || (!isalnum((unsigned char)*p) && *p != '-' && *p != '.'))
			return err_set(e, E_CONFIG, "%s must be a host's name, such as NAME.azure-devices.net", v->row->name);
	return store(v, v->text, e);
}

/* CONTROLLER "-usb-" N ":" PORT { "." PORT }, as udev's ID_PATH has it. */
static bool port_is_path(const char *text)
{
	const char *usb = strstr(text, "-usb-");
	if (!usb || usb == text || !text_is_printable(text, strlen(text)) || strchr(text, ' '))
		return false;
	const char *p = usb + 5;
	size_t n = strspn(p, "0123456789");
	if (n == 0 || p[n] != ':')
		return false;
	do {
		p += n + 1;
		n = strspn(p, "0123456789");
		if (n == 0 || n > 3 || p[0] == '0')
			return false;
	} while (p[n] == '.');
	return p[n] == '\0';
}

bool value_port(const struct config_value *v, struct err *e)
{
	if (!port_is_path(v->text))
		return err_set(e, E_CONFIG, "%s must be a port path such as pci-0000:00:14.0-usb-0:1.2; `station devices` prints it",
			       v->row->name);
	return store(v, v->text, e);
}

bool value_arm_id(const struct config_value *v, struct err *e)
{
	if (strncasecmp(v->text, "/subscriptions/", 15) ||
	    !strcasestr(v->text, "/providers/Microsoft.Devices/provisioningServices/") || ends_with(v->text, "/"))
		return err_set(e, E_CONFIG, "%s must be /subscriptions/…/resourceGroups/…/providers/Microsoft.Devices/"
			       "provisioningServices/NAME", v->row->name);
	return value_text(v, e);
}

bool value_driver(const struct config_value *v, struct err *e)
{
	char all[160] = "";
	struct err why = {0};
	if (wrap_spec_is_good(v->text, &why))
		return store(v, v->text, e);
	if (why.code == E_CONFIG)
		return err_set(e, E_CONFIG, "%s: %s", v->row->name, why.what);
	for (const struct driver *const *d = driver_table; *d; d++)
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", *all ? ", " : "", (*d)->name);
	return err_set(e, E_CONFIG, "%s is not one of this build's drivers: %s", v->row->name, all);
}

bool value_profile(const struct config_value *v, struct err *e)
{
	/* The index can only be known when all profiles are; the reader keeps the name. */
	*(int *)v->to = -1;
	return true;
}
