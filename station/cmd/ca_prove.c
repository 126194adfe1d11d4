/* SPDX-License-Identifier: Apache-2.0 */
/* station ca prove: puts our CA on the DPS instance and proves that we hold its key. An engineer's verb. */
#include "certs/ca.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/dps/arm.h"

#include <stdio.h>

#define PROVE_MS 60000

struct proof {
	const char *name, *cert, *key, *passphrase;
	const char *made;	/* where the key is elsewhere: the proof that was made there, once the code is known */
};

/* A root's key is not on this machine: its holder makes a certificate with the code as its name, and it is handed in by
 * a second call. */
static bool tell_code(const struct proof *p, const char *code)
{
	printf("%s is there, not proved. Have the key of %s sign a certificate with CN=%s,\n"
	       "and hand it in: station ca prove --name %s --cert %s --proof PROOF.pem\n", p->name, p->cert, code, p->name,
		p->cert);
	return true;
}

/* The etag is that of the code's answer, and a code is good until the next one is made: it is read, and not made again. */
static bool hand_in(struct dps *d, const struct proof *p, int64_t deadline_ms, struct arm_certificate *ret, struct err *e)
{
	AUTO(bytes) struct bytes answer = {0};
	return file_read(p->made, &answer, e) && arm_verify(d, p->name, ret->etag, bytes_text(&answer), deadline_ms, ret, e);
}

static bool prove(struct dps *d, const struct proof *p, struct arm_certificate *ret, struct err *e)
{
	AUTO(bytes) struct bytes pem = {0}, answer = {0};
	char code[ARM_CODE_MAX];
	bool found = false;
	int64_t deadline_ms = clock_steady_ms() + PROVE_MS;
	if (!file_read(p->cert, &pem, e) || !arm_get_certificate(d, p->name, deadline_ms, &found, ret, e))
		return false;
	if (found && ret->verified)
		return true;
	if (p->made)
		return found ? hand_in(d, p, deadline_ms, ret, e) : err_set(e, E_CA_UNVERIFIED,
									    "%s is not there; ask for its code first", p->name);
	if (!found && !arm_put_certificate(d, p->name, bytes_text(&pem), NULL, deadline_ms, ret, e))
		return false;
	if (!arm_generate_code(d, p->name, ret->etag, deadline_ms, code, ret, e))
		return false;
	if (!p->key)
		return tell_code(p, code);
	return ca_prove(p->cert, p->key, p->passphrase, code, &answer, e) &&
	       arm_verify(d, p->name, ret->etag, bytes_text(&answer), deadline_ms, ret, e);
}

static int run(int argc, char **argv, struct err *e)
{
	const char *path = NULL;
	struct proof p = {0};
	const struct command_option options[] = {{"config", &path, NULL}, {"name", &p.name, NULL}, {"cert", &p.cert, NULL},
						 {"key", &p.key, NULL}, {"passphrase", &p.passphrase, NULL}, {"proof",
													      &p.made, NULL},
						 {0}};
	struct config *config = NULL;
	struct dps *dps = NULL;
	struct arm_certificate now = {0};
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	if (!p.name || !p.cert || !p.key != !p.passphrase || (p.key && p.made)) {
		err_set(e, E_USAGE, "--name and --cert are needed, and where the key is here --key and --passphrase");
		return EXIT_USAGE;
	}
	if (!command_engineer(path, "ca prove", &config, e))
		return EXIT_FAILED;
	bool ok = command_dps(config, &dps, e) && prove(dps, &p, &now, e);
	if (ok && now.verified)
		printf("%s: %s is verified on this DPS\n", p.name, now.subject);
	dps_close(dps);
	http_stop();
	config_free(config);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command ca_prove_command = {"ca prove", "--config FILE --name N --cert PEM [--key PEM --passphrase REF | --proof PEM]",
					 "put a CA on DPS and prove that we hold its key, here or elsewhere", run};
