/* SPDX-License-Identifier: Apache-2.0 */
/* Where the CA's key and the anchor of the count live, and what a production line may not do without. */
#include "station/config_table.h"
#include "certs/custody.h"
#include "station/base/text.h"

#include <string.h>

bool value_key_uri(const struct config_value *v, struct err *e)
{
	if (!strncmp(v->text, "pkcs11:", 7) || !strncmp(v->text, "tpm:", 4))
		return value_text(v, e);
	return value_path(v, e);
}

bool value_anchor_uri(const struct config_value *v, struct err *e)
{
	if (!v->text[0] || custody_is_anchor_uri(v->text))
		return value_text(v, e);
	return err_set(e, E_CONFIG, "%s is token:LABEL or tpm:nv=0x01…", v->row->name);
}

static void need(const struct config_seen *seen, const char *name, const char *why, struct mistakes *m)
{
	if (!config_given(seen, name))
		mistake_add(m, seen->line, "[custody] %s needs %s", why, name);
}

/* What is missing here the signer would refuse, too (E_CUSTODY). */
static void check_production(const struct config *c, const struct config_seen *seen, struct mistakes *m)
{
	int line = config_line_of(seen, "production");
	if (c->ca_key[0] == '/')
		mistake_add(m, line, "production = yes with the CA's key in a file; use a token or the TPM");
	need(seen, "anchor", "production = yes", m);
	need(seen, "order_key_1", "production = yes", m);
	need(seen, "order_key_2", "production = yes", m);
	if (!c->lot_required)
		mistake_add(m, line, "production = yes needs required = yes in [lots]");
}

void config_check_custody(const struct config *c, const struct config_seen *seen, struct mistakes *m)
{
	if (c->production)
		check_production(c, seen, m);
	if (config_given(seen, "order_key_1") != config_given(seen, "order_key_2"))
		mistake_add(m, seen->line, "[custody] needs order_key_1 and order_key_2, or none");
	if (!strncmp(c->ca_key, "pkcs11:", 7) && !c->custody_token_socket[0])
		mistake_add(m, seen->line, "a CA key on a token needs [custody] token_socket and pin");
	if ((!strncmp(c->ca_key, "tpm:", 4) || !strncmp(c->custody_anchor, "tpm:", 4)) && !c->custody_tcti[0])
		mistake_add(m, seen->line, "what is in the station's TPM needs [custody] tcti");
}
