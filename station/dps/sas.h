/* SPDX-License-Identifier: Apache-2.0 */
/* Shared access signatures of DPS: a token is
 *   SharedAccessSignature sr=<r>&sig=<s>&se=<e>&skn=<policy>
 * with r the URL-encoded resource, s = base64(HMAC-SHA256(key, r "\n" e)) URL-encoded, e the expiry in Unix seconds.
 * Pure: time is given. */
#ifndef STATION_DPS_SAS_H
#define STATION_DPS_SAS_H

#include "station/base/bytes.h"
#include "station/base/sha256.h"
#include "station/dps/url.h"

#define SAS_POLICY_MAX 65

struct sas_policy {
	char host[URL_HOST_MAX];	/* of the service, lower case; with port where it has one */
	char name[SAS_POLICY_MAX];
	struct bytes key;	/* decoded; secret */
};
void sas_policy_fini(struct sas_policy *p);
AUTO_DEFINE(sas_policy, struct sas_policy)

/* A policy from its parts; the key is base64 text. E_DPS_AUTH, whose text never holds the key. */
WARN_UNUSED bool sas_policy_set(struct sas_policy *p, const char *host, const char *name, const struct bytes *key, struct err *e);

/* A policy from the connection string of a DPS: "HostName=…;SharedAccessKeyName=…;SharedAccessKey=…", in any order. The
 * string of an IoT hub (*.azure-devices.net), which looks the same, is refused by name, unless any_host. E_DPS_AUTH. */
WARN_UNUSED bool sas_policy_parse(struct sas_policy *p, const struct bytes *connection_string, bool any_host, struct err *e);

/* Appends a token (ret is marked secret) for this policy's host that is good until expiry_s. E_NOMEM. */
WARN_UNUSED bool sas_token(const struct sas_policy *p, int64_t expiry_s, struct bytes *ret, struct err *e);

/* Signs a text by HMAC-SHA256 with a key that only `ctx` knows. */
typedef bool sas_signer(void *ctx, const void *text, size_t len, uint8_t ret[static SHA256_SIZE], struct err *e);

/* Appends a token (ret is marked secret) for a resource that is URL-encoded already. E_NOMEM, and the signer's own errors. */
WARN_UNUSED bool sas_token_signed(const char *resource, const char *policy, int64_t expiry_s, sas_signer *sign, void *ctx,
				  struct bytes *ret, struct err *e);

/* The expiry (se=) that a ready-made token says of itself. E_DPS_AUTH if it is no SAS token of that form. */
WARN_UNUSED bool sas_token_expiry(const struct bytes *token, int64_t *ret_s, struct err *e);

#endif
