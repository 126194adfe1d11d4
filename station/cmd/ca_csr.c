/* SPDX-License-Identifier: Apache-2.0 */
/* station ca csr: a request for the line CA's certificate, for the key that the configuration names, wherever it lives. */
#include "certs/ca_request.h"
#include "certs/custody.h"
#include "station/base/lockdown.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/signer_settings.h"

#include <stdio.h>

static bool request(const struct config *c, const char *name, struct err *e)
{
	struct signer_settings settings;
	struct custody custody = {0};
	AUTO(bytes) struct bytes pem = {0};
	if (!signer_settings_of(c, &settings, e))
		return false;
	settings.setup.custody.anchor_uri = "";	/* it may not be there yet */
	bool ok = custody_open(&settings.setup.custody, &custody, e) && ca_request(&custody.key, name, &pem, e);
	custody_close(&custody);
	if (ok)
		printf("%s", bytes_text(&pem));
	return ok;
}

static int run(int argc, char **argv, struct err *e)
{
	const char *path = NULL, *name = NULL;
	struct config *config = NULL;
	const struct command_option options[] = {{"config", &path, NULL}, {"name", &name, NULL}, {0}};
	bool ok = command_options(&argc, argv, options, e) &&
		  ((argc == 0 && name) || err_set(e, E_USAGE, "ca csr --config FILE --name NAME")) && lockdown_no_core(e) &&
		  command_config(path, &config, e) && request(config, name, e);
	config_free(config);
	return ok ? EXIT_OK : e->code == E_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

const struct command ca_csr_command = {"ca csr", "--config FILE --name NAME",
	"a request for the line CA's certificate, for the key wherever it lives", run};
