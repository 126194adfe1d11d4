/* SPDX-License-Identifier: Apache-2.0 */
/* station.conf, read once into a const struct. One INI file (libinih): [station] [ca] [dps], where wanted [jig] [people]
 * [custody] [hub] [scanner] [lots] [mes] [mes-folder] [mes-http] [api], and [profile NAME]… [slot NAME]…
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

/* What binds a label to a slot, since boards are bare (station/shift/label.h). */
enum label_source {
	LABEL_SERIAL,	/* the unit's own serial number is its label */
	LABEL_SCAN,	/* scan, then plug into the next free slot */
	LABEL_TRAY,	/* a tray's barcode, and which label lies in which position */
};
enum label_check {
	LABEL_EQUAL,	/* the label is the serial number that the unit says */
	LABEL_LISTED,	/* the label need only stand in the order's list; what the unit says is kept beside it */
};
/* What a silent MES means for a unit that wants to begin. */
enum mes_silence { SILENCE_STOPS, SILENCE_GOES, SILENCE_LISTED };

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
	bool server;			/* extended_key_usage = client | client-server; default client */
	bool dns_name;			/* alternative_name = none | dns (the registration id); default none */
	char organization[65], unit[65];	/* of the leaf's subject, before its common name; "" without */
	bool finish;			/* close factory mode; default yes */
	bool keep_registration;		/* what the rehearsal leaves in the cloud stays; default yes */
	bool rehearse_here;		/* explicit yes for allocation that depends on where one registers from; default no */
	char order[65];			/* while no lot is open; "" without */
	enum label_source label;	/* label = serial | scan | tray; default serial */
	enum label_check label_check;	/* label_check = equal | listed; default equal */
};

struct config_slot {
	char name[33];
	char port[96];			/* port path as `station devices` prints it */
	int profile;			/* index */
	uint32_t row, column;		/* in the jig as it is built, from 1; 0: not given */
};

/* The fixture as the operator sees it: the slots' rows and columns, turned clockwise by `rotation` degrees. */
struct config_jig {
	uint32_t rows, columns;	/* 0: not given; slots stand in the order of the file */
	uint32_t rotation;	/* 0, 90, 180, 270: index of those */
};

struct config {
	char path[PATH_MAX];
	uint8_t sha256[32];		/* of the file's bytes, for the ledger */

	char name[65];			/* [station] name */
	enum station_role role;		/* line | engineer; default line */
	char state_dir[PATH_MAX];	/* ledger.db, signer.state, station.sock; must exist or be creatable */
	char log_origin[128];		/* default "NAME.station" */

	char ca_chain[PATH_MAX];	/* [ca] chain = PEM, the issuing CA first, up to the root */
	char ca_key[PATH_MAX];		/* key = a path or a URI (certs/custody.h) */
	char ca_log_key[PATH_MAX];	/* log_key */
	char ca_passphrase[PATH_MAX];	/* passphrase = secret reference */
	int64_t ca_issue_until_ms;	/* issue_until = YYYY-MM-DD (end of that day, UTC) */

	/* [custody] */
	bool production;		/* production = yes | no; default no: yes wants key and count in hardware, and signed orders */
	char custody_anchor[128];	/* anchor = a URI (certs/custody.h); default none */
	uint32_t custody_lease;		/* lease, 1 to 1000, default 16: identities per step of the anchor; a crash forfeits what is left */
	char custody_pin[PATH_MAX];	/* pin: secret reference, of the token or of what is in the TPM */
	char custody_token_socket[PATH_MAX];	/* token_socket: of `p11-kit server` */
	char custody_tcti[PATH_MAX];	/* tcti of the station's own TPM */
	char custody_order_key[2][PATH_MAX];	/* order_key_1, order_key_2: files with the verifier keys of orders */

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

	/* [hub] of an engineer's configuration: what closes a device's way into its hub */
	char hub_keys[PATH_MAX];	/* keys: directory, a file per hub, named by its host, with a connection string */
	char hub_gateway[256];		/* gateway: https://HOST[:PORT] that serves hubs under /hubs/HOST/; "": each hub itself */

	struct config_jig jig;		/* [jig] rows, columns, rotation */

	/* [people] without file: nobody has to say who he is */
	char people_file[PATH_MAX];	/* file: written by `station people`, mode 0600; it alone knows who a pseudonym is */
	bool people_pin;		/* pin = yes | no; default yes: a badge alone is not enough */
	uint32_t people_idle_minutes;	/* idle_minutes, 1 to 480, default 15: then the line locks, never in the middle of a tray */

	/* [scanner] what it sends around a code, and POSIX extended regular expressions that route a code */
	char scan_prefix[9], scan_suffix[9];	/* "\\xHH" stands for a byte; default none and "\\r" */
	uint32_t scan_gap_ms;		/* gap_ms, 5 to 1000, default 35: slower keys are a person's */
	char scan_badge[129], scan_order[129], scan_unit[129], scan_tray[129], scan_command[129];
	bool sound;			/* sound = yes | no: the console's bell, once per tray; default yes */

	/* [lots] */
	char orders_dir[PATH_MAX];	/* orders: ORDER.json (station/shift/order.h); default STATE/orders */
	char trays_dir[PATH_MAX];	/* trays: TRAY.json (station/shift/label.h); default STATE/trays */
	char handover_dir[PATH_MAX];	/* handover: what a closed lot leaves; default STATE/handover */
	bool lot_required;		/* required = yes | no; default no: without a lot units go by their profile's order */

	/* [mes] */
	char mes_station[65];		/* station: its name in the MES; default [station] name */
	enum mes_silence mes_silent;	/* silent = stop | go | listed; default stop */
	bool mes_check_in;		/* check_in = yes | no: units are asked for before work; default yes where an adapter can answer */
	uint32_t mes_events_most;	/* events, 1000 to 10000000, default 100000: more that wait stop the line */

	/* [mes-folder] is there when `out` is given */
	char folder_out[PATH_MAX];	/* result files */
	char folder_in[PATH_MAX];	/* allow lists and orders from the MES; "" none */
	char folder_format[65];		/* format = any of "json csv openhtf", by blanks; default json */

	/* [mes-http] is there when `url` is given */
	char mes_url[256];		/* https://HOST[:PORT][/PATH]; http:// only with hmac_key */
	char mes_ca_file[PATH_MAX];
	char mes_certificate[PATH_MAX], mes_key[PATH_MAX];	/* PEM, for mutual TLS */
	char mes_hmac_key[PATH_MAX];	/* secret reference */
	uint32_t mes_timeout_ms;	/* 100 to 60000, default 5000 */

	/* [api] is there when `listen` is given */
	char api_listen[128];		/* 127.0.0.1:PORT, [::1]:PORT or unix:PATH */
	char api_token[PATH_MAX];	/* secret reference: who shows it may ask for changes; "" nobody may */

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
