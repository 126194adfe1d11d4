/* SPDX-License-Identifier: Apache-2.0 */
/* A device without a TPM, which makes its own key and a certificate request, over a serial line.
 *
 * Matches:   CDC-ACM (class 2, subclass 2) of any maker, and the bridges of FTDI, Silicon Labs, WCH and Prolific.
 * Protocol:  docs/serial-csr.md, version 1: lines in drivers/serial_line.c over the tty in drivers/serial.c.
 * Proof:     a certificate request with our nonce in it, and a signature over the nonce by its key.
 * Writes:    key (make_key), bundle (install), factory mode (finish); each is compared first, by the device or here.
 * Closed:    a device whose factory mode is closed still says who it is, shows its bundle, and proves its key; everything else is
 *            E_UNIT_CLOSED.
 * Quirks:    what USB says of itself is the bridge's. A bridge that stays plugged in while the unit behind it is changed is not
 *            seen to change. Opening a tty raises DTR, which restarts many boards: what they print then is skipped. */
#include "drivers/driver.h"
#include "drivers/serial.h"
#include "drivers/serial_line.h"
#include "station/base/clock.h"
#include "station/base/text.h"

#include <stdio.h>
#include <string.h>

#define VERSION 1
#define CSR_LEN_MAX 4096u
#define HEX (2 * SHA256_SIZE + 1)

struct unit {
	struct serial serial;
	struct serial_line line;
};

/* What hello and state tell. */
struct standing {
	bool closed, stored;
	size_t len;	/* of the bundle */
	uint8_t sha256[SHA256_SIZE];
};

static bool give(const struct driver_call *call, enum evidence_kind kind, const void *data, size_t len, struct err *e)
{
	return !call->evidence || call->evidence(call->evidence_ctx, kind, data, len, e);
}

static bool tty_send(void *ctx, const void *data, size_t len, int64_t deadline_ms, struct err *e)
{
	return serial_write(ctx, data, len, deadline_ms, e);
}

static bool tty_receive(void *ctx, void *data, size_t room, size_t *ret_len, int64_t deadline_ms, struct err *e)
{
	return serial_read(ctx, data, room, ret_len, deadline_ms, e);
}

/* "LENGTH SHA256", nothing else. */
static bool length_and_hash(const char *text, size_t most, size_t *ret_len, uint8_t ret[static SHA256_SIZE], struct err *e)
{
	char hex[HEX];
	unsigned len;
	int end = 0;
	struct err bad = {0};
	if (sscanf(text, "%5u %64[0-9a-f]%n", &len, hex, &end) != 2 || text[end] || strlen(hex) != HEX - 1 || !len || len > most
	    || !hex_decode(hex, ret, SHA256_SIZE, &bad))
		return err_set(e, E_SERIAL_LINE, "\"%.80s\" is no length of 1 to %zu and hash", text, most);
	*ret_len = len;
	return true;
}

static bool hello(struct unit *u, int64_t deadline_ms, struct err *e)
{
	const char *text;
	unsigned version;
	int end = 0;
	if (!serial_ask(&u->line, &text, deadline_ms, e, "hello %d", VERSION))
		return false;
	if (sscanf(text, "serial-csr %5u%n", &version, &end) != 1 || text[end])
		return err_set(e, E_SERIAL_LINE, "\"%.40s\" is no answer to hello", text);
	return version == VERSION || err_set(e, E_SERIAL_VERSION, "version %u", version);
}

/* "open" or "closed", and "none" or the bundle's length and hash. */
static bool standing_read(struct unit *u, struct standing *ret, int64_t deadline_ms, struct err *e)
{
	const char *text;
	memset(ret, 0, sizeof(*ret));
	if (!serial_ask(&u->line, &text, deadline_ms, e, "state"))
		return false;
	ret->closed = !strncmp(text, "closed ", 7);
	if (!ret->closed && strncmp(text, "open ", 5) != 0)
		return err_set(e, E_SERIAL_LINE, "state: neither open nor closed");
	text += ret->closed ? 7 : 5;
	ret->stored = strcmp(text, "none") != 0;
	return !ret->stored || length_and_hash(text, BUNDLE_MAX, &ret->len, ret->sha256, e) || err_in(e, "state");
}

