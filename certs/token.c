/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/token.h"

bool token_open(const struct token_setup *setup, struct token **ret, struct err *e)
{
	(void)setup, (void)ret;
	return err_set(e, E_TOKEN_GONE, "this build has no PKCS#11");
}

void token_close(struct token *t)
{
	(void)t;
}

bool keystore_open_token(struct token *t, const char *uri, struct keystore *ret, struct err *e)
{
	(void)t, (void)uri, (void)ret;
	return err_set(e, E_TOKEN_GONE, "this build has no PKCS#11");
}

bool anchor_open_token(struct token *t, const char *label, struct anchor *ret, struct err *e)
{
	(void)t, (void)label, (void)ret;
	return err_set(e, E_ANCHOR, "this build has no PKCS#11");
}
