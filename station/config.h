/* SPDX-License-Identifier: Apache-2.0 */
/* station.conf, read once into a const struct. One INI file (libinih): [station] [ca] [dps]
 * [profile NAME]… [slot NAME]…
 *
 * Every mistake is reported at once, with its line: unknown section or name, a name twice, a bad
 * value, something missing, a reference to nothing. Secrets are references ("file:PATH",
 * "credential:NAME"), never values. Relative paths count from the configuration file's
 * directory, and are absolute in the struct. docs/configuration.md has one row per name; it and
 * this file's table are held together by a test. */
#ifndef STATION_CONFIG_H
#define STATION_CONFIG_H

#include "station/base/bytes.h"

#include <limits.h>

#define CONFIG_SLOTS_MAX 64
#define CONFIG_PROFILES_MAX 16
#define CONFIG_ROOTS_MAX 64

enum station_role { ROLE_LINE, ROLE_ENGINEER };
enum id_source { ID_EK_SHA256, ID_SPKI_SHA256, ID_TEMPLATE };
enum on_other { OTHER_REFUSE, OTHER_REPLACE };

/* How a unit's identity is made known to DPS. */
enum attestation {
	ATTEST_X509_GROUP,	/* by the CA above its leaf */
	ATTEST_X509_INDIVIDUAL,	/* by its leaf, in an entry of its own */
	ATTEST_TPM,		/* by its endorsement key, in an entry of its own */
};
enum allocation { ALLOCATION_ANY, ALLOCATION_HASHED, ALLOCATION_GEO, ALLOCATION_STATIC };

struct config_profile {
	char name[33];
	char driver[128];		/* default tpm_bridge; may say what wraps it (drivers/driver.h, driver_find) */
	enum attestation attestation;	/* attestation = x509-group | x509-individual | tpm; default x509-group */
	char group[129];		/* the enrollment group of attestation x509-group; "" for the others */
	/* Of individual enrollments, else not given: */
	char device_id[129];		/* in the hub: a template like id_template, with {id} the registration id; "": the registration id */
	char hub[256];			/* host name; "": any that is linked */
	enum allocation allocation;	/* allocation = hashed | geo-latency | static; not given: the instance's */
	char twin_path[PATH_MAX];	/* twin = JSON file of the initial twin */
	struct bytes twin;		/* its text, canonical JSON; empty without */
	uint32_t reprovision;		/* enum individual_reprovision; reprovision = migrate | reset | never; default migrate */
	bool edge;			/* edge = yes | no; default no */
	enum id_source id;		/* id = ek-sha256 | spki-sha256 | template */
	char id_template[129];		/* "{serial}", "{model}", "{ek}" (52 characters), literal text; checked against DPS's and X.509's limits */
	char ek_roots_path[PATH_MAX];	/* PEM: accepted TPM makers' roots and intermediates */
	struct bytes ek_roots[CONFIG_ROOTS_MAX];	/* DER of the self-signed ones */
	size_t ek_root_count;
	struct bytes ek_intermediates[CONFIG_ROOTS_MAX];
	size_t ek_intermediate_count;
	bool need_ek_cert;		/* ek_certificate = required | optional; default required */
	enum on_other ek_mismatch;	/* refuse | replace; default refuse */
	enum on_other existing_key;	/* refuse | replace; default refuse */
	uint32_t key_handle;		/* default 0x81000200 */
	uint32_t validity_days;		/* of the leaf; default 3650 */
	bool finish;			/* close factory mode; default yes */
	bool keep_registration;		/* what the rehearsal leaves in the cloud stays; default yes */
	bool rehearse_here;		/* explicit yes for allocation that depends on where one registers from; default no */
	char order[65];			/* "" without */
};

struct config_slot {
	char name[33];
	char port[96];			/* port path as `station devices` prints it */
	int profile;			/* index */
};

struct config {
	char path[PATH_MAX];
	uint8_t sha256[32];		/* of the file's bytes, for the ledger */

	char name[65];			/* [station] name */
	enum station_role role;		/* line | engineer; default line */
	char state_dir[PATH_MAX];	/* ledger.db, signer.state, station.sock; must exist or be creatable */
	char log_origin[128];		/* default "NAME.station" */

	char ca_chain[PATH_MAX];	/* [ca] chain = PEM, the issuing CA first, up to the root */
	char ca_key[PATH_MAX];		/* key */
	char ca_log_key[PATH_MAX];	/* log_key */
	char ca_passphrase[PATH_MAX];	/* passphrase = secret reference */
	int64_t ca_issue_until_ms;	/* issue_until = YYYY-MM-DD (end of that day, UTC) */

	char dps_endpoint[256];		/* [dps] endpoint = https://NAME.azure-devices-provisioning.net */
	char dps_global_endpoint[256];	/* global_endpoint, default https://global.azure-devices-provisioning.net */
	char dps_id_scope[64];
	char dps_proxy[256], dps_proxy_secret[PATH_MAX];
	char dps_ca_file[PATH_MAX];	/* default: the system's */
	char dps_policy[65];		/* exactly one of: policy + policy_key, sas_token, bearer_token; secrets by reference */
	char dps_policy_key[PATH_MAX];
	char dps_sas_token[PATH_MAX];
	char dps_bearer_token[PATH_MAX];
	uint32_t dps_per_minute;	/* operations_per_minute, 1 to 100000, default 900: this station's share of the service's 1,000 */
	uint32_t dps_in_flight;		/* requests_in_flight, 1 to 64, default 4 */
	bool start_offline;		/* yes | no; default yes: a configuration that was proved once starts without the service */
	uint32_t outbox_most;		/* outbox_units, default 20000: more waiting units stop the line (E_OUTBOX_FULL) */
	uint32_t outbox_hours;		/* outbox_hours, default 168: so does an older one */
	char arm_endpoint[256];		/* default https://management.azure.com */
	char arm_id[512];		/* /subscriptions/…/provisioningServices/NAME */
	char arm_token[PATH_MAX];	/* bearer token by reference: reader for a line, contributor for an engineer */

	struct config_profile profile[CONFIG_PROFILES_MAX];
	size_t profile_count;
	struct config_slot slot[CONFIG_SLOTS_MAX];
	size_t slot_count;
};

/* Reads and checks everything, and loads what profiles name (roots). E_CONFIG with the count of
 * mistakes in `what`; each mistake is appended to ret_mistakes as "PATH:LINE: text\n", in order
 * of lines. The caller frees *ret. */
WARN_UNUSED bool config_load(const char *path, struct config **ret, struct bytes *ret_mistakes, struct err *e);
void config_free(struct config *c);

/* Paths in the state directory. */
WARN_UNUSED bool config_state_path(const struct config *c, const char *name, char *out, size_t room, struct err *e);

#endif