static bool unit_open(void *state, const struct driver_port *port, const struct driver_call *call, struct err *e)
{
	struct unit *u = state;
	if (port->fd < 0)
		return err_set(e, E_NO_DRIVER, "a serial device is a tty");
	serial_init(&u->serial, port->fd);
	const struct serial_wire wire = {&u->serial, tty_send, tty_receive};
	/* Answers to an earlier host may still be on their way: their numbers are others. */
	serial_line_init(&u->line, &wire, (uint16_t)clock_steady_ms());
	return hello(u, call->deadline_ms, e);
}

static void unit_close(void *state)
{
	memset(state, 0, sizeof(struct unit));
}

static bool text_read(struct unit *u, const char *name, char ret[static DRIVER_TEXT], int64_t deadline_ms, struct err *e)
{
	const char *text;
	if (!serial_ask(&u->line, &text, deadline_ms, e, "get %s", name))
		return false;
	size_t len = strlen(text);
	if (len < 1 || len >= DRIVER_TEXT)
		return err_set(e, E_SERIAL_LINE, "%s has %zu characters", name, len);
	memcpy(ret, text, len + 1);
	return true;
}

static bool unit_identify(void *state, const struct driver_call *call, struct driver_identity *ret, struct err *e)
{
	struct unit *u = state;
	struct standing now;
	memset(ret, 0, sizeof(*ret));
	if (!text_read(u, "serial", ret->serial, call->deadline_ms, e) || !text_read(u, "model", ret->model, call->deadline_ms, e)
	    || !text_read(u, "revision", ret->revision, call->deadline_ms, e) || !standing_read(u, &now, call->deadline_ms, e))
		return err_in(e, "identify");
	ret->factory_closed = now.closed;
	ret->bundle_present = now.stored;
	return true;
}

static bool unit_make_key(void *state, const struct driver_call *call, const struct driver_key_request *req,
			  struct driver_key_made *ret, struct err *e)
{
	struct unit *u = state;
	struct standing now;
	const char *text;
	char seed[HEX];
	ret->made = 0;
	if (!standing_read(u, &now, call->deadline_ms, e))
		return err_in(e, "making the key");
	ret->made = req->look && now.closed;
	if (now.closed || req->look)
		return true;	/* it has the key that it has, and shows it in its request; of an open one nothing can be seen */
	hex_encode(req->seed, SHA256_SIZE, seed);
	if (!serial_ask(&u->line, &text, call->deadline_ms, e, "key %s %s", seed, req->replace_other ? "replace" : "keep"))
		return err_in(e, "making the key");
	ret->made = !strcmp(text, "made");
	return ret->made || !strcmp(text, "found") || err_set(e, E_SERIAL_LINE, "a key neither made nor found");
}

/* r and s as 128 hex digits. */
static bool signature_ask(struct unit *u, const char *word, const uint8_t what[static SHA256_SIZE], struct key_signature *ret,
			  int64_t deadline_ms, struct err *e)
{
	const char *text;
	char hex[HEX];
	struct err bad = {0};
	hex_encode(what, SHA256_SIZE, hex);
	if (!serial_ask(&u->line, &text, deadline_ms, e, "%s %s", word, hex))
		return false;
	_Static_assert(sizeof(*ret) == 64, "r and s, and nothing between");
	return (strlen(text) == 2 * sizeof(*ret) && hex_decode(text, ret, sizeof(*ret), &bad))
		|| err_set(e, E_SERIAL_LINE, "%s: no signature", word);
}

static bool unit_prove_key(void *state, const struct driver_call *call, struct err *e)
{
	struct key_signature signature;
	return signature_ask(state, "prove", call->challenge->nonce, &signature, call->deadline_ms, e)
		&& give(call, EVIDENCE_SIGNATURE, &signature, sizeof(signature), e);
}

static bool unit_read_csr(void *state, const struct driver_call *call, struct err *e)
{
	struct unit *u = state;
	AUTO(bytes) struct bytes csr = {.max = CSR_LEN_MAX};
	uint8_t hash[SHA256_SIZE];
	char nonce[HEX];
	const char *text;
	size_t len = 0;
	hex_encode(call->challenge->nonce, SHA256_SIZE, nonce);
	if (!serial_ask(&u->line, &text, call->deadline_ms, e, "csr %s", nonce) || !length_and_hash(text, CSR_LEN_MAX, &len, hash, e)
	    || !serial_fetch(&u->line, "csr", len, hash, &csr, call->deadline_ms, e))
		return err_in(e, "the certificate request");
	return give(call, EVIDENCE_CSR, csr.data, csr.len, e) && unit_prove_key(state, call, e);
}

