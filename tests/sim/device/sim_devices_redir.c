/* SPDX-License-Identifier: Apache-2.0 */
/* sim-devices-redir: simulated TPM devices as usbredir servers, to be plugged into virtual machines. */
#include "control.h"
#include "redir_bus.h"

#include <getopt.h>
#include <stdlib.h>

static const char usage[] =
	"sim-devices-redir --tpms DIR --sockets DIR [--control SOCK] [--ports N] [--plug N]\n"
	"  --tpms DIR      the manufactured devices, a directory for each\n"
	"  --sockets DIR   port N is the socket DIR/portN while a device is plugged into it\n"
	"  --control SOCK  listen here for plug, unplug, unplug-all, list, stats, knob, quit\n"
	"  --ports N       there are N ports (64)\n"
	"  --plug N        plug the first N devices into ports 1 to N at once\n"
	"Says \"ready\" when the first devices are plugged in, and serves until SIGTERM.\n";

struct options {
	const char *tpms, *sockets, *control;
	unsigned ports, plug;
};

static bool options_read(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
		{ "tpms", required_argument, NULL, 't' }, { "sockets", required_argument, NULL, 's' },
		{ "control", required_argument, NULL, 'c' }, { "ports", required_argument, NULL, 'n' },
		{ "plug", required_argument, NULL, 'p' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	int c;

	*o = (struct options){ .ports = 64 };
	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 't': o->tpms = optarg; break;
		case 's': o->sockets = optarg; break;
		case 'c': o->control = optarg; break;
		case 'n': o->ports = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'p': o->plug = (unsigned)strtoul(optarg, NULL, 10); break;
		case 'h': fputs(usage, stdout); exit(0);
		default: return false;
		}
	}
	return o->tpms && o->sockets && optind == argc;
}

static bool serve(const struct options *o, struct rack *r, struct control *c, struct why *w)
{
	if (!rack_plug_first(r, o->plug, w))
		return false;
	puts("ready");
	fflush(stdout);
	control_run(c, r, 0);
	return true;
}

static bool run(const struct options *o, struct why *w)
{
	struct control control;
	struct redir_bus *bus;
	struct rack rack = { 0 };

	/* First the signals, so that every thread made from here on leaves them to the loop. */
	if (!control_open(&control, o->control, w))
		return false;
	bool ok = redir_bus_open(&bus, o->sockets, o->ports, w);
	if (ok) {
		ok = rack_open(&rack, o->tpms, redir_bus_bus(bus), w) && serve(o, &rack, &control, w);
		rack_close(&rack);
		redir_bus_close(bus);
	}
	control_close(&control);
	return ok;
}

int main(int argc, char **argv)
{
	struct options o;
	struct why why;

	if (!options_read(&o, argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	if (run(&o, &why))
		return 0;
	fprintf(stderr, "sim-devices-redir: %s\n", why.text);
	return 1;
}
