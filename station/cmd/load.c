/* SPDX-License-Identifier: Apache-2.0 */
#include "station/cmd/load.h"
#include "station/cmd/cmd.h"
#include "station/line.h"

#include <stdio.h>
#include <string.h>

bool command_config(const char *path, struct config **ret, struct err *e)
{
	AUTO(bytes) struct bytes mistakes = {0};
	if (!path)
		return err_set(e, E_USAGE, "--config FILE is missing");
	if (config_load(path, ret, &mistakes, e))
		return true;
	fputs(bytes_text(&mistakes), stderr);
	return false;
}

bool command_engineer(const char *path, const char *verb, struct config **ret, struct err *e)
{
	if (!command_config(path, ret, e))
		return false;
	if ((*ret)->role == ROLE_ENGINEER)
		return true;
	config_free(*ret);
	*ret = NULL;
	return err_set(e, E_ROLE, "`station %s` needs role = engineer", verb);
}

bool command_dps(const struct config *c, struct dps **ret, struct err *e)
{
	struct dps_setup setup;
	line_dps_setup(c, &setup);
	return http_start(e) && dps_open(&setup, ret, e);
}

static bool take_value(const struct command_option *o, const char *inline_value, int *at, int argc, char **argv, struct err *e)
{
	if (o->flag) {
		*o->flag = true;
		return !inline_value || err_set(e, E_USAGE, "--%s takes no value", o->name);
	}
	if (!inline_value && *at + 1 >= argc)
		return err_set(e, E_USAGE, "--%s needs a value", o->name);
	*o->value = inline_value ? inline_value : argv[++*at];
	return true;
}

static bool take_option(const char *arg, const struct command_option *options, int *at, int argc, char **argv, struct err *e)
{
	const char *name = arg + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	for (const struct command_option *o = options; o->name; o++)
		if (strlen(o->name) == len && !strncmp(o->name, name, len))
			return take_value(o, equals ? equals + 1 : NULL, at, argc, argv, e);
	return err_set(e, E_USAGE, "there is no option %s", arg);
}

bool command_options(int *argc, char **argv, const struct command_option *options, struct err *e)
{
	int kept = 0;
	for (int i = 0; i < *argc; i++) {
		if (strncmp(argv[i], "--", 2) != 0) {
			argv[kept++] = argv[i];
			continue;
		}
		if (!take_option(argv[i], options, &i, *argc, argv, e))
			return false;
	}
	*argc = kept;
	return true;
}
