/* SPDX-License-Identifier: Apache-2.0 */
#include "station/dps/sas.h"

#include "certs/hmac.h"
#include "station/base/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define SAS_PREFIX "SharedAccessSignature "

void sas_policy_fini(struct sas_policy *p)
{
	bytes_fini(&p->key);
	memset(p, 0, sizeof(*p));
}

bool sas_policy_set(struct sas_policy *p, const char *host, const char *name, const struct bytes *key,
		    struct err *e)
{
	/* The decoder's own words could quote the key; ours do not. */
	struct err hidden = {0};

	bytes_clear(&p->key);
	p->key.secret = true;
	if (!TEXT_COPY(p->host, host, &hidden) || !*p->host)
		return err_set(e, E_DPS_AUTH, "the service's host name is missing or too long");
	if (!TEXT_COPY(p->name, name, &hidden) || !*p->name)
		return err_set(e, E_DPS_AUTH, "the name of the access policy is missing or too long");
	for (char *c = p->host; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (!base64_decode(bytes_text(key), key->len, &p->key, &hidden) || !p->key.len)
		return err_set(e, E_DPS_AUTH, "the key of access policy \"%s\" is not base64", p->name);
	return true;
}

/* The fields of a connection string, as they stand in it. */
struct fields {
	struct span host, policy, key;
};

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n >= m && !strcasecmp(text + n - m, end);
}

static bool field_take(const char *part, size_t len, struct fields *f)
{
	const struct {
		const char *name;
		struct span *to;
	} rows[] = {
		{"HostName=", &f->host},
		{"SharedAccessKeyName=", &f->policy},
		{"SharedAccessKey=", &f->key},
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t n = strlen(rows[i].name);
		if (len <= n || strncasecmp(part, rows[i].name, n))
			continue;
		if (rows[i].to->data)
			return false;
		*rows[i].to = (struct span){part + n, len - n};
		return true;
	}
	return false;
}

static bool fields_split(const struct bytes *s, struct fields *ret)
{
	const char *p = bytes_text(s), *end = p + s->len;
	while (p < end) {
		const char *semicolon = memchr(p, ';', (size_t)(end - p));
		const char *stop = semicolon ? semicolon : end;
		if (stop > p && !field_take(p, (size_t)(stop - p), ret))
			return false;
		p = semicolon ? semicolon + 1 : end;
	}
	return ret->host.data && ret->policy.data && ret->key.data;
}

static bool span_copy(char *out, size_t room, struct span s)
{
	if (s.len >= room || !text_is_printable(s.data, s.len))
		return false;
	memcpy(out, s.data, s.len);
	out[s.len] = '\0';
	return true;
}

bool sas_policy_parse(struct sas_policy *p, const struct bytes *connection_string, bool any_host,
		      struct err *e)
{
	AUTO(bytes) struct bytes key = {.secret = true};
	char host[URL_HOST_MAX], name[SAS_POLICY_MAX];
	struct fields f = {0};

	if (!fields_split(connection_string, &f) || !span_copy(host, sizeof(host), f.host)
	    || !span_copy(name, sizeof(name), f.policy))
		return err_set(e, E_DPS_AUTH, "the connection string is not HostName=…;SharedAccessKeyName=…;"
			       "SharedAccessKey=…");
	if (!any_host && ends_with(host, ".azure-devices.net"))
		return err_set(e, E_DPS_AUTH, "the connection string is that of the IoT hub %s; that of the "
			       "provisioning service is needed", host);
	if (!any_host && !ends_with(host, ".azure-devices-provisioning.net"))
		return err_set(e, E_DPS_AUTH, "the connection string's host %s is no provisioning service "
			       "(any_host = yes allows it)", host);
	if (!bytes_set(&key, f.key.data, f.key.len, e))
		return false;
	return sas_policy_set(p, host, name, &key, e);
}

bool sas_token_signed(const char *resource, const char *policy, int64_t expiry_s, sas_signer *sign, void *ctx,
		      struct bytes *ret, struct err *e)
{
	AUTO(bytes) struct bytes to_sign = {0}, base64 = {0};
	uint8_t mac[SHA256_SIZE];

	ret->secret = true;
	return bytes_printf(&to_sign, e, "%s\n%" PRId64, resource, expiry_s) && sign(ctx, to_sign.data, to_sign.len, mac, e)
	       && base64_encode(mac, sizeof(mac), &base64, e) && bytes_printf(ret, e, SAS_PREFIX "sr=%s&sig=", resource)
	       && url_encode(bytes_text(&base64), ret, e) && bytes_printf(ret, e, "&se=%" PRId64 "&skn=", expiry_s)
	       && url_encode(policy, ret, e);
}

static bool sign_by_key(void *ctx, const void *text, size_t len, uint8_t ret[static SHA256_SIZE], struct err *e)
{
	const struct bytes *key = ctx;
	hmac_sha256(key->data, key->len, text, len, ret);
	return true;
}

bool sas_token(const struct sas_policy *p, int64_t expiry_s, struct bytes *ret, struct err *e)
{
	AUTO(bytes) struct bytes resource = {0};
	struct bytes key = p->key;	/* lent; the context of a signer is changeable */
	return url_encode(p->host, &resource, e)
	       && sas_token_signed(bytes_text(&resource), p->name, expiry_s, sign_by_key, &key, ret, e);
}

bool sas_token_expiry(const struct bytes *token, int64_t *ret_s, struct err *e)
{
	const char *p = bytes_text(token);
	bool has_sr = false, has_sig = false, has_se = false;
	int64_t expiry = 0;

	if (strlen(p) != token->len || strncmp(p, SAS_PREFIX, strlen(SAS_PREFIX))
	    || !text_is_printable(p, token->len))
		return err_set(e, E_DPS_AUTH, "the SAS token does not begin with \"" SAS_PREFIX "\"");
	for (p += strlen(SAS_PREFIX); *p; p += strcspn(p, "&"), p += *p == '&') {
		has_sr |= !strncmp(p, "sr=", 3);
		has_sig |= !strncmp(p, "sig=", 4);
		if (strncmp(p, "se=", 3))
			continue;
		size_t digits = strspn(p + 3, "0123456789");
		has_se = digits > 0 && digits < 16 && strchr("&", p[3 + digits]);
		expiry = 0;
		for (size_t i = 0; has_se && i < digits; i++)
			expiry = expiry * 10 + (p[3 + i] - '0');
	}
	if (!has_sr || !has_sig || !has_se)
		return err_set(e, E_DPS_AUTH, "the SAS token lacks sr, sig or a se that is a number");
	*ret_s = expiry;
	return true;
}
