/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/certs/desk.h"
#include "certs/ca.h"
#include "certs/ossl.h"
#include "station/base/clock.h"

#include <openssl/rand.h>

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* A helper of tests that fails says so and ends the test program. */
static void must(bool ok, const struct err *e, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "desk: %s: %s\n", what, e ? e->what : "");
	abort();
}

static void write_passphrase(struct desk *d)
{
	const char *path = d->passphrase + strlen("file:");
	FILE *f = fopen(path, "w");
	must(f && fchmod(fileno(f), 0600) == 0 && fputs("correct horse\n", f) >= 0 && fclose(f) == 0, NULL, path);
}

void desk_at(struct desk *d, const char *dir)
{
	memset(d, 0, sizeof(*d));
	snprintf(d->dir, sizeof(d->dir), "%s", dir);
	snprintf(d->passphrase, sizeof(d->passphrase), "file:%s/passphrase", d->dir);
	snprintf(d->chain, sizeof(d->chain), "%s/chain.pem", d->dir);
	snprintf(d->key, sizeof(d->key), "%s/line.key", d->dir);
	snprintf(d->log_key, sizeof(d->log_key), "%s/log.key", d->dir);
	snprintf(d->state, sizeof(d->state), "%s/signer.state", d->dir);
	d->profiles[0] = (struct signer_profile){"sensor", 365, INTENT_LEAF};
	d->profiles[1] = (struct signer_profile){"gateway", 30, INTENT_LEAF};
	d->profiles[2] = (struct signer_profile){"tracker", 0, INTENT_PERMIT};
	d->setup = (struct signer_setup){
		.chain_path = d->chain, .log_key_path = d->log_key, .lease = 1,
		.custody = {.key_uri = d->key, .anchor_uri = "", .passphrase = d->passphrase, .pin = "", .token_socket = "", .tcti = "",
			    .pin_memory = ""},
		.state_path = d->state, .origin = DESK_ORIGIN, .issue_until_ms = clock_wall_ms() + 3600 * 1000,
		.profiles = d->profiles, .profile_count = COUNT_OF(d->profiles),
	};
}

void desk_open(struct desk *d)
{
	struct err e = {0};
	char dir[] = "/tmp/station-desk-XXXXXX";
	must(mkdtemp(dir) != NULL, NULL, "mkdtemp");
	desk_at(d, dir);
	write_passphrase(d);
	const struct ca_init init = {d->dir, "Example", DESK_ORIGIN, d->passphrase, 3650};
	must(ca_init(&init, &e), &e, "ca_init");
}

void desk_close(struct desk *d)
{
	must(desk_shell(NULL, 0, "rm -rf '%s'", d->dir) == 0, NULL, "rm");
	memset(d, 0, sizeof(*d));
}

const char *desk_path(const struct desk *d, const char *file)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", d->dir, file);
	return path;
}

int desk_shell(char *out, size_t room, const char *fmt, ...)
{
	char command[2048], dropped[4096];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	must(n < (int)sizeof(command), NULL, "command too long");
	FILE *p = popen(command, "r");
	must(p != NULL, NULL, "popen");
	size_t len = fread(out ? out : dropped, 1, out ? room - 1 : sizeof(dropped), p);
	if (out)
		out[len] = '\0';
	int status = pclose(p);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool keep_node(void *ctx, unsigned level, uint64_t index, const struct merkle_hash *hash, struct err *e)
{
	struct fake_log *log = ctx;
	assert(level < 8 && index < LOG_MAX);
	log->node[level][index] = *hash;
	return true;
}

static bool give_node(void *ctx, unsigned level, uint64_t index, struct merkle_hash *ret, struct err *e)
{
	const struct fake_log *log = ctx;
	*ret = log->node[level][index];
	return true;
}

uint64_t log_add(struct fake_log *log, const void *entry, size_t len)
{
	struct err e = {0};
	struct merkle_hash leaf;
	merkle_leaf(entry, len, &leaf);
	must(merkle_append(&log->edge, &leaf, keep_node, log, &e), &e, "merkle_append");
	return log->edge.size - 1;
}

void log_prove(struct fake_log *log, uint64_t index, uint64_t head, struct receipt *ret)
{
	struct err e = {0};
	memset(ret, 0, sizeof(*ret));
	ret->index = index;
	ret->size = log->edge.size;
	merkle_root(&log->edge, &ret->root);
	must(merkle_prove_inclusion(index, ret->size, give_node, log, &ret->inclusion, &e), &e, "inclusion");
	must(merkle_prove_consistency(head, ret->size, give_node, log, &ret->consistency, &e), &e, "consistency");
}

void log_receipt(struct fake_log *log, const struct intent *intent, uint64_t head, struct receipt *ret)
{
	struct err e = {0};
	AUTO(bytes) struct bytes entry = {0};
	must(intent_entry(intent, &entry, &e), &e, "intent_entry");
	log_prove(log, log_add(log, entry.data, entry.len), head, ret);
}

void key_make(struct key_public *ret, EVP_PKEY **ret_pkey)
{
	struct err e = {0};
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	must(pkey && ossl_key_public(pkey, ret, &e), &e, "key");
	if (ret_pkey)
		*ret_pkey = pkey;
	else
		EVP_PKEY_free(pkey);
}

void intent_make(struct intent *ret, const char *id)
{
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->job, sizeof(ret->job), "%s", "0123456789abcdef0123456789abcdef");
	snprintf(ret->registration_id, sizeof(ret->registration_id), "%s", id);
	snprintf(ret->profile, sizeof(ret->profile), "sensor");
	must(RAND_bytes(ret->serial, sizeof(ret->serial)) == 1, NULL, "random");
	ret->serial[0] = (uint8_t)((ret->serial[0] & 0x7f) | 1);
	ret->time_ms = clock_wall_ms();
	key_make(&ret->key, NULL);
}

void intent_make_permit(struct intent *ret, const char *id)
{
	intent_make(ret, id);
	ret->kind = INTENT_PERMIT;
	snprintf(ret->profile, sizeof(ret->profile), "tracker");
	memset(&ret->key, 0, sizeof(ret->key));
	ret->key.kind = KEY_RSA;
	ret->key.rsa_bits = 2048;
	ret->key.rsa_exponent = 65537;
	must(RAND_bytes(ret->key.rsa_modulus, 256) == 1, NULL, "random");
	ret->key.rsa_modulus[0] |= 0x80;
	ret->key.rsa_modulus[255] |= 1;
}

/* ---- a signer on such a desk ---- */

int office_open(void **state)
{
	static struct office o;
	struct err e = {0};
	memset(&o, 0, sizeof(o));
	desk_open(&o.desk);
	must(signer_open(&o.desk.setup, &o.signer, &e), &e, "signer_open");
	*state = &o;
	return 0;
}

int office_close(void **state)
{
	struct office *o = *state;
	signer_close(o->signer);
	desk_close(&o->desk);
	return 0;
}

void office_restart(struct office *o)
{
	struct err e = {0};
	signer_close(o->signer);
	o->signer = NULL;
	must(signer_open(&o->desk.setup, &o->signer, &e), &e, "signer_open");
}

uint64_t office_head(struct office *o)
{
	struct signer_info info;
	signer_who(o->signer, &info);
	return info.head_size;
}

uint64_t office_count(struct office *o)
{
	struct signer_info info;
	signer_who(o->signer, &info);
	return info.signed_count;
}
