/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/own_tpm.h"

bool own_tpm_open(const char *tcti, struct own_tpm **ret, struct err *e)
{
	(void)tcti, (void)ret;
	return err_set(e, E_TOKEN_GONE, "this build has no TPM of its own");
}

void own_tpm_close(struct own_tpm *t)
{
	(void)t;
}

bool keystore_open_tpm(struct own_tpm *t, const char *uri, const char *auth, struct keystore *ret, struct err *e)
{
	(void)t, (void)uri, (void)auth, (void)ret;
	return err_set(e, E_TOKEN_GONE, "this build has no TPM of its own");
}

bool anchor_open_tpm(struct own_tpm *t, const char *uri, const char *auth, struct anchor *ret, struct err *e)
{
	(void)t, (void)uri, (void)auth, (void)ret;
	return err_set(e, E_ANCHOR, "this build has no TPM of its own");
}
