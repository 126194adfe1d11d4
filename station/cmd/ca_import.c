/* SPDX-License-Identifier: Apache-2.0 */
/* station ca import: the chain that was made outside for this line's CA key is judged and put in its place, while no line runs; the
 * one that was there is kept beside it. With --next the next key (ca renew) takes the place of the old one, which is then gone. */
#include "certs/ca.h"
#include "certs/ca_chain.h"
#include "certs/custody.h"
#include "db/audit.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/base/lockdown.h"
#include "station/base/text.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/issuers.h"
#include "station/signer_settings.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct importing {
	const struct config *config;
	char next_path[PATH_MAX];
	const char *from;
	const char *next;	/* the key that takes the place of the old one, or NULL */
	bool lists;
};

static bool judge_by(const struct importing *i, const char *key_uri, const struct ca_chain *chain, bool *ret_lists, struct err *e)
{
	struct signer_settings settings;
	struct custody custody = {0};
	if (!signer_settings_of(i->config, &settings, e))
		return false;
	settings.setup.custody.anchor_uri = "";	/* it may not be there yet */
	settings.setup.custody.key_uri = key_uri;
	bool ok = custody_open(&settings.setup.custody, &custody, e) &&
		  ca_chain_judge(chain, &custody.key.key, clock_wall_ms(), ret_lists, e);
	custody_close(&custody);
	return ok;
}

/* A next key that is not there any more is in its place already: the call was cut off behind that. */
static bool judge(struct importing *i, const struct ca_chain *chain, struct err *e)
{
	if (i->next && i->config->ca_key[0] != '/')
		return err_set(e, E_CA_FILE, "[ca] key = %s is not in a file: name the next key there, and import without --next",
			       i->config->ca_key);
	if (i->next && realpath(i->next, i->next_path))
		return judge_by(i, i->next_path, chain, &i->lists, e);
	i->next = NULL;
	return judge_by(i, i->config->ca_key, chain, &i->lists, e);
}

static bool change_key(const struct importing *i, struct err *e)
{
	if (!i->next)
		return true;
	/* Perhaps on another medium: copied first. Called again it is the same key once more. */
	AUTO(bytes) struct bytes key = {.secret = true};
	return file_read(i->next, &key, e) && file_write_atomic(i->config->ca_key, key.data, key.len, 0600, e) &&
	       (unlink(i->next) == 0 || err_errno(e, E_FILE, "%s", i->next)) && file_sync_directory_of(i->next, e);
}

/* By the SHA-256 of the file: a name that never means another one. */
static bool keep_old(const struct config *c, struct err *e)
{
	AUTO(bytes) struct bytes text = {0};
	uint8_t hash[SHA256_SIZE];
	char kept[PATH_MAX + 24], hex[2 * SHA256_SIZE + 1];
	if (access(c->ca_chain, F_OK) != 0)
		return true;
	if (!issuers_have_room(c, e) || !file_read(c->ca_chain, &text, e))
		return err_in(e, "the chain that is there");
	sha256_of(text.data, text.len, hash);
	hex_encode(hash, SHA256_SIZE, hex);
	snprintf(kept, sizeof(kept), "%s.%.16s", c->ca_chain, hex);
	return file_write_atomic(kept, text.data, text.len, 0644, e);
}

static bool put_in_place(const char *path, const struct ca_chain *chain, struct err *e)
{
	AUTO(bytes) struct bytes pem = {0};
	for (size_t i = 0; i < chain->count; i++)
		if (!cert_to_pem(chain->der[i].data, chain->der[i].len, &pem, e))
			return false;
	return file_write_atomic(path, pem.data, pem.len, 0644, e);
}

static bool write_entry(struct ledger *l, const struct ca_chain *chain, struct err *e)
{
	struct cert_facts facts, root;
	char hex[2 * SHA256_SIZE + 1], above[2 * SHA256_SIZE + 1];
	uint64_t index;
	if (!cert_look(chain->der[0].data, chain->der[0].len, &facts, e) ||
	    !cert_look(chain->der[chain->count - 1].data, chain->der[chain->count - 1].len, &root, e))
		return false;
	hex_encode(facts.sha256, SHA256_SIZE, hex);
	hex_encode(root.sha256, SHA256_SIZE, above);
	AUTO(json) json_t *body = json_pack("{s:s, s:s, s:s, s:s}", "subject", facts.subject, "sha256", hex, "root", root.subject,
					    "root_sha256", above);
	if (!body)
		return err_set(e, E_NOMEM, "audit entry");
	if (!ledger_begin(l, e))
		return false;
	if (audit_append(l, "ca.imported", "", body, clock_wall_ms(), &index, e))
		return ledger_commit(l, e);
	ledger_rollback(l);
	return false;
}

/* On record before it is in its place: called again, all is as before. */
static bool import(struct importing *i, struct err *e)
{
	AUTO(ca_chain) struct ca_chain chain = {0};
	const struct config *c = i->config;
	struct ledger *l = NULL;
	char path[PATH_MAX];
	bool ok = ca_chain_read(i->from, &chain, e) && judge(i, &chain, e) && file_make_directory(c->state_dir, 0750, e) &&
		  config_state_path(c, "ledger.db", path, sizeof(path), e) && ledger_open(path, c->log_origin, &l, e) &&
		  keep_old(c, e) && write_entry(l, &chain, e) && change_key(i, e) && put_in_place(c->ca_chain, &chain, e);
	ledger_close(l);
	if (!ok)
		return false;
	printf("%s: %zu certificates.%s\nNow: `station ca show`, and `station group ensure` where the root is a new one.\n",
	       c->ca_chain,
	       chain.count, i->lists ? "" : " This CA may not sign revocation lists.");
	return true;
}

static int run(int argc, char **argv, struct err *e)
{
	const char *path = NULL;
	struct importing i = {0};
	struct config *config = NULL;
	const struct command_option options[] = {{"config", &path, NULL}, {"next", &i.next, NULL}, {0}};
	bool ok = command_options(&argc, argv, options, e) && (argc == 1 || err_set(e, E_USAGE, "which chain?")) &&
		lockdown_no_core(e) &&
		  command_config(path, &config, e);
	i.config = config;
	i.from = argc == 1 ? argv[0] : NULL;
	ok = ok && import(&i, e);
	config_free(config);
	return ok ? EXIT_OK : e->code == E_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

const struct command ca_import_command = {"ca import", "--config FILE [--next NEW.key] CHAIN.pem",
	"judge a chain that was made outside, and put it in its place", run};
