/* SPDX-License-Identifier: Apache-2.0 */
/* station ca crl: what this line's CA signed and what was revoked since, as a list for relying parties beside DPS; while no line
 * runs. Of a CA before it nothing: a list speaks of its own issuer's certificates (RFC 5280, section 5). */
#include "certs/ca.h"
#include "certs/ca_chain.h"
#include "certs/crl.h"
#include "certs/custody.h"
#include "db/audit.h"
#include "db/revocations.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/base/lockdown.h"
#include "station/base/text.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/signer_settings.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define NUMBER "crl.number"	/* under this name the ledger remembers the last */
#define LIST_MAX ((size_t)128 << 20)

struct collecting {
	const struct bytes *ca;
	struct crl_entry *entries;
	size_t count, room;
	struct err *e;
};

/* A unit that registers by its endorsement key has no certificate. */
static bool collect(void *ctx, const struct revocation *r)
{
	struct collecting *c = ctx;
	if (!r->leaf.len || !cert_is_of(&r->leaf, c->ca))
		return true;
	if (c->count == c->room) {
		size_t room = c->room ? 2 * c->room : 64;
		void *grown = realloc(c->entries, room * sizeof(*c->entries));
		if (!grown)
			return err_set(c->e, E_NOMEM, "revocation list");
		c->entries = grown;
		c->room = room;
	}
	struct crl_entry *entry = &c->entries[c->count++];
	*entry = (struct crl_entry){.time_ms = r->time_ms, .reason = r->reason};
	memcpy(entry->serial, r->cert_serial, INTENT_SERIAL);
	return true;
}

/* Greater than the last, and than that of any list made before a copy of the ledger was put back: seconds go on. */
static bool next_number(struct ledger *l, int64_t now_ms, uint64_t *ret, struct err *e)
{
	AUTO(bytes) struct bytes last = {0};
	if (!ledger_recall(l, NUMBER, &last, e))
		return false;
	uint64_t before = last.len ? strtoull(bytes_text(&last), NULL, 10) : 0;
	*ret = (uint64_t)(now_ms / 1000) > before ? (uint64_t)(now_ms / 1000) : before + 1;
	return true;
}

static bool write_number(struct ledger *l, const struct crl_wanted *w, const struct bytes *der, struct err *e)
{
	uint8_t hash[SHA256_SIZE];
	char hex[2 * SHA256_SIZE + 1], number[24];
	uint64_t index;
	sha256_of(der->data, der->len, hash);
	hex_encode(hash, SHA256_SIZE, hex);
	snprintf(number, sizeof(number), "%" PRIu64, w->number);
	AUTO(json) json_t *body = json_pack("{s:s, s:I, s:s}", "number", number, "certificates", (json_int_t)w->count,
					    "sha256", hex);
	if (!body)
		return err_set(e, E_NOMEM, "audit entry");
	if (!ledger_begin(l, e))
		return false;
	if (audit_append(l, "crl.signed", "", body, w->this_ms, &index, e) && ledger_remember(l, NUMBER, number, e))
		return ledger_commit(l, e);
	ledger_rollback(l);
	return false;
}

static bool sign(const struct config *c, const struct bytes *ca, const struct crl_wanted *w, struct bytes *ret, struct err *e)
{
	AUTO(issuer) struct issuer issuer = {0};
	struct signer_settings settings;
	struct custody custody = {0};
	if (!signer_settings_of(c, &settings, e))
		return false;
	settings.setup.custody.anchor_uri = "";
	bool ok = custody_open(&settings.setup.custody, &custody, e) && issuer_init(&issuer, ca->data, ca->len, &custody.key,
										    e) && crl_sign(&issuer, w, ret, e);
	custody_close(&custody);
	return ok;
}

static bool make(const struct config *c, const char *out, int64_t days, struct err *e)
{
	AUTO(ca_chain) struct ca_chain chain = {0};
	struct ledger *l = NULL;
	struct collecting all = {.ca = &chain.der[0], .e = e};
	AUTO(bytes) struct bytes der = {.max = LIST_MAX};
	struct crl_wanted w = {.this_ms = clock_wall_ms()};
	char path[PATH_MAX];
	int64_t after = 0;
	w.next_ms = w.this_ms + days * CLOCK_DAY_MS;
	bool ok = ca_chain_read(c->ca_chain, &chain, e) && config_state_path(c, "ledger.db", path, sizeof(path), e) &&
		  ledger_open(path, c->log_origin, &l, e) && revocations_scan(l, REVOCATIONS_ALL, &after, UINT32_MAX,
									      collect, &all, e) && e->code == E_NONE &&
		  next_number(l, w.this_ms, &w.number, e);
	w.entries = all.entries;
	w.count = all.count;
	ok = ok && sign(c, &chain.der[0], &w, &der, e) && write_number(l, &w, &der, e) && file_write_atomic(out, der.data,
													    der.len, 0644, e);
	ledger_close(l);
	free(all.entries);
	if (ok)
		printf("%s: list %" PRIu64 " with %zu certificates, good for %lld days\n", out, w.number, w.count, (long long)days);
	return ok;
}

static int run(int argc, char **argv, struct err *e)
{
	const char *path = NULL, *out = NULL, *days = "30";
	struct config *config = NULL;
	const struct command_option options[] = {{"config", &path, NULL}, {"out", &out, NULL}, {"days", &days, NULL}, {0}};
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	long n = strtol(days, NULL, 10);
	bool ok = ((argc == 0 && out && n >= 1 && n <= 3650) || err_set(e, E_USAGE, "--out FILE, and --days of 1 to 3650")) &&
		  lockdown_no_core(e) && command_config(path, &config, e) && make(config, out, n, e);
	config_free(config);
	return ok ? EXIT_OK : e->code == E_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

const struct command ca_crl_command = {"ca crl", "--config FILE --out FILE [--days N]",
				       "sign the list of what was revoked, for others than DPS", run};