static bool unit_sign(void *state, const struct driver_call *call, const uint8_t digest[static SHA256_SIZE],
		      struct key_signature *ret, struct err *e)
{
	return signature_ask(state, "sign", digest, ret, call->deadline_ms, e);
}

static bool pieces_send(struct unit *u, const struct driver_bundle *bundle, int64_t deadline_ms, struct err *e)
{
	const char *text;
	for (uint32_t at = 0; at < bundle->len; at += SERIAL_PIECE) {
		AUTO(bytes) struct bytes piece = {0};
		uint32_t len = bundle->len - at < SERIAL_PIECE ? bundle->len - at : SERIAL_PIECE;
		if (!base64_encode(bundle->data + at, len, &piece, e)
		    || !serial_ask(&u->line, &text, deadline_ms, e, "put %u %s", at, bytes_text(&piece)))
			return err_in(e, "at %u", at);
	}
	return true;
}

static bool unit_install(void *state, const struct driver_call *call, const struct driver_bundle *bundle, struct err *e)
{
	struct unit *u = state;
	struct standing now;
	uint8_t hash[SHA256_SIZE];
	char hex[HEX];
	const char *text;
	sha256_of(bundle->data, bundle->len, hash);
	hex_encode(hash, SHA256_SIZE, hex);
	if (!standing_read(u, &now, call->deadline_ms, e))
		return err_in(e, "install");
	if (now.stored && now.len == bundle->len && !memcmp(now.sha256, hash, SHA256_SIZE))
		return true;
	if (!serial_ask(&u->line, &text, call->deadline_ms, e, "bundle %u %s", bundle->len, hex)
	    || !pieces_send(u, bundle, call->deadline_ms, e)
	    || !serial_ask(&u->line, &text, call->deadline_ms, e, "commit %s", hex))
		return err_in(e, "install");
	return true;
}

static bool unit_read_back(void *state, const struct driver_call *call, struct err *e)
{
	struct unit *u = state;
	struct standing now;
	AUTO(bytes) struct bytes bundle = {.max = BUNDLE_MAX};
	if (!standing_read(u, &now, call->deadline_ms, e))
		return err_in(e, "reading back");
	if (!now.stored)
		return err_set(e, E_READ_BACK, "no bundle is stored");
	if (!serial_fetch(&u->line, "bundle", now.len, now.sha256, &bundle, call->deadline_ms, e))
		return err_in(e, "reading back");
	return give(call, EVIDENCE_BUNDLE, bundle.data, bundle.len, e);
}

static bool unit_finish(void *state, const struct driver_call *call, const uint8_t bundle_sha256[static SHA256_SIZE], struct err *e)
{
	struct unit *u = state;
	const char *text;
	char hex[HEX];
	hex_encode(bundle_sha256, SHA256_SIZE, hex);
	return serial_ask(&u->line, &text, call->deadline_ms, e, "finish %s", hex);
}

static const struct driver_match matches[] = {
	{-1, -1, 0x02, 0x02, -1},	/* CDC-ACM */
	{0x0403, -1, 0xff, -1, -1},	/* FTDI */
	{0x10c4, -1, 0xff, -1, -1},	/* Silicon Labs CP210x */
	{0x1a86, -1, 0xff, -1, -1},	/* WCH CH340 */
	{0x067b, -1, 0xff, -1, -1},	/* Prolific PL2303 */
	{0},
};

const struct driver serial_csr_driver = {
	.name = "serial_csr",
	.title = "Device without a TPM on a serial line",
	.matches = matches,
	.proof = PROOF_CSR,
	.tty = true,
	.bridged = true,
	.state_size = sizeof(struct unit),
	.open = unit_open,
	.close = unit_close,
	.identify = unit_identify,
	.make_key = unit_make_key,
	.prove_key = unit_prove_key,
	.sign = unit_sign,
	.read_csr = unit_read_csr,
	.install = unit_install,
	.read_back = unit_read_back,
	.finish = unit_finish,
};
