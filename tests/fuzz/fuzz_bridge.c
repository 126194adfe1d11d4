/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that a driver child does with a device's bytes, as a fuzz target: the driver of the TPM bridge lives a unit's whole
 * life, with its frames, its TCTI and the answers of a TPM. Only the door to libusb is another one: what stands here
 * instead of drivers/usb.c takes a device's side from the input.
 *
 * The input: the packet size (one of three, by the first byte), then records of a kind, two bytes of length and a body.
 * A record is one thing that the device does; the driver, whatever it wants, gets the next. */
#include "scratch.h"
#include "drivers/usb.h"
#include "station/base/bytes.h"
#include "station/base/clock.h"

#include <stdlib.h>
#include <string.h>

/* Too short to wait in: a busy device, or a TPM that wants to be asked again, is given up at once. */
#define CALL_MS 9
#define TRANSFERS_MAX 2000	/* as the real door has a budget */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

extern const struct driver tpm_bridge_driver;

/* What a record may be. */
enum {
	SAYS_CONTROL,	/* the answer to a control transfer */
	SAYS_BYTES,	/* a bulk transfer, as it stands */
	SAYS_FRAME,	/* a status and a payload: a frame with the type and tag that are waited for */
	SAYS_FAILURE,	/* the transfer fails: pulled, stalled, silent or empty */
	RECORD_KINDS
};

struct usb_link {
	size_t packet;
	const uint8_t *at;
	size_t left;
	struct bytes rest;	/* of a frame that is longer than what was asked for */
	uint8_t type, tag[2];	/* of the last command */
	unsigned transfers_left;
};

struct record {
	unsigned kind;
	const uint8_t *data;
	size_t len;
};

/* False at the end: from then on the device is silent. */
static bool record_next(struct usb_link *l, struct record *ret)
{
	if (l->left < 3)
		return false;
	size_t len = (size_t)l->at[1] << 8 | l->at[2];
	*ret = (struct record){l->at[0] % RECORD_KINDS, l->at + 3, len < l->left - 3 ? len : l->left - 3};
	l->at += 3 + ret->len;
	l->left -= 3 + ret->len;
	return true;
}

static bool fails(const struct record *r, struct err *e)
{
	static const enum err_code codes[] = {E_USB_GONE, E_USB, E_CHILD_SILENT, E_BRIDGE};
	return err_set(e, codes[r->len ? r->data[0] % COUNT_OF(codes) : 0], "the device does so");
}

static bool called(struct usb_link *l, struct err *e)
{
	if (!l->transfers_left)
		return err_set(e, E_BRIDGE, "the transfer budget is spent");
	l->transfers_left--;
	return l->left || l->rest.len || err_set(e, E_CHILD_SILENT, "the input is at its end");
}

/* ---- the door ---- */

bool usb_control_in(struct usb_link *l, uint8_t request, void *data, size_t room, size_t *ret_len, int64_t deadline_ms, struct err *e)
{
	struct record r = {0};
	if (!called(l, e) || !record_next(l, &r) || r.kind == SAYS_FAILURE)
		return fails(&r, e);
	*ret_len = r.len < room ? r.len : room;
	if (*ret_len)
		memcpy(data, r.data, *ret_len);
	return true;
}

bool usb_control_out(struct usb_link *l, uint8_t request, int64_t deadline_ms, struct err *e)
{
	bytes_clear(&l->rest);
	return true;
}

bool usb_bulk_out(struct usb_link *l, const void *data, size_t len, int64_t deadline_ms, struct err *e)
{
	const uint8_t *frame = data;
	must(len >= 12 && len <= 12 + 65536 && !memcmp(frame, "TB\1", 3));
	l->type = frame[3];
	memcpy(l->tag, frame + 4, 2);
	return called(l, e);
}

static void take_record(struct usb_link *l, const struct record *r)
{
	struct err e = {0};
	const uint8_t status = r->len ? r->data[0] : 0;
	const size_t len = r->kind == SAYS_FRAME && r->len ? r->len - 1 : r->len;
	const uint8_t header[12] = {'T', 'B', 1, l->type, l->tag[0], l->tag[1], 0, status, 0, 0, (uint8_t)(len >> 8), (uint8_t)len};
	must(r->kind != SAYS_FRAME || bytes_add(&l->rest, header, sizeof(header), &e));
	must(bytes_add(&l->rest, r->data + (r->len - len), len, &e));
}

bool usb_bulk_in(struct usb_link *l, void *data, size_t room, size_t *ret_len, int64_t deadline_ms, struct err *e)
{
	struct record r = {0};
	must(room && room % l->packet == 0);
	memset(data, 0xa5, room);	/* all of it is the driver's own memory */
	if (!called(l, e))
		return false;
	if (!l->rest.len) {
		if (!record_next(l, &r) || r.kind == SAYS_FAILURE)
			return fails(&r, e);
		take_record(l, &r);
	}
	*ret_len = l->rest.len < room ? l->rest.len : room;
	if (*ret_len)
		memcpy(data, l->rest.data, *ret_len);
	memmove(l->rest.data, l->rest.data + *ret_len, l->rest.len - *ret_len);
	l->rest.len -= *ret_len;
	return true;
}

