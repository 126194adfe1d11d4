/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dps-emulator: Azure's Device Provisioning Service, on loopback, for tests and demonstrations.
 * docs/dps-emulator.md is its manual.
 */
#include "server.h"
#include "service.h"
#include "tls.h"
#include "util.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: dps-emulator --state DIR [options]\n"
	"  --listen ADDRESS:PORT  IPv4 address and port; port 0 takes a free one (127.0.0.1:0)\n"
	"  --state DIR            where everything is kept; made when absent\n"
	"  --verified-ca FILE     start with this CA certificate (PEM) proved; may be repeated\n"
	"  --group ID=FILE        start with an enrollment group whose signing certificate is FILE\n"
	"  --rules FILE           faults on demand (JSON); read again when it changes\n"
	"  --polls N              how often a registration answers \"assigning\" (1); -1: it is done at once\n"
	"  --throttle             the published limits: 1000 operations and 1000 registrations a minute,\n"
	"                         5 polls of a device in ten seconds; the next three change one of them\n"
	"  --throttle-operations N, --throttle-registrations N, --throttle-polls N\n"
	"  --throttle-window-ms N what counts as a minute (60000)\n"
	"  --bulk-costs one|each  what a bulk call counts: one operation, or each of its items (each)\n"
	"  --fault-rate R         so much of the service's and devices' calls fails by chance (0..1)\n"
	"  --fault-seed N         which of them (1)\n"
	"  --record-traffic DIR   keep requests and answers in DIR/traffic.jsonl\n"
	"  --strict-etags         refuse an If-Match whose etag is not quoted\n"
	"  --bulk-lists-all       a bulk answer names what succeeded too\n"
	"  --help                 this text\n"
	"Once it answers it writes DIR/endpoint.json. SIGTERM and SIGINT end it. SIGUSR1 makes it refuse\n"
	"connections, SIGUSR2 lets it answer again.\n";

static bool parse_listen(struct options *o, const char *text)
{
	const char *colon = strrchr(text, ':');
	int64_t port = -1;
	if (!colon || (size_t)(colon - text) >= sizeof o->listen_host || !text_number(colon + 1, &port) ||
		port < 0 || port > 65535)
		return false;
	AUTO_TEXT host = text_copy(text, (size_t)(colon - text));
	snprintf(o->listen_host, sizeof o->listen_host, "%s",
		text_same(host, "localhost") ? "127.0.0.1" : host);
	o->port = (uint16_t)port;
	return true;
}

static bool append(const char **list, size_t *n, const char *value)
{
	if (*n == OPTION_LIST_MAX)
		return false;
	list[(*n)++] = value;
	return true;
}

static bool take_number(int64_t *into, const char *value, int64_t min, int64_t max)
{
	return text_number(value, into) && *into >= min && *into <= max;
}

static bool take_rate(double *into, const char *value)
{
	char *end = NULL;
	*into = strtod(value, &end);
	return end != value && !*end && *into >= 0 && *into <= 1;
}

static bool take_seed(uint64_t *into, const char *value)
{
	int64_t seed = 0;
	bool ok = text_number(value, &seed);
	*into = (uint64_t)seed;
	return ok;
}

/* A limit that is named by itself goes before the published one. */
static void take_published(struct throttle_options *t)
{
	t->operations = t->operations ? t->operations : THROTTLE_OPERATIONS;
	t->registrations = t->registrations ? t->registrations : THROTTLE_REGISTRATIONS;
	t->polls = t->polls ? t->polls : THROTTLE_POLLS;
}

static bool take_cost(struct throttle_options *t, const char *value)
{
	t->bulk_costs_one = text_same(value, "one");
	return t->bulk_costs_one || text_same(value, "each");
}

enum option_code { OPT_LISTEN = 1, OPT_STATE, OPT_RULES, OPT_CA, OPT_GROUP, OPT_POLLS, OPT_STRICT, OPT_LIST_ALL,
	OPT_THROTTLE, OPT_OPERATIONS, OPT_REGISTRATIONS, OPT_DEVICE_POLLS, OPT_WINDOW, OPT_COSTS, OPT_RATE,
	OPT_SEED, OPT_TRAFFIC, OPT_HELP };

