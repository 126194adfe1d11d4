/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that a driver child does with a unit's bytes on a serial line, as a fuzz target: the driver serial_csr lives a unit's
 * whole life. Only the door to ttys is another one: what stands here instead of drivers/serial.c takes the unit's side
 * from the input.
 *
 * The input: records of a kind, two bytes of length and a body. A record is what the unit says after a request. */
#include "scratch.h"
#include "drivers/driver.h"
#include "drivers/serial.h"
#include "drivers/serial_line.h"
#include "station/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_MS 9	/* too short to wait in */
#define REQUESTS_MAX 600	/* as the real door has a budget */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

extern const struct driver serial_csr_driver;

enum {
	SAYS_ANSWER,	/* the text of an answer: marker, number and CRC are put around it */
	SAYS_BYTES,	/* as they stand */
	SAYS_BEFORE,	/* the same, and the next record comes behind */
	SAYS_FAILURE,	/* the tty fails: hung up, broken, silent or spent */
	RECORD_KINDS
};

/* The unit: there is one at a time. */
static struct {
	const uint8_t *at;
	size_t left;
	struct bytes coming;
	enum err_code failure;
	char number[5];
	unsigned requests_left;
} unit;

/* ---- the door ---- */

void serial_init(struct serial *s, int fd)
{
	*s = (struct serial){fd, SERIAL_BUDGET_BYTES};
}

static bool record_say(void)
{
	static const enum err_code codes[] = {E_USB_GONE, E_TTY, E_CHILD_SILENT, E_SERIAL_LINE};
	struct err e = {0};
	if (unit.left < 3)
		return false;
	unsigned kind = unit.at[0] % RECORD_KINDS;
	size_t said = (size_t)unit.at[1] << 8 | unit.at[2], len = said < unit.left - 3 ? said : unit.left - 3;
	const uint8_t *body = unit.at + 3;
	unit.at += 3 + len;
	unit.left -= 3 + len;
	if (kind == SAYS_FAILURE)
		unit.failure = codes[len ? body[0] % COUNT_OF(codes) : 0];
	else if (kind != SAYS_ANSWER)
		must(bytes_add(&unit.coming, body, len, &e));
	if (kind != SAYS_ANSWER)
		return kind == SAYS_BEFORE;
	AUTO(bytes) struct bytes text = {0};
	must(bytes_printf(&text, &e, "%s ", unit.number) && bytes_add(&text, body, len, &e));
	must(bytes_printf(&unit.coming, &e, "<") && bytes_add(&unit.coming, text.data, text.len, &e)
	     && bytes_printf(&unit.coming, &e, "*%08x\r\n", serial_crc(text.data, text.len)));
	return false;
}

bool serial_write(struct serial *s, const void *data, size_t len, int64_t deadline_ms, struct err *e)
{
	const char *line = data;
	must(len > 17 && len <= SERIAL_LINE_MAX + 1 && !memcmp(line, "\n>", 2) && line[6] == ' ' && line[len - 10] == '*'
	     && line[len - 1] == '\n');
	for (size_t i = 1; i + 1 < len; i++)
		must(line[i] >= 0x20 && line[i] < 0x7f);
	memcpy(unit.number, line + 2, 4);
	if (!unit.requests_left)
		return err_set(e, E_SERIAL_LINE, "the budget is spent");
	unit.requests_left--;
	while (record_say())
		;
	return true;
}

bool serial_read(struct serial *s, void *data, size_t room, size_t *ret_len, int64_t deadline_ms, struct err *e)
{
	enum err_code code = unit.failure;
	must(room > 0);
	unit.failure = E_NONE;
	if (!unit.coming.len && code != E_NONE)
		return err_set(e, code, "the tty does so");
	if (!unit.coming.len && !unit.left)
		return err_set(e, E_USB_GONE, "the input is at its end");
	if (!unit.coming.len)
		return err_set(e, E_CHILD_SILENT, "nothing came");
	*ret_len = unit.coming.len < room ? unit.coming.len : room;
	memcpy(data, unit.coming.data, *ret_len);
	memmove(unit.coming.data, unit.coming.data + *ret_len, unit.coming.len - *ret_len);
	unit.coming.len -= *ret_len;
	unit.failure = code;
	return true;
}

/* ---- the life ---- */

struct life {
	void *state;
	struct challenge challenge;
	struct driver_call call;
};

static bool take(void *ctx, enum evidence_kind kind, const void *data, size_t len, struct err *e)
{
	must(kind == EVIDENCE_CSR || kind == EVIDENCE_BUNDLE || kind == EVIDENCE_SIGNATURE);
	must(len > 0 && len <= EVIDENCE_MAX && (kind != EVIDENCE_SIGNATURE || len == sizeof(struct key_signature)));
	/* All of it is there. */
	(void)*((const volatile uint8_t *)data + len - 1);
	(void)*(const volatile uint8_t *)data;
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
	must(who.factory_closed <= 1 && who.bundle_present <= 1);
}

static void live(struct life *l, const struct driver *d)
{
	static const uint8_t digest[SHA256_SIZE] = {1};
	static const struct driver_bundle bundle = {.len = 400};
	const struct driver_key_request key = {.replace_other = 1};
	struct driver_key_made made;
	struct key_signature signature;
	uint8_t hash[SHA256_SIZE];
	sha256_of(bundle.data, bundle.len, hash);
	TRY(d->make_key(l->state, next(l), &key, &made, &e));
	must(made.made <= 1);
	l->challenge.about = CHALLENGE_CSR;
	TRY(d->read_csr(l->state, next(l), &e));
	TRY(d->sign(l->state, next(l), digest, &signature, &e));
	TRY(d->install(l->state, next(l), &bundle, &e));
	l->challenge.about = CHALLENGE_KEY;
	TRY(d->prove_key(l->state, next(l), &e));
	TRY(d->read_back(l->state, next(l), &e));
	TRY(d->finish(l->state, next(l), hash, &e));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct driver *d = &serial_csr_driver;
	const struct driver_port port = {.fd = 0, .spec = "serial_csr", .file = -1};
	struct life l = {0};
	struct err e = {0};
	memset(&unit, 0, sizeof(unit));
	unit.at = data;
	unit.left = len;
	unit.requests_left = REQUESTS_MAX;
	l.state = calloc(1, d->state_size);
	must(l.state);
	if (d->open(l.state, &port, next(&l), &e)) {
		identify(&l, d);
		live(&l, d);
	}
	d->close(l.state);
	free(l.state);
	bytes_fini(&unit.coming);
	return 0;
}
