/* SPDX-License-Identifier: Apache-2.0 */
/* station ca key: the first keys of a line whose root is elsewhere, in files: the CA's and the log's. station ca renew:
 * the next key of a CA in a file, and the request for its certificate; `ca import --next` puts both in their places. */
#include "certs/ca.h"
#include "certs/ca_request.h"
#include "station/base/lockdown.h"
#include "station/base/text.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"

#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Keys in hardware are made where they stay (`station custody make-key`, or the token's own tool). */
static bool is_in_file(const struct config *c, struct err *e)
{
	return c->ca_key[0] == '/' || err_set(e, E_CA_FILE,
					      "[ca] key = %s is not in a file: make the key there, name it in [ca], and use `ca csr`",
					      c->ca_key);
}

/* A log key that is there stays: its name and key are known to whoever checks the log. */
static bool make_first(const struct config *c, struct err *e)
{
	char copy[PATH_MAX], vkey[PATH_MAX + 16];
	snprintf(copy, sizeof(copy), "%s", c->ca_log_key);
	snprintf(vkey, sizeof(vkey), "%s/log.vkey", dirname(copy));
	bool in_file = c->ca_key[0] == '/', log = access(c->ca_log_key, F_OK) != 0;
	if (log && !ca_make_log_key(c->ca_log_key, vkey, c->log_origin, c->ca_passphrase, e))
		return false;
	if (in_file && !ca_make_key(c->ca_key, c->ca_passphrase, e))
		return false;
	printf("%s%s%s%s%s\n", log ? c->ca_log_key : "", log ? " " : "", log ? vkey : "", log && in_file ? " " : "",
	       in_file ? c->ca_key : "");
	return true;
}

static int run_key(int argc, char **argv, struct err *e)
{
	const char *path = NULL;
	struct config *config = NULL;
	const struct command_option options[] = {{"config", &path, NULL}, {0}};
	bool ok = command_options(&argc, argv, options, e) && (argc == 0 || err_set(e, E_USAGE, "nothing else is wanted")) &&
		  lockdown_no_core(e) && command_config(path, &config, e) && make_first(config, e);
	config_free(config);
	return ok ? EXIT_OK : EXIT_FAILED;
}

/* Where a line's keys lie no further key may lie: a line would refuse to run. */
static bool is_elsewhere(const struct config *c, const char *next, struct err *e)
{
	char a[PATH_MAX], b[PATH_MAX], here[PATH_MAX], there[PATH_MAX];
	snprintf(a, sizeof(a), "%s", c->ca_key);
	snprintf(b, sizeof(b), "%s", next);
	if (!realpath(dirname(a), here) || !realpath(dirname(b), there))
		return err_errno(e, E_FILE, "%s", next);
	return strcmp(here, there) != 0 || err_set(e, E_CA_FILE,
						   "%s lies where the line's key lies; make it in another directory", next);
}

static bool renew(const struct config *c, const char *name, const char *next, struct err *e)
{
	struct keystore key = {0};
	AUTO(bytes) struct bytes pem = {0};
	if (!is_in_file(c, e) || !is_elsewhere(c, next, e) || !ca_make_key(next, c->ca_passphrase, e))
		return false;
	bool ok = keystore_open_file(next, c->ca_passphrase, &key, e) && ca_request(&key, name, &pem, e);
	if (key.ops)
		keystore_close(&key);
	if (ok)
		printf("%s", bytes_text(&pem));
	else
		unlink(next);	/* nobody has asked for its certificate */
	return ok;
}

static int run_renew(int argc, char **argv, struct err *e)
{
	const char *path = NULL, *name = NULL, *next = NULL;
	struct config *config = NULL;
	const struct command_option options[] = {{"config", &path, NULL}, {"name", &name, NULL}, {"next", &next, NULL}, {0}};
	bool ok = command_options(&argc, argv, options, e) &&
		  ((argc == 0 && name && next) || err_set(e, E_USAGE, "--name NAME and --next NEW.key are wanted")) &&
			lockdown_no_core(e) &&
		  command_config(path, &config, e) && renew(config, name, next, e);
	config_free(config);
	return ok ? EXIT_OK : e->code == E_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

const struct command ca_key_command = {"ca key", "--config FILE", "the first keys of a line whose root is elsewhere", run_key},
		     ca_renew_command = {"ca renew", "--config FILE --name NAME --next NEW.key",
					 "the next key of a CA in a file, and the request for it", run_renew};
