/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration file, which an editor, a deployment or a full disk may have left in any state, as a fuzz target. What is taken
 * must be whole and mean the same when it is read again; what is refused must name lines of the file. */
#include "scratch.h"
#include "station/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void write_all(const char *path, const uint8_t *data, size_t len)
{
	FILE *f = fopen(path, "w");
	must(f && fwrite(data, 1, len, f) == len && fclose(f) == 0);
}

#define ends(text) must(memchr((text), '\0', sizeof(text)))

static void check_taken(const struct config *c)
{
	ends(c->name);
	ends(c->state_dir);
	ends(c->ca_key);
	ends(c->dps_endpoint);
	must(c->state_dir[0] == '/' && c->ca_key[0] == '/' && c->ca_chain[0] == '/');
	must(!strncmp(c->dps_endpoint, "https://", 8));
	must(c->profile_count >= 1 && c->profile_count <= CONFIG_PROFILES_MAX && c->slot_count <= CONFIG_SLOTS_MAX);
	for (size_t i = 0; i < c->profile_count; i++) {
		ends(c->profile[i].name);
		ends(c->profile[i].id_template);
		must(c->profile[i].name[0] && c->profile[i].validity_days >= 1);
	}
	for (size_t i = 0; i < c->slot_count; i++) {
		ends(c->slot[i].port);
		must(c->slot[i].profile >= 0 && (size_t)c->slot[i].profile < c->profile_count && c->slot[i].port[0]);
	}
}

/* The number behind "PATH:", which must stand in front of each mistake; nothing in it moves a terminal's cursor. */
static void check_mistakes(const struct bytes *mistakes, const char *path, long lines)
{
	const char *at = bytes_text(mistakes);
	size_t path_len = strlen(path);
	for (size_t i = 0; i < mistakes->len; i++)
		must((mistakes->data[i] >= 0x20 && mistakes->data[i] != 0x7f) || mistakes->data[i] == '\n');
	while (*at) {
		const char *end = strchr(at, '\n');
		must(end && !strncmp(at, path, path_len) && at[path_len] == ':');
		long line = strtol(at + path_len + 1, NULL, 10);
		must(line >= 0 && line <= lines);
		at = end + 1;
	}
}

static long lines_of(const uint8_t *data, size_t len)
{
	long n = 1;
	for (size_t i = 0; i < len; i++)
		n += data[i] == '\n';
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *path = scratch_path("station.conf");
	struct config *c = NULL, *again = NULL;
	AUTO(bytes) struct bytes mistakes = {0}, none = {0};
	struct err e = {0};
	write_all(path, data, len);
	bool taken = config_load(path, &c, &mistakes, &e);
	must(taken == (e.code == E_NONE) && taken == (c != NULL));
	must(taken || e.code == E_CONFIG || e.code == E_TEXT);
	must((e.code == E_CONFIG) == (mistakes.len > 0));
	check_mistakes(&mistakes, path, lines_of(data, len));
	if (taken) {
		check_taken(c);
		must(config_load(path, &again, &none, &e) && c->slot_count == again->slot_count && !strcmp(c->dps_endpoint, again->dps_endpoint));
	}
	config_free(c);
	config_free(again);
	return 0;
}
