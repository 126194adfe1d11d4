/* SPDX-License-Identifier: Apache-2.0 */
/* A unit's life as the conformance test lives it: its moments, in their order, for both kinds of proof; and which driver it is
 * that is being tried, bare or wrapped. */
#ifndef TESTS_DRIVERS_LIFE_H
#define TESTS_DRIVERS_LIFE_H

#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* What is tried now, and how big things are there: a serial line needs a request for every 150 bytes. */
struct subject {
	const struct driver *driver;
	bool wrapped;
	const char *serial;
	uint32_t old_len, new_len;	/* of bundles that power cuts come between */
	const char *commits, *keys;	/* how the simulated device counts what it stored */
};
extern struct subject now;

void subject_set(const struct driver *d, bool wrapped);

static inline bool by_tpm(void)
{
	return now.driver->proof == PROOF_TPM;
}

#define OK(call) do { struct err e = {0}; if (!(call)) \
	fail_msg("%s: %s %s", #call, err_row(e.code)->code, e.what); } while (0)
#define REFUSED(call, wanted) do { struct err e = {0}; if (call) fail_msg("%s: accepted", #call); \
	if (e.code != (wanted)) fail_msg("%s: %s %s", #call, err_row(e.code)->code, e.what); } while (0)

/* A bundle of that length: a certificate of no meaning full of `fill`, and texts. */
struct driver_bundle bundle_of(uint8_t fill, uint32_t len);

/* ---- functions of the driver ---- */

bool identify(struct rig_unit *u, struct driver_identity *ret, struct err *e);
bool read_ek(struct rig_unit *u, struct driver_ek_read *ret, struct err *e);
bool persist_ek(struct rig_unit *u, bool replace, struct err *e);
bool make_key(struct rig_unit *u, uint8_t job, bool replace, struct driver_key_made *ret, struct err *e);
/* Any function without arguments of its own. */
bool plain(struct rig_unit *u, bool (*function)(void *, const struct driver_call *, struct err *), struct err *e);
bool install(struct rig_unit *u, const struct driver_bundle *b, struct err *e);
bool finish(struct rig_unit *u, const struct driver_bundle *b, struct err *e);
bool judge_ek(struct rig_unit *u, struct ek_verdict *ret, struct err *e);
/* From nothing to a judged leaf key. */
bool attest(struct rig_unit *u, uint8_t job, struct attest_verdict *ret, struct err *e);
/* Makes or finds the key of the job and gives a hash by which it is known again. */
bool key_known(struct rig_unit *u, uint8_t job, uint8_t ret[static SHA256_SIZE], struct err *e);

/* ---- the unit ---- */

/* A new unit, plugged in and open. */
void unit_begin(struct rig_unit *u, const char *serial);
void unit_end(struct rig_unit *u);
/* Plugged in again, and open. */
void unit_again(struct rig_unit *u);
/* After a power cut: waits until the bus knows, plugs it in again, opens it. */
void unit_after_cut(struct rig_unit *u, const char *serial);

/* ---- moments, in the order of a life: each works after those before it ---- */

struct moment {
	const char *name;
	bool (*run)(struct rig_unit *u, struct err *e);
};
size_t moment_count(void);
const struct moment *moment_at(size_t i);
/* Lives up to before the moment `until`. */
void live(struct rig_unit *u, size_t until);
bool do_identify(struct rig_unit *u, struct err *e);

/* ---- the tests, by moment ---- */

struct conform_test {
	const char *name;
	CMUnitTestFunction test;
	bool tpm, csr;	/* for which proofs */
};
#define BOTH(name) {#name, name, true, true}
#define TPM_ONLY(name) {#name, name, true, false}
#define CSR_ONLY(name) {#name, name, false, true}
/* Each ends with a zero row. */
extern const struct conform_test conform_key[], conform_install[], conform_time[], conform_power[], conform_child[], conform_line[];

#endif
