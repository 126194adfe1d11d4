/* SPDX-License-Identifier: Apache-2.0 */
#include "station/signer_settings.h"

#include <string.h>

struct leaf_form leaf_form_of(const struct config_profile *p)
{
	struct leaf_form form = {.server = p->server, .dns_name = p->dns_name};
	memcpy(form.organization, p->organization, sizeof(form.organization));
	memcpy(form.unit, p->unit, sizeof(form.unit));
	return form;
}

bool signer_settings_of(const struct config *config, struct signer_settings *ret, struct err *e)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < config->profile_count; i++) {
		const struct config_profile *p = &config->profile[i];
		memcpy(ret->profile[i].name, p->name, sizeof(ret->profile[i].name));
		ret->profile[i].validity_days = p->validity_days;
		ret->profile[i].form = leaf_form_of(p);
		ret->profile[i].kind = p->attestation == ATTEST_TPM ? INTENT_PERMIT : INTENT_LEAF;
	}
	ret->setup = (struct signer_setup){
		.chain_path = config->ca_chain,
		.custody = {.key_uri = config->ca_key, .anchor_uri = config->custody_anchor, .passphrase = config->ca_passphrase,
			    .pin = config->custody_pin, .token_socket = config->custody_token_socket, .tcti = config->custody_tcti,
			    .pin_memory = ret->pin_path},
		.log_key_path = config->ca_log_key, .state_path = ret->state_path, .origin = config->log_origin,
		.order_key_path = {config->custody_order_key[0], config->custody_order_key[1]}, .lease = config->custody_lease,
		.production = config->production, .issue_until_ms = config->ca_issue_until_ms, .profiles = ret->profile,
		.profile_count = config->profile_count,
	};
	return config_state_path(config, "signer.state", ret->state_path, sizeof(ret->state_path), e) &&
	       config_state_path(config, "token.pin", ret->pin_path, sizeof(ret->pin_path), e);
}
