/* SPDX-License-Identifier: Apache-2.0 */
/* station custody make-key, make-anchor, set-limit: what an engineer makes in the station's TPM, or on its token, before
 * the ceremony goes on; by the URIs of the configuration. A key on a token is made with the token's own tools. */
#include "certs/own_tpm.h"
#include "certs/token.h"
#include "station/base/lockdown.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/signer_settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct asked {
	const char *config_path, *owner, *limit;
	bool rsa;
	struct config *config;
};

static bool take(int *argc, char **argv, struct asked *a, struct err *e)
{
	const struct command_option options[] = {{"config", &a->config_path, NULL}, {"owner", &a->owner, NULL},
						 {"limit", &a->limit, NULL}, {"rsa", NULL, &a->rsa}, {0}};
	return command_options(argc, argv, options, e) && (*argc == 0 || err_set(e, E_USAGE, "nothing else is wanted")) &&
	       lockdown_no_core(e) && command_config(a->config_path, &a->config, e);
}

static bool limit_of(const struct asked *a, uint32_t *ret, struct err *e)
{
	char *end = NULL;
	unsigned long n = a->limit ? strtoul(a->limit, &end, 10) : 0;
	*ret = (uint32_t)n;
	return !a->limit || (*a->limit && !*end && n > 0 && n < UINT32_MAX) || err_set(e, E_USAGE, "--limit is a number of signatures");
}

typedef bool tpm_work(struct own_tpm *t, const struct own_tpm_make *make, struct err *e);

static bool in_tpm(const struct asked *a, const char *uri, tpm_work *work, struct err *e)
{
	struct own_tpm *t = NULL;
	struct own_tpm_make make = {.uri = uri, .auth = a->config->custody_pin, .owner = a->owner ? a->owner : "", .rsa = a->rsa};
	if (!limit_of(a, &make.limit, e))
		return false;
	if (!a->config->custody_tcti[0])
		return err_set(e, E_CA_FILE, "the configuration names no tcti of the station's TPM");
	bool ok = own_tpm_open(a->config->custody_tcti, &t, e) && work(t, &make, e);
	own_tpm_close(t);
	return ok;
}

static bool make_key(const struct asked *a, struct err *e)
{
	return (own_tpm_is_key_uri(a->config->ca_key) || err_set(e, E_CA_FILE, "the configuration's key is not in the station's TPM")) &&
	       in_tpm(a, a->config->ca_key, own_tpm_make_key, e);
}

static bool anchor_on_token(const struct config *c, const char *label, struct err *e)
{
	struct signer_settings settings;
	struct token *t = NULL;
	if (!signer_settings_of(c, &settings, e))
		return false;
	const struct custody_setup *s = &settings.setup.custody;
	const struct token_setup setup = {s->token_socket, s->key_uri, s->pin, s->pin_memory};
	bool ok = token_open(&setup, &t, e) && token_make_anchor(t, label, e);
	token_close(t);
	return ok;
}

static bool make_anchor(const struct asked *a, struct err *e)
{
	const char *uri = a->config->custody_anchor;
	if (!strncmp(uri, "token:", strlen("token:")))
		return anchor_on_token(a->config, uri + strlen("token:"), e);
	return (*uri || err_set(e, E_CUSTODY, "the configuration names no anchor")) && in_tpm(a, uri, own_tpm_make_anchor, e);
}

static bool set_limit(const struct asked *a, struct err *e)
{
	return (a->limit || err_set(e, E_USAGE, "--limit N is wanted")) && in_tpm(a, a->config->ca_key, own_tpm_set_limit, e);
}

static int run(int argc, char **argv, bool (*work)(const struct asked *a, struct err *e), const char *said, struct err *e)
{
	struct asked a = {0};
	bool ok = take(&argc, argv, &a, e) && work(&a, e);
	config_free(a.config);
	if (ok)
		printf("%s\n", said);
	return ok ? EXIT_OK : e->code == E_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

static int run_make_key(int argc, char **argv, struct err *e)
{
	return run(argc, argv, make_key, "The key is in the TPM. Its certificate comes from the CA above it: station ca csr.", e);
}

static int run_make_anchor(int argc, char **argv, struct err *e)
{
	return run(argc, argv, make_anchor, "The anchor is there. Two people tie the count to it: station custody init.", e);
}

static int run_set_limit(int argc, char **argv, struct err *e)
{
	return run(argc, argv, set_limit, "The TPM signs so many times from now on, and no more.", e);
}

const struct command custody_make_key_command = {"custody make-key", "--config FILE [--limit N] [--owner REF] [--rsa]",
	"make the line CA's key in the station's TPM", run_make_key};
const struct command custody_make_anchor_command = {"custody make-anchor", "--config FILE [--owner REF]",
	"make the counter that the count is tied to, in the TPM or on the token", run_make_anchor};
const struct command custody_set_limit_command = {"custody set-limit", "--config FILE --limit N --owner REF",
	"the owner says how often the TPM may sign from now on", run_set_limit};
