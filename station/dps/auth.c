/* SPDX-License-Identifier: Apache-2.0 */
#include "station/dps/auth.h"

#include "station/base/file.h"
#include "station/base/text.h"
#include "station/dps/sas.h"

#include <pthread.h>
#include <string.h>

#define TOKEN_LIFE_MS (60 * 60 * 1000LL)
#define SECRET_MAX 16384

struct auth {
	enum auth_kind kind;
	bool any_host;
	char host[URL_HOST_MAX], policy[SAS_POLICY_MAX];
	char *secret;
	pthread_mutex_t lock;	/* over the two below */
	struct bytes kept;	/* the token made from a key */
	int64_t kept_at_ms;
};

/* Makes the header's value of what the reference holds. */
typedef bool header_maker(struct auth *a, const struct bytes *secret, int64_t now_ms, struct bytes *ret,
			  struct err *e);

static bool token_of(struct auth *a, const struct sas_policy *p, int64_t now_ms, struct bytes *ret,
		     struct err *e)
{
	bytes_clear(&a->kept);
	if (!sas_token(p, (now_ms + TOKEN_LIFE_MS) / 1000, &a->kept, e))
		return false;
	a->kept_at_ms = now_ms;
	return bytes_set(ret, a->kept.data, a->kept.len, e);
}

static bool header_of_connection(struct auth *a, const struct bytes *secret, int64_t now_ms,
				 struct bytes *ret, struct err *e)
{
	AUTO(sas_policy) struct sas_policy p = {0};
	if (!sas_policy_parse(&p, secret, a->any_host, e))
		return false;
	if (strcmp(p.host, a->host))
		return err_set(e, E_DPS_AUTH, "the connection string is for %s, the endpoint is %s", p.host, a->host);
	return token_of(a, &p, now_ms, ret, e);
}

static bool header_of_key(struct auth *a, const struct bytes *secret, int64_t now_ms, struct bytes *ret,
			  struct err *e)
{
	/* Both are copied from the same page of the portal. */
	if (memmem(secret->data, secret->len, "SharedAccessKey=", 16))
		return header_of_connection(a, secret, now_ms, ret, e);
	AUTO(sas_policy) struct sas_policy p = {0};
	return sas_policy_set(&p, a->host, a->policy, secret, e) && token_of(a, &p, now_ms, ret, e);
}

static bool header_of_sas(struct auth *a, const struct bytes *secret, int64_t now_ms, struct bytes *ret,
			  struct err *e)
{
	int64_t expiry_s = 0;
	if (!sas_token_expiry(secret, &expiry_s, e))
		return false;
	if (expiry_s * 1000 <= now_ms)
		return err_set(e, E_DPS_AUTH, "the SAS token has expired");
	return bytes_set(ret, secret->data, secret->len, e);
}

static bool header_of_bearer(struct auth *a, const struct bytes *secret, int64_t now_ms, struct bytes *ret,
			     struct err *e)
{
	const char *text = bytes_text(secret);
	if (!secret->len || !text_is_printable(text, secret->len) || memchr(text, ' ', secret->len))
		return err_set(e, E_DPS_AUTH, "the bearer token is empty, or no token");
	return bytes_set(ret, "Bearer ", 7, e) && bytes_add(ret, text, secret->len, e);
}

static const struct auth_row {
	const char *name;
	header_maker *make;
} rows[] = {
	[AUTH_NONE] = {NULL, NULL},
	[AUTH_POLICY_KEY] = {"policy-key", header_of_key},
	[AUTH_CONNECTION] = {"connection-string", header_of_connection},
	[AUTH_SAS_TOKEN] = {"sas-token", header_of_sas},
	[AUTH_BEARER] = {"bearer-token", header_of_bearer},
};

bool auth_kind_find(const char *name, enum auth_kind *ret)
{
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].name && !strcmp(rows[i].name, name)) {
			*ret = (enum auth_kind)i;
			return true;
		}
	return false;
}

static bool make(struct auth *a, int64_t now_ms, struct bytes *ret, struct err *e)
{
	AUTO(bytes) struct bytes secret = {.secret = true, .max = SECRET_MAX};
	if (a->kind == AUTH_NONE)
		return err_set(e, E_DPS_AUTH, "no credentials are configured");
	return secret_read(a->secret, &secret, e) && rows[a->kind].make(a, &secret, now_ms, ret, e);
}

bool auth_open(const struct auth_setup *setup, struct auth **ret, struct err *e)
{
	struct auth *a = calloc(1, sizeof(*a));
	if (!a)
		return err_set(e, E_NOMEM, "credentials");
	pthread_mutex_init(&a->lock, NULL);
	a->kind = setup->kind;
	a->any_host = setup->any_host;
	a->kept.secret = true;
	a->secret = strdup(setup->secret ? setup->secret : "");
	bool ok = a->secret || err_set(e, E_NOMEM, "credentials");
	ok = ok && TEXT_COPY(a->host, setup->host, e)
	     && TEXT_COPY(a->policy, setup->policy ? setup->policy : "", e);
	if (ok && a->kind != AUTH_NONE) {
		AUTO(bytes) struct bytes trial = {.secret = true};
		/* Time 0, so that only form is judged here: an expired token is found when it is used. */
		ok = make(a, 0, &trial, e);
		bytes_clear(&a->kept);
	}
	if (!ok) {
		auth_close(a);
		return false;
	}
	*ret = a;
	return true;
}

void auth_close(struct auth *a)
{
	if (!a)
		return;
	bytes_fini(&a->kept);
	pthread_mutex_destroy(&a->lock);
	free(a->secret);
	free(a);
}

bool auth_header(struct auth *a, int64_t now_ms, struct bytes *ret, struct err *e)
{
	ret->secret = true;
	bytes_clear(ret);
	pthread_mutex_lock(&a->lock);
	/* A clock that was set back makes a token look as if it came from the future: make a new one. */
	bool fresh = a->kept.len && now_ms >= a->kept_at_ms && now_ms < a->kept_at_ms + TOKEN_LIFE_MS / 2;
	bool ok = fresh ? bytes_set(ret, a->kept.data, a->kept.len, e) : make(a, now_ms, ret, e);
	pthread_mutex_unlock(&a->lock);
	return ok;
}

void auth_forget(struct auth *a)
{
	pthread_mutex_lock(&a->lock);
	bytes_clear(&a->kept);
	pthread_mutex_unlock(&a->lock);
}