static bool take_option(struct options *o, int which, const char *value)
{
	switch (which) {
	case OPT_LISTEN:
		return parse_listen(o, value);
	case OPT_STATE:
		o->state = value;
		return true;
	case OPT_RULES:
		o->rules = value;
		return true;
	case OPT_TRAFFIC:
		o->traffic = value;
		return true;
	case OPT_CA:
		return append(o->ca, &o->cas, value);
	case OPT_GROUP:
		return strchr(value, '=') && append(o->group, &o->groups, value);
	case OPT_POLLS:
		return take_number(&o->polls, value, -1, 1000);
	case OPT_STRICT:
		o->strict_etags = true;
		return true;
	case OPT_LIST_ALL:
		o->bulk_lists_all = true;
		return true;
	case OPT_THROTTLE:
		take_published(&o->throttle);
		return true;
	case OPT_OPERATIONS:
		return take_number(&o->throttle.operations, value, 0, INT32_MAX);
	case OPT_REGISTRATIONS:
		return take_number(&o->throttle.registrations, value, 0, INT32_MAX);
	case OPT_DEVICE_POLLS:
		return take_number(&o->throttle.polls, value, 0, INT32_MAX);
	case OPT_WINDOW:
		return take_number(&o->throttle.window_ms, value, 1, INT32_MAX);
	case OPT_COSTS:
		return take_cost(&o->throttle, value);
	case OPT_RATE:
		return take_rate(&o->chance.rate, value);
	case OPT_SEED:
		return take_seed(&o->chance.state, value);
	default:
		return false;
	}
}

/* 0: go on; else the exit code plus one. */
static int parse_options(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
		{"listen", required_argument, NULL, OPT_LISTEN}, {"state", required_argument, NULL, OPT_STATE},
		{"verified-ca", required_argument, NULL, OPT_CA}, {"group", required_argument, NULL, OPT_GROUP},
		{"rules", required_argument, NULL, OPT_RULES}, {"polls", required_argument, NULL, OPT_POLLS},
		{"throttle", no_argument, NULL, OPT_THROTTLE},
		{"throttle-operations", required_argument, NULL, OPT_OPERATIONS},
		{"throttle-registrations", required_argument, NULL, OPT_REGISTRATIONS},
		{"throttle-polls", required_argument, NULL, OPT_DEVICE_POLLS},
		{"throttle-window-ms", required_argument, NULL, OPT_WINDOW},
		{"bulk-costs", required_argument, NULL, OPT_COSTS}, {"fault-rate", required_argument, NULL, OPT_RATE},
		{"fault-seed", required_argument, NULL, OPT_SEED},
		{"record-traffic", required_argument, NULL, OPT_TRAFFIC},
		{"strict-etags", no_argument, NULL, OPT_STRICT}, {"bulk-lists-all", no_argument, NULL, OPT_LIST_ALL},
		{"help", no_argument, NULL, OPT_HELP}, {0},
	};
	parse_listen(o, "127.0.0.1:0");
	o->polls = 1;
	o->throttle.window_ms = 60000;
	o->chance.state = 1;
	for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		if (c == OPT_HELP) {
			fputs(usage, stdout);
			return 1;
		}
		if (!take_option(o, c, optarg)) {
			fprintf(stderr, "dps-emulator: %s%sis not a value for this option; see --help\n",
				optarg ? optarg : "", optarg ? " " : "this ");
			return 3;
		}
	}
	if (o->state && optind == argc)
		return 0;
	fputs(usage, stderr);
	return 3;
}

/* SIGUSR1 closes the port, SIGUSR2 opens the same one again, until a signal ends it. */
static bool obey(struct server *server, struct service *svc, const struct tls_identity *tls,
	const sigset_t *signals)
{
	int signal_no = 0;
	while (sigwait(signals, &signal_no) == 0 && signal_no != SIGTERM && signal_no != SIGINT) {
		if (signal_no == SIGUSR1) {
			service_stop(svc);
			server_close(server);
		} else if (!server->daemon) {
			service_go_on(svc);
			if (!server_open(server, svc, tls))
				return false;
		}
	}
	return true;
}

static int serve(struct service *svc, const struct tls_identity *tls, const sigset_t *signals)
{
	struct server server = {0};
	if (!server_open(&server, svc, tls))
		return 1;
	bool ok = service_announce(svc, server.port);
	if (ok) {
		printf("https://localhost:%u %s/endpoint.json\n", server.port, svc->options.state);
		fflush(stdout);
		ok = obey(&server, svc, tls, signals);
	}
	service_stop(svc);
	server_close(&server);
	return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct options o = {0};
	int end = parse_options(&o, argc, argv);
	if (end)
		return end - 1;
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	struct service svc = {0};
	struct tls_identity tls = {0};
	int code = 1;
	if (service_open(&svc, &o) && tls_identity_open(&tls, o.state))
		code = serve(&svc, &tls, &signals);
	tls_identity_close(&tls);
	service_close(&svc);
	return code;
}
