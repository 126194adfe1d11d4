/* SPDX-License-Identifier: Apache-2.0 */
/* The console against a socket that a test names: all of it but the configuration file. */
#include "ui/app.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct app_options o = {.socket_path = argc > 1 ? argv[1] : ""};
	struct err e = {0};
	bool plain = false;
	for (int i = 2; i < argc; i++) {
		plain |= !strcmp(argv[i], "--plain");
		o.mono |= !strcmp(argv[i], "--mono");
		o.ascii |= !strcmp(argv[i], "--ascii");
	}
	if (plain ? plain_run(&o, &e) : app_run(&o, &e))
		return 0;
	fprintf(stderr, "%s\n", e.what);
	return 1;
}