size_t usb_packet_size(const struct usb_link *l)
{
	return l->packet;
}

/* ---- the life ---- */

struct life {
	void *state;
	struct usb_link link;
	struct challenge challenge;
	struct driver_call call;
	size_t evidence[EVIDENCE_KINDS];
};

static bool take(void *ctx, enum evidence_kind kind, const void *data, size_t len, struct err *e)
{
	struct life *l = ctx;
	must(kind > 0 && kind < EVIDENCE_KINDS);
	if (!len || len > EVIDENCE_MAX)
		return err_set(e, E_VERIFIER, "nothing, or more than the judge takes");
	/* All of it is there. */
	(void)*((const volatile uint8_t *)data + len - 1);
	(void)*(const volatile uint8_t *)data;
	l->evidence[kind] = len;
	return true;
}

static const struct driver_call *next(struct life *l)
{
	l->call = (struct driver_call){clock_steady_ms() + CALL_MS, take, l, &l->challenge};
	return &l->call;
}

static void text_is_clean(const char *text, size_t room)
{
	must(memchr(text, '\0', room) && *text);
	for (; *text; text++)
		must(*text >= 0x20 && *text < 0x7f);
}

/* Each moment that may fail says why, and one that does not says nothing. */
#define TRY(call) do { struct err e = {0}; bool ok = (call); must(ok == (e.code == E_NONE)); (void)ok; } while (0)

static void identify(struct life *l, const struct driver *d)
{
	struct driver_identity who;
	struct err e = {0};
	if (!d->identify(l->state, next(l), &who, &e))
		return;
	text_is_clean(who.serial, sizeof(who.serial));
	text_is_clean(who.model, sizeof(who.model));
	text_is_clean(who.revision, sizeof(who.revision));
}

/* DPS's TPM attestation: the blob is of the service's shape, and of no meaning to this TPM. */
static void import(struct life *l, const struct driver *d)
{
	static const struct driver_blob blob = {.len = 600};
	static const struct driver_text text = {.len = 32};
	uint8_t mac[SHA256_SIZE];
	if (!d->import_identity)
		return;
	TRY(d->import_identity(l->state, next(l), &blob, &e));
	TRY(d->sign_identity(l->state, next(l), &text, mac, &e));
}

static void attest(struct life *l, const struct driver *d)
{
	struct driver_ek_read ek = {0};
	struct driver_key_made made;
	const struct driver_ek_request persist = {.replace_mismatch = 1};
	const struct driver_key_request key = {.handle = 0x81000200, .replace_other = 1};
	TRY(d->read_ek(l->state, next(l), &ek, &e));
	must(!ek.present || l->evidence[EVIDENCE_EK_PUBLIC]);
	TRY(d->persist_ek(l->state, next(l), &persist, &e));
	TRY(d->make_key(l->state, next(l), &key, &made, &e));
	TRY(d->read_ak(l->state, next(l), &e));
	l->challenge.about = CHALLENGE_AK;
	TRY(d->activate(l->state, next(l), &e));
	TRY(d->certify(l->state, next(l), &e));
	l->challenge.about = CHALLENGE_KEY;
	TRY(d->prove_key(l->state, next(l), &e));
}

static void use(struct life *l, const struct driver *d)
{
	static const uint8_t digest[SHA256_SIZE] = {1};
	static const struct driver_bundle bundle = {.len = 600};
	struct key_signature signature;
	uint8_t hash[SHA256_SIZE];
	sha256_of(bundle.data, bundle.len, hash);
	TRY(d->sign(l->state, next(l), digest, &signature, &e));
	TRY(d->install(l->state, next(l), &bundle, &e));
	TRY(d->read_back(l->state, next(l), &e));
	TRY(d->finish(l->state, next(l), hash, &e));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const size_t packets[] = {64, 512, 1024};
	const struct driver *d = &tpm_bridge_driver;
	if (!len)
		return 0;
	struct life l = {.link = {packets[data[0] % COUNT_OF(packets)], data + 1, len - 1, {0}, 0, {0}, TRANSFERS_MAX}};
	const struct driver_port port = {.fd = -1, .link = &l.link, .spec = "tpm_bridge", .file = -1};
	struct err e = {0};
	l.challenge.blob_len = 0;
	l.state = calloc(1, d->state_size);
	must(l.state);
	if (d->open(l.state, &port, next(&l), &e)) {
		identify(&l, d);
		attest(&l, d);
		use(&l, d);
		import(&l, d);
	}
	d->close(l.state);
	free(l.state);
	bytes_fini(&l.link.rest);
	return 0;
}
