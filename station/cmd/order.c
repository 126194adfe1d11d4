/* SPDX-License-Identifier: Apache-2.0 */
/* station order key, make, sign, show: a production order as two people sign it, each on a machine of his own. */
#include "certs/ca.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/base/lockdown.h"
#include "station/base/text.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/shift/signed_order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MODE 0644

/* ---- key ---- */

static int run_key(int argc, char **argv, struct err *e)
{
	const char *out = NULL, *passphrase = NULL;
	const struct command_option options[] = {{"out", &out, NULL}, {"passphrase", &passphrase, NULL}, {0}};
	AUTO(bytes) struct bytes vkey = {0};
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	if (argc != 1 || !out || !passphrase) {
		err_set(e, E_USAGE, "order key NAME --out KEY --passphrase REF");
		return EXIT_USAGE;
	}
	if (!lockdown_no_core(e) || !order_note_make_key(out, passphrase, argv[0], &vkey, e))
		return EXIT_FAILED;
	printf("%s", bytes_text(&vkey));
	fprintf(stderr,
		"The key is in %s. The line above is its verifier key, for the stations ([custody] order_key_1, order_key_2).\n",
		out);
	return EXIT_OK;
}

const struct command order_key_command = {"order key", "NAME --out KEY --passphrase REF",
					  "make a key that signs orders; prints its verifier key", run_key};

/* ---- in words ---- */

static void say(const struct order_terms *t)
{
	char from[CLOCK_TEXT], until[CLOCK_TEXT], made[CLOCK_TEXT], issuer[2 * SHA256_SIZE + 1], file[2 * SHA256_SIZE + 1];
	clock_text(t->from_ms, from);
	clock_text(t->until_ms, until);
	clock_text(t->made_ms, made);
	hex_encode(t->issuer, SHA256_SIZE, issuer);
	hex_encode(t->file, SHA256_SIZE, file);
	printf("order     %s, made %s\nproduct   %s, profile %s\nstation   %s\n", t->number, made, t->product, t->profile,
	       t->station);
	printf("count     %u identities, %u more for units that fail, %u replacements\n", t->count, t->scrap, t->replace);
	printf("window    %.10s to %.10s, UTC\nissuer    %s\nfile      %s\n", from, until, issuer, file);
}

/* ---- make ---- */

struct making {
	const char *config, *scrap, *replace, *from, *until, *out;
};

static bool take_number(const char *text, const char *name, uint32_t *ret, struct err *e)
{
	char *end;
	unsigned long n = text ? strtoul(text, &end, 10) : 0;
	if (text && (!*text || *end || n > ORDER_COUNT_LIMIT))
		return err_set(e, E_USAGE, "--%s is a number up to %u", name, ORDER_COUNT_LIMIT);
	*ret = (uint32_t)n;
	return true;
}

static bool take_window(const struct making *m, struct order_terms *t, struct err *e)
{
	if (!m->from || !m->until || !clock_parse_day(m->from, &t->from_ms) || !clock_parse_day(m->until, &t->until_ms))
		return err_set(e, E_USAGE, "--from and --until are days, YYYY-MM-DD");
	t->until_ms += CLOCK_DAY_MS - 1;
	return true;
}

/* The certificate that will issue: the first of the configuration's chain. */
static bool take_issuer(const struct config *c, struct order_terms *t, struct err *e)
{
	struct bytes chain[8] = {0};
	size_t count = 0;
	bool ok = cert_read_pem_file(c->ca_chain, chain, COUNT_OF(chain), &count, e) &&
		  (count > 0 || err_set(e, E_CA_FILE, "%s holds no certificate", c->ca_chain));
	if (ok)
		sha256_of(chain[0].data, chain[0].len, t->issuer);
	for (size_t i = 0; i < count; i++)
		bytes_fini(&chain[i]);
	return ok;
}

static bool terms_of(const struct making *m, const struct config *c, const struct order *order, struct order_terms *t,
		     struct err *e)
{
	*t = (struct order_terms){.count = order->lot.count, .made_ms = clock_wall_ms()};
	memcpy(t->file, order->lot.order_sha256, SHA256_SIZE);
	return TEXT_COPY(t->number, order->lot.id, e) && TEXT_COPY(t->product, order->lot.product, e) &&
	       TEXT_COPY(t->profile, order->lot.profile, e) && TEXT_COPY(t->station, c->log_origin, e) &&
	       take_number(m->scrap, "scrap", &t->scrap, e) && take_number(m->replace, "replace", &t->replace, e) &&
	       take_window(m, t, e) && take_issuer(c, t, e);
}

