/* SPDX-License-Identifier: Apache-2.0 */
/* station ca lint: what is wrong with certificates of devices, by whomever they were issued. */
#include "certs/ca.h"
#include "certs/lint.h"
#include "station/cmd/cmd.h"

#include <stdio.h>

#define CERTS_MOST 8	/* of one file: the first is the device's */

static void say(void *ctx, const struct lint_rule *rule)
{
	printf("%s: %s: %s (%s)\n", (const char *)ctx, rule->name, rule->wants, rule->section);
}

static bool lint_file(char *path, size_t *broken, struct err *e)
{
	struct bytes certs[CERTS_MOST] = {0};
	size_t count = 0, wrong = 0;
	bool ok = cert_read_pem_file(path, certs, CERTS_MOST, &count, e) &&
		  (count > 0 || err_set(e, E_CA_FILE, "%s holds no certificate", path)) &&
		  lint_leaf(certs[0].data, certs[0].len, say, path, &wrong, e);
	for (size_t i = 0; i < count; i++)
		bytes_fini(&certs[i]);
	*broken += wrong;
	return ok;
}

static int run(int argc, char **argv, struct err *e)
{
	size_t broken = 0;
	if (argc == 0) {
		for (size_t i = 0; lint_rule_at(i); i++)
			printf("%-16s %-32s %s\n", lint_rule_at(i)->name, lint_rule_at(i)->section, lint_rule_at(i)->wants);
		return EXIT_OK;
	}
	for (int i = 0; i < argc; i++)
		if (!lint_file(argv[i], &broken, e))
			return EXIT_FAILED;
	if (broken) {
		err_set(e, E_CA_FILE, "%zu rules are broken", broken);
		return EXIT_FAILED;
	}
	printf("%d certificates, nothing broken\n", argc);
	return EXIT_OK;
}

const struct command ca_lint_command = {"ca lint", "[CERT.pem…]",
	"what is wrong with certificates of devices; alone: the rules", run};
