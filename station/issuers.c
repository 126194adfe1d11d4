/* SPDX-License-Identifier: Apache-2.0 */
#include "station/issuers.h"
#include "certs/ca.h"
#include "station/ca_revocation.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>

#define HEX "[0-9a-f]"
#define HEX_4 HEX HEX HEX HEX

/* A CA that was revoked is none to go on with. */
static bool take(struct issuers *i, const char *path, struct ledger *ledger, struct err *e)
{
	struct ca_chain *chain = &i->kept[i->kept_count];
	uint8_t sha256[SHA256_SIZE];
	struct err why = {0};
	if (!ca_chain_read(path, chain, e)) {
		ca_chain_fini(chain);
		return err_in(e, "%s", path);
	}
	sha256_of(chain->der[0].data, chain->der[0].len, sha256);
	if (ca_revocation_allows(ledger, sha256, &why)) {
		i->kept_count++;
		return true;
	}
	ca_chain_fini(chain);
	return why.code == E_CA_REVOKED || err_native(e, why.code, why.native, "%s", why.what);
}

static bool find_kept(const struct config *c, glob_t *ret, struct err *e)
{
	char pattern[PATH_MAX + sizeof(HEX_4 HEX_4 HEX_4 HEX_4) + 2];
	snprintf(pattern, sizeof(pattern), "%s." HEX_4 HEX_4 HEX_4 HEX_4, c->ca_chain);
	int rc = glob(pattern, 0, NULL, ret);
	if (rc != 0 && rc != GLOB_NOMATCH)
		return err_set(e, E_CA_FILE, "chains that were kept beside %s cannot be looked for", c->ca_chain);
	if (rc == GLOB_NOMATCH)
		ret->gl_pathc = 0;
	return true;
}

bool issuers_have_room(const struct config *c, struct err *e)
{
	glob_t found = {0};
	bool ok = find_kept(c, &found, e) &&
		  (found.gl_pathc < ISSUERS_KEPT_MAX || err_set(e, E_CA_CHAIN,
								"%zu chains are kept beside %s: move the oldest away",
								(size_t)found.gl_pathc, c->ca_chain));
	globfree(&found);
	return ok;
}

bool issuers_open(struct issuers *i, const struct config *c, const struct signing *signing, struct ledger *ledger, struct err *e)
{
	glob_t found = {0};
	i->signing = signing;
	bool ok = find_kept(c, &found, e);
	if (ok && found.gl_pathc > ISSUERS_KEPT_MAX)
		ok = err_set(e, E_CA_CHAIN, "%zu chains are kept beside %s, %d are read: move the oldest away",
			     (size_t)found.gl_pathc,
			     c->ca_chain, ISSUERS_KEPT_MAX);
	for (size_t k = 0; ok && k < found.gl_pathc; k++)
		ok = take(i, found.gl_pathv[k], ledger, e);
	globfree(&found);
	return ok;
}

void issuers_close(struct issuers *i)
{
	for (size_t k = 0; k < i->kept_count; k++)
		ca_chain_fini(&i->kept[k]);
	i->kept_count = 0;
}

/* The self-signed certificate at its end, if the file has it. */
static const struct bytes *root_of(const struct ca_chain *chain)
{
	const struct bytes *last = &chain->der[chain->count - 1];
	struct cert_facts facts;
	struct err ignored = {0};
	return cert_look(last->data, last->len, &facts, &ignored) && facts.self_signed ? last : NULL;
}

size_t issuers_chain(const struct issuers *i, size_t which, struct bytes *ret)
{
	if (which == 0)
		return signing_chain(i->signing, ret);
	const struct ca_chain *kept = &i->kept[which - 1];
	size_t count = kept->count - (root_of(kept) != NULL);
	for (size_t k = 0; k < count; k++)
		ret[k] = kept->der[k];
	return count;
}

static bool hangs_from(const struct issuers *i, size_t which, const struct bytes *leaf, struct err *e)
{
	struct bytes chain[SIGNER_CHAIN_MAX];
	size_t count = issuers_chain(i, which, chain);
	const struct signer_info *ca = &i->signing->info;
	const struct bytes *root = which ? root_of(&i->kept[which - 1]) : NULL;
	if (which == 0)
		return cert_chain_holds(leaf->data, leaf->len, chain, count, ca->root, ca->root_len, e);
	return cert_chain_holds(leaf->data, leaf->len, chain, count, root ? root->data : NULL, root ? root->len : 0, e);
}

bool issuers_find(const struct issuers *i, const struct bytes *leaf, size_t *ret, struct err *e)
{
	*ret = 0;
	if (hangs_from(i, 0, leaf, e))
		return true;
	for (size_t which = 1; which <= i->kept_count; which++) {
		struct err other = {0};
		if (!hangs_from(i, which, leaf, &other))
			continue;
		*ret = which;
		err_clear(e);
		return true;
	}
	return false;
}
