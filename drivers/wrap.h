/* SPDX-License-Identifier: Apache-2.0 */
/* Drivers that wrap a driver: they go through the same vtable, in the same locked-in process, and neither the real driver nor
 * the line knows of them. A profile names one in front of the driver:
 *
 *   fault(MOMENT.WHEN.KIND[.SEED][.once]):tpm_bridge    misbehaves as told (drivers/fault.c)
 *   record:tpm_bridge                                   writes the conversation down (drivers/record.c)
 *   replay(PATH):tpm_bridge                             answers from what was written down (drivers/replay.c)
 *
 * and they nest: "record:fault(identify.after.lie):serial_csr". There is one file for a unit: record, replay and a fault that
 * strikes once exclude each other. They are for trials and for tests: a line that uses one says so.
 *
 * All functions of the vtable come through one: a wrapper is one function `around` a moment. */
#ifndef DRIVERS_WRAP_H
#define DRIVERS_WRAP_H

#include "drivers/driver.h"

enum moment {
	MOMENT_OPEN, MOMENT_IDENTIFY, MOMENT_READ_EK, MOMENT_PERSIST_EK, MOMENT_MAKE_KEY, MOMENT_READ_AK, MOMENT_ACTIVATE,
	MOMENT_CERTIFY, MOMENT_PROVE_KEY, MOMENT_SIGN, MOMENT_READ_CSR, MOMENT_IMPORT_IDENTITY, MOMENT_SIGN_IDENTITY, MOMENT_INSTALL,
	MOMENT_READ_BACK, MOMENT_FINISH, MOMENT_COUNT
};

/* "open", "identify" and so on, as driver.h spells the functions. */
const char *moment_name(enum moment m);
/* MOMENT_COUNT if there is none of this name. */
enum moment moment_find(const char *name, size_t len);

/* One call of a driver's function, whichever. */
struct wrap_call {
	enum moment moment;
	const struct driver_call *call;
	const void *request;	/* what the function is given, or NULL; its type follows from the moment */
	size_t request_len;
	void *result;		/* zeroed; what the function fills, or NULL */
	size_t result_len;
};

struct wrap;

struct wrapper {
	const char *name;
	size_t own_size;	/* zeroed bytes at wrap->own */
	bool (*args_are_good)(const char *args, struct err *e);	/* what stands in the parentheses, "" without; E_CONFIG */
	bool (*begin)(struct wrap *w, const char *args, struct err *e);	/* NULL: nothing to do */
	bool (*around)(struct wrap *w, const struct wrap_call *c, struct err *e);
	void (*end)(struct wrap *w);	/* NULL: nothing to do */
};

struct wrap {
	const struct wrapper *kind;
	void *own;
	const struct driver *inner;
	void *state;		/* of inner */
	struct driver_port port;	/* as inner gets it */
	bool open;		/* inner->open was called */
};

extern const struct wrapper fault_wrapper, record_wrapper, replay_wrapper;
extern const struct driver wrap_driver;

/* What the wrapped driver does. E_NO_DRIVER where it has no such function. */
bool wrap_inner(struct wrap *w, const struct wrap_call *c, struct err *e);

/* True for a driver without wrappers, or with good ones around a driver of this build. E_CONFIG, E_NO_DRIVER. */
WARN_UNUSED bool wrap_spec_is_good(const char *spec, struct err *e);

/* What stands in the parentheses of the wrapper of that name in a spec; false if the spec has no such wrapper. E.g. the path that
 * `replay` reads, for whoever opens files before the lock-down. */
bool wrap_args(const char *spec, const char *wrapper, char *out, size_t room);
/* The same of the fault that strikes once, wherever it stands among others. */
bool wrap_once(const char *spec, char *out, size_t room);

#endif
