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
	"  --polls N              how often a registration answers \"assigning\" (1)\n"
	"  --strict-etags         refuse an If-Match whose etag is not quoted\n"
	"  --bulk-lists-all       a bulk answer names what succeeded too\n"
	"  --help                 this text\n"
	"Once it answers it writes DIR/endpoint.json. SIGTERM and SIGINT end it.\n";

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

static bool take_option(struct options *o, int which, const char *value)
{
	switch (which) {
	case 'l':
		return parse_listen(o, value);
	case 's':
		o->state = value;
		return true;
	case 'r':
		o->rules = value;
		return true;
	case 'c':
		return append(o->ca, &o->cas, value);
	case 'g':
		return strchr(value, '=') && append(o->group, &o->groups, value);
	case 'p':
		return text_number(value, &o->polls) && o->polls >= 0 && o->polls <= 1000;
	case 'b':
		o->bulk_lists_all = true;
		return true;
	case 'e':
		o->strict_etags = true;
		return true;
	default:
		return false;
	}
}

/* 0: go on; else the exit code plus one. */
static int parse_options(struct options *o, int argc, char **argv)
{
	static const struct option names[] = {
		{"listen", required_argument, NULL, 'l'}, {"state", required_argument, NULL, 's'},
		{"verified-ca", required_argument, NULL, 'c'}, {"group", required_argument, NULL, 'g'},
		{"rules", required_argument, NULL, 'r'}, {"polls", required_argument, NULL, 'p'},
		{"strict-etags", no_argument, NULL, 'e'}, {"bulk-lists-all", no_argument, NULL, 'b'}, {"help", no_argument, NULL, 'h'}, {0},
	};
	parse_listen(o, "127.0.0.1:0");
	o->polls = 1;
	for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
		if (c == 'h') {
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

static int serve(struct service *svc, const struct tls_identity *tls, const sigset_t *ends)
{
	struct server server = {0};
	int signal_no = 0;
	if (!server_open(&server, svc, tls))
		return 1;
	bool ok = service_announce(svc, server.port);
	if (ok) {
		printf("https://localhost:%u %s/endpoint.json\n", server.port, svc->options.state);
		fflush(stdout);
		sigwait(ends, &signal_no);
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
	sigset_t ends;
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	struct service svc = {0};
	struct tls_identity tls = {0};
	int code = 1;
	if (service_open(&svc, &o) && tls_identity_open(&tls, o.state))
		code = serve(&svc, &tls, &ends);
	tls_identity_close(&tls);
	service_close(&svc);
	return code;
}