static bool make(const struct making *m, const char *path, const struct config *c, struct err *e)
{
	AUTO(bytes) struct bytes file = {.max = ORDER_FILE_MAX}, text = {.max = ORDER_NOTE_MAX};
	AUTO(order) struct order order = {0};
	struct order_terms terms;
	if (!file_read(path, &file, e) || !order_parse(bytes_text(&file), file.len, &order, e) ||
	    !terms_of(m, c, &order, &terms, e) ||
	    !order_note_text(&terms, &text, e) || !file_write_atomic(m->out, text.data, text.len, FILE_MODE, e))
		return false;
	say(&terms);
	printf("\n%s holds this, and nobody has signed it yet.\n", m->out);
	return true;
}

static int run_make(int argc, char **argv, struct err *e)
{
	struct making m = {0};
	struct config *config = NULL;
	const struct command_option options[] = {{"config", &m.config, NULL}, {"scrap", &m.scrap, NULL}, {"replace",
													  &m.replace, NULL},
						 {"from", &m.from, NULL}, {"until", &m.until, NULL}, {"out", &m.out, NULL}, {0}};
	bool ok = command_options(&argc, argv, options, e) &&
		  ((argc == 1 && m.out) || err_set(e, E_USAGE, "order make ORDER.json --out ORDER.order --from DAY --until DAY")) &&
		  command_config(m.config, &config, e) && make(&m, argv[0], config, e);
	config_free(config);
	return ok ? EXIT_OK : e->code == E_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

const struct command order_make_command = {"order make",
	"ORDER.json --config FILE --out ORDER.order --from DAY --until DAY [--scrap N] [--replace N]",
	"the text of an order for this station and CA, to be signed", run_make};

/* ---- sign, show ---- */

static bool read_note(const char *path, struct bytes *ret, struct order_terms *terms, struct err *e)
{
	ret->max = ORDER_NOTE_MAX;
	return file_read(path, ret, e) && order_note_read(bytes_text(ret), ret->len, terms, e);
}

static int run_sign(int argc, char **argv, struct err *e)
{
	const char *key = NULL, *name = NULL, *passphrase = NULL;
	const struct command_option options[] = {{"key", &key, NULL}, {"name", &name, NULL}, {"passphrase", &passphrase,
											      NULL}, {0}};
	AUTO(bytes) struct bytes note = {0}, signed_note = {.max = ORDER_NOTE_MAX};
	struct order_terms terms;
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	if (argc != 1 || !key || !name || !passphrase) {
		err_set(e, E_USAGE, "order sign ORDER.order --key KEY --name NAME --passphrase REF");
		return EXIT_USAGE;
	}
	if (!lockdown_no_core(e) || !read_note(argv[0], &note, &terms, e) ||
	    !order_note_sign(note.data, note.len, key, passphrase, name, &signed_note, e) ||
	    !file_write_atomic(argv[0], signed_note.data, signed_note.len, FILE_MODE, e))
		return EXIT_FAILED;
	say(&terms);
	printf("\n%s has signed this.\n", name);
	return EXIT_OK;
}

const struct command order_sign_command = {"order sign", "ORDER.order --key KEY --name NAME --passphrase REF",
					   "add one's signature to an order, and say what it is", run_sign};

static bool show(const char *config_path, const char *path, struct err *e)
{
	AUTO(bytes) struct bytes note = {0};
	struct order_terms terms;
	struct config *config = NULL;
	if (!read_note(path, &note, &terms, e))
		return false;
	say(&terms);
	if (!config_path) {
		printf("\nWho signed it is not asked: --config FILE names the keys.\n");
		return true;
	}
	bool ok = command_config(config_path, &config, e) &&
		  (orders_are_signed(config) || err_set(e, E_ORDER_UNSIGNED,
							"the configuration names no keys of those who sign orders")) &&
		  signed_order_open(config, &note, &terms, e);
	config_free(config);
	if (ok)
		printf("\nBoth have signed it.\n");
	return ok;
}

static int run_show(int argc, char **argv, struct err *e)
{
	const char *config = NULL;
	const struct command_option options[] = {{"config", &config, NULL}, {0}};
	bool ok = command_options(&argc, argv, options, e) && (argc == 1 || err_set(e, E_USAGE, "which order?")) &&
		  show(config, argv[0], e);
	return ok ? EXIT_OK : e->code == E_USAGE ? EXIT_USAGE : EXIT_FAILED;
}

const struct command order_show_command = {"order show", "ORDER.order [--config FILE]",
	"an order in words, and whether both have signed it", run_show};
