/* SPDX-License-Identifier: Apache-2.0 */
/* A driver without a device, which does and says always the same, and keeps what was asked of it: what stands inside the wrappers
 * while these are tried. It is the only driver of a test that links it.
 *
 *     struct trial t;
 *     trial_begin(&t, "fault(install.before.lie):probe", -1);
 *     assert_true(trial_do(&t, MOMENT_INSTALL));
 *     assert_int_equal(probe->asked[MOMENT_INSTALL], 0);
 *     trial_end(&t);
 */
#ifndef TESTS_DRIVERS_PROBE_H
#define TESTS_DRIVERS_PROBE_H

#include "drivers/wrap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define TRIAL_EVIDENCE 8

/* What the driver was asked, and how it is to fail; shared with processes that a test forks. */
struct probe {
	int asked[MOMENT_COUNT];
	int closed;
	uint8_t request[sizeof(struct driver_bundle)];	/* of the last call */
	enum moment fails;	/* MOMENT_COUNT: none */
	enum err_code with;
};
extern struct probe *probe;

/* What fills each function's result, as the driver fills it. */
union probe_result {
	struct driver_identity identity;
	struct driver_ek_read ek;
	struct driver_key_made key;
	struct key_signature signature;
	uint8_t mac[SHA256_SIZE];
};

struct trial {
	const struct driver *driver;
	void *state;
	union probe_result result;	/* of the last call */
	size_t result_len;
	struct {
		enum evidence_kind kind;
		size_t len;
		uint8_t data[512];
	} evidence[TRIAL_EVIDENCE];	/* of the last call */
	size_t evidence_count;
	int64_t limit_ms;	/* of each call; 5000 */
	bool deaf;		/* calls bring no sink */
	struct err err;		/* of the last call */
};

/* A new probe, and a driver of that spec around it; not opened yet. */
void trial_begin(struct trial *t, const char *spec);
/* Opens it as the launcher would, with that file or -1. */
bool trial_open(struct trial *t, const char *spec, int file);
/* Calls the function with the same request each time. */
bool trial_do(struct trial *t, enum moment m);
void trial_end(struct trial *t);

/* A file without a name. */
int scratch_file(const char *text);
/* Its whole text; for one use. */
const char *text_of(int file);

#endif
