/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of this room stand on: the emulated service or hostile.py as real processes, certificates by the
 * openssl command, and a client key in software behind the same callback that a device's TPM answers. Everything that
 * fails here ends the test. */
#ifndef TESTS_DPS_HARNESS_H
#define TESTS_DPS_HARNESS_H

#include "station/base/json.h"
#include "station/dps/runtime.h"

#include <sys/types.h>

/* A program that runs beside the test; it ends with the test, or when asked. */
struct beside {
	pid_t pid;
	int to;		/* its standard input */
	int from;	/* its standard output */
};

struct hostile {
	struct beside process;
	json_t *says;
};
void hostile_start(struct hostile *h);
void hostile_stop(struct hostile *h);
int hostile_port(const struct hostile *h, const char *name);
const char *hostile_ca(const struct hostile *h);

/* A folder for one test program, gone at its end. */
struct folder {
	char path[64];
};
void folder_make(struct folder *f);
void folder_remove(struct folder *f);
/* "FOLDER/name", lent until the 16th next call. */
const char *folder_at(const struct folder *f, const char *name);
void write_text(const char *path, const char *text, mode_t mode);
void run_shell(const struct folder *f, const char *command);

/* Certificates, NAME.key and NAME.pem in the folder; issuer "" is self-signed. pki_make: root, line (issued by root),
 * stranger (a root). */
void pki_make(const struct folder *f);
void pki_authority(const struct folder *f, const char *name, const char *issuer);
void pki_leaf(const struct folder *f, const char *name, const char *common_name, const char *issuer);
void pem_text(const struct folder *f, const char *name, struct bytes *ret);
void pem_der(const struct folder *f, const char *name, struct bytes *ret);

/* A certificate that nobody keeps a key of: self-signed, DER; quickly, for entries that are only stored. */
void leaf_quick(const char *common_name, struct bytes *ret);

/* A device with its key in software: leaf NAME, sending `chain` too ("line", "line root"; "" for none). */
struct device {
	struct remote_key key;
	struct bytes leaf, chain[3];
	struct http_identity identity;
	struct err cause;
	int signatures;
	bool refuses;	/* the key answers E_KEY_SILENT */
	void *private_key;
};
void device_make(struct device *d, const struct folder *f, const char *name, const char *chain);
void device_fini(struct device *d);

/* The emulated service, with CA "root" verified and group "line" holding the line CA, unless the arguments say otherwise. */
struct emulator {
	struct beside process;
	json_t *endpoint;
	const struct folder *folder;
};
void emulator_start(struct emulator *m, const struct folder *f, const char *const *args);
/* Ends it; what the tests sent must have kept the published contract (tests/contract). */
void emulator_stop(struct emulator *m);
/* Replaces the rule file; "[]" for none. The emulator must have been started with --rules FOLDER/rules.json. */
void emulator_rules(const struct emulator *m, const char *json);
/* Opens our client on it with this policy's connection string, and ARM as this role; NULL: without. */
void emulator_client(const struct emulator *m, const char *policy, const char *arm_role, struct dps **ret);
/* The same, with operations per minute and requests in flight. */
void emulator_paced_client(const struct emulator *m, const char *policy, uint32_t per_minute, uint32_t in_flight, struct dps **ret);
/* The record of what it was asked, a list. */
json_t *emulator_record(const struct emulator *m);

int64_t in_ms(int ms);

#define assert_ok(call, e) \
	do { \
		if (!(call)) \
			fail_msg("%s: %s: %s", #call, err_row((e)->code)->code, (e)->what); \
	} while (0)
#define assert_fails(call, e, want) \
	do { \
		if (call) \
			fail_msg("%s did not fail", #call); \
		if ((e)->code != (want)) \
			fail_msg("%s: %s instead of %s: %s", #call, err_row((e)->code)->name, err_row(want)->name, (e)->what); \
	} while (0)

#endif
