/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim-devices-usb: simulated TPM devices on a simulated USB bus, for programs that use libusb and libudev.
 * Nothing is plugged in until the control socket, or --plug, says so.
 */
#include "control.h"
#include "umock_bus.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define PRELOAD "libumockdev-preload.so.0"

static const char usage[] =
	"sim-devices-usb --tpms DIR [--control SOCK] [--env FILE] [--ports N] [--plug N] [--preload LIB]\n"
	"                [-- COMMAND ARGS...]\n"
	"  --tpms DIR      the manufactured devices, a directory for each\n"
	"  --control SOCK  listen here for plug, unplug, unplug-all, list, stats, knob, quit\n"
	"  --env FILE      write the variables that a program needs in order to see the bus\n"
	"  --ports N       the bus has N ports (64)\n"
	"  --plug N        plug the first N devices into ports 1 to N at once\n"
	"  --preload LIB   a library for COMMAND to load before umockdev's, as a sanitizer wants it\n"
	"With COMMAND, runs it on the bus and exits with its status; without, serves until SIGTERM.\n";

struct options {
	const char *tpms, *control, *env, *preload;
	unsigned ports, plug;
	char **command;
};

static bool options_read(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
		{ "tpms", required_argument, NULL, 't' }, { "control", required_argument, NULL, 'c' },
		{ "env", required_argument, NULL, 'e' }, { "ports", required_argument, NULL, 'n' },
		{ "plug", required_argument, NULL, 'p' }, { "preload", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' }, { 0 },
	};
	int c;

	*o = (struct options){ .ports = 64 };
	while ((c = getopt_long(argc, argv, "+", names, NULL)) != -1) {
		switch (c) {
		case 't': o->tpms = optarg; break;
		case 'c': o->control = optarg; break;
		case 'e': o->env = optarg; break;
		case 'n': o->ports = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'p': o->plug = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'l': o->preload = optarg; break;
		case 'h': fputs(usage, stdout); exit(0);
		default: return false;
		}
	}
	if (optind < argc)
		o->command = argv + optind;
	return o->tpms != NULL;
}

/*
 * umockdev only sends hotplug events from a process that runs with its preload, so start over with it.
 * A sanitizer's runtime, if this program was built with one, must come first.
 */
static void preload_self(char **argv)
{
	char line[600], libraries[600] = PRELOAD;
	const char *now = getenv("LD_PRELOAD");

	if (now && strstr(now, PRELOAD))
		return;
	FILE *maps = fopen("/proc/self/maps", "re");
	while (maps && fgets(line, sizeof line, maps)) {
		char *path = strchr(line, '/');
		if (path && strstr(path, "/libasan.so")) {
			path[strcspn(path, "\n")] = 0;
			snprintf(libraries, sizeof libraries, "%.500s " PRELOAD, path);
			break;
		}
	}
	if (maps)
		fclose(maps);
	setenv("LD_PRELOAD", libraries, 1);
	execv("/proc/self/exe", argv);
	perror("sim-devices-usb: exec");
	exit(1);
}

static void child_preload(const struct options *o, char *text, size_t room)
{
	snprintf(text, room, "%s%s" PRELOAD, o->preload ? o->preload : "", o->preload ? " " : "");
}

static bool env_write(const struct options *o, const char *root, struct why *w)
{
	char libraries[500], temporary[500];

	child_preload(o, libraries, sizeof libraries);
	if (!o->env) {
		printf("UMOCKDEV_DIR=%s\nLD_PRELOAD=%s\n", root, libraries);
		return fflush(stdout) == 0 ? true : why_set(w, "stdout: %s", strerror(errno));
	}
	snprintf(temporary, sizeof temporary, "%s.tmp", o->env);
	FILE *f = fopen(temporary, "we");
	if (!f)
		return why_set(w, "%s: %s", temporary, strerror(errno));
	fprintf(f, "UMOCKDEV_DIR=%s\nLD_PRELOAD=%s\n", root, libraries);
	if (fclose(f) != 0 || rename(temporary, o->env) != 0)
		return why_set(w, "%s: %s", o->env, strerror(errno));
	return true;
}

static pid_t command_start(const struct options *o)
{
	char libraries[500];
	child_preload(o, libraries, sizeof libraries);
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	control_release_signals();
	setenv("LD_PRELOAD", libraries, 1); /* UMOCKDEV_DIR is set already */
	execvp(o->command[0], o->command);
	perror(o->command[0]);
	_exit(127);
}

static bool serve(const struct options *o, struct rack *r, struct control *c, const char *root, int *status,
	struct why *w)
{
	pid_t child = 0;

	if (!rack_plug_first(r, o->plug, w))
		return false;
	if ((o->env || !o->command) && !env_write(o, root, w))
		return false;
	if (o->command && (child = command_start(o)) < 0)
		return why_set(w, "fork: %s", strerror(errno));
	*status = control_run(c, r, child);
	return true;
}

static bool run(const struct options *o, int *status, struct why *w)
{
	struct control control;
	struct umock_bus *bus;
	struct rack rack = { 0 };

	/* First the signals, so that every thread made from here on leaves them to the loop. */
	if (!control_open(&control, o->control, w))
		return false;
	bool ok = umock_bus_open(&bus, o->ports, w);
	if (ok) {
		ok = rack_open(&rack, o->tpms, umock_bus_bus(bus), w)
			&& serve(o, &rack, &control, umock_bus_root(bus), status, w);
		rack_close(&rack);
		umock_bus_close(bus);
	}
	control_close(&control);
	return ok;
}

int main(int argc, char **argv)
{
	struct options o;
	struct why why;
	int status = 0;

	preload_self(argv);
	if (!options_read(&o, argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	if (run(&o, &status, &why))
		return status;
	fprintf(stderr, "sim-devices-usb: %s\n", why.text);
	return 1;
}
