/* SPDX-License-Identifier: Apache-2.0 */
#include "station/config_table.h"
#include "station/dps/individual.h"

const char *const config_section_names[SECTION_KINDS] = {
	[SECTION_STATION] = "station",
	[SECTION_CA] = "ca",
	[SECTION_DPS] = "dps",
	[SECTION_JIG] = "jig",
	[SECTION_CUSTODY] = "custody",
	[SECTION_HUB] = "hub",
	[SECTION_PEOPLE] = "people",
	[SECTION_SCANNER] = "scanner",
	[SECTION_LOTS] = "lots",
	[SECTION_MES] = "mes",
	[SECTION_MES_FOLDER] = "mes-folder",
	[SECTION_MES_HTTP] = "mes-http",
	[SECTION_API] = "api",
	[SECTION_PROFILE] = "profile",
	[SECTION_SLOT] = "slot",
};

static const char *const no_yes[] = {"no", "yes", NULL};
static const char *const roles[] = {[ROLE_LINE] = "line", [ROLE_ENGINEER] = "engineer", NULL};
static const char *const ids[] = {
	[ID_EK_SHA256] = "ek-sha256", [ID_SPKI_SHA256] = "spki-sha256", [ID_TEMPLATE] = "template", NULL};
static const char *const attestations[] = {
	[ATTEST_X509_GROUP] = "x509-group", [ATTEST_X509_INDIVIDUAL] = "x509-individual", [ATTEST_TPM] = "tpm", NULL};
static const char *const allocations[] = {[ALLOCATION_ANY] = "instance", [ALLOCATION_HASHED] = "hashed",
					  [ALLOCATION_GEO] = "geo-latency", [ALLOCATION_STATIC] = "static", NULL};
static const char *const reprovisions[] = {
	[REPROVISION_MIGRATE] = "migrate", [REPROVISION_RESET] = "reset", [REPROVISION_NEVER] = "never", NULL};
static const char *const others[] = {[OTHER_REFUSE] = "refuse", [OTHER_REPLACE] = "replace", NULL};
static const char *const labels[] = {[LABEL_SERIAL] = "serial", [LABEL_SCAN] = "scan", [LABEL_TRAY] = "tray", NULL};
static const char *const label_checks[] = {[LABEL_EQUAL] = "equal", [LABEL_LISTED] = "listed", NULL};
static const char *const rotations[] = {"0", "90", "180", "270", NULL};
static const char *const silences[] = {[SILENCE_STOPS] = "stop", [SILENCE_GOES] = "go", [SILENCE_LISTED] = "listed", NULL};
static const char *const usages[] = {"client", "client-server", NULL};
static const char *const alternative_names[] = {"none", "dns", NULL};
static const char *const optional_required[] = {"optional", "required", NULL};

#define AT(type, field) offsetof(struct type, field), sizeof(((struct type *)0)->field)
#define STATION_ROW(name, take, field, ...) {SECTION_STATION, name, take, AT(config, field), __VA_ARGS__}
#define CA_ROW(name, take, field, ...) {SECTION_CA, name, take, AT(config, field), __VA_ARGS__}
#define DPS_ROW(name, take, field, ...) {SECTION_DPS, name, take, AT(config, field), __VA_ARGS__}
#define ROW(kind, name, take, field, ...) {SECTION_##kind, name, take, AT(config, field), __VA_ARGS__}
#define PROFILE_ROW(name, take, field, ...) {SECTION_PROFILE, name, take, AT(config_profile, field), __VA_ARGS__}
#define SLOT_ROW(name, take, field, ...) {SECTION_SLOT, name, take, AT(config_slot, field), __VA_ARGS__}

const struct config_row config_rows[] = {
	STATION_ROW("name", value_name, name, NULL),
	STATION_ROW("role", value_choice, role, "line", .choices = roles),
	STATION_ROW("state_dir", value_path, state_dir, NULL),
	STATION_ROW("log_origin", value_name, log_origin, ""),

	CA_ROW("chain", value_path, ca_chain, NULL),
	CA_ROW("key", value_key_uri, ca_key, NULL),
	CA_ROW("log_key", value_path, ca_log_key, NULL),
	CA_ROW("passphrase", value_secret, ca_passphrase, NULL),
	CA_ROW("issue_until", value_last_day, ca_issue_until_ms, NULL),

	ROW(CUSTODY, "production", value_choice, production, "no", .choices = no_yes),
	ROW(CUSTODY, "anchor", value_anchor_uri, custody_anchor, ""),
	ROW(CUSTODY, "lease", value_count, custody_lease, "16", .least = 1, .most = 1000),
	ROW(CUSTODY, "pin", value_secret, custody_pin, ""),
	ROW(CUSTODY, "token_socket", value_path, custody_token_socket, ""),
	ROW(CUSTODY, "tcti", value_text, custody_tcti, ""),
	ROW(CUSTODY, "order_key_1", value_path, custody_order_key[0], ""),
	ROW(CUSTODY, "order_key_2", value_path, custody_order_key[1], ""),

	DPS_ROW("endpoint", value_endpoint, dps_endpoint, NULL),
	DPS_ROW("global_endpoint", value_https, dps_global_endpoint, "https://global.azure-devices-provisioning.net"),
	DPS_ROW("id_scope", value_name, dps_id_scope, NULL),
	DPS_ROW("proxy", value_proxy, dps_proxy, ""),
	DPS_ROW("proxy_secret", value_secret, dps_proxy_secret, ""),
	DPS_ROW("ca_file", value_path, dps_ca_file, ""),
	DPS_ROW("policy", value_name, dps_policy, ""),
	DPS_ROW("policy_key", value_secret, dps_policy_key, ""),
	DPS_ROW("sas_token", value_secret, dps_sas_token, ""),
	DPS_ROW("bearer_token", value_secret, dps_bearer_token, ""),
	DPS_ROW("operations_per_minute", value_count, dps_per_minute, "900", .least = 1, .most = 100000),
	DPS_ROW("requests_in_flight", value_count, dps_in_flight, "4", .least = 1, .most = 64),
	DPS_ROW("start_offline", value_choice, start_offline, "yes", .choices = no_yes),
	DPS_ROW("outbox_units", value_count, outbox_most, "20000", .least = 1, .most = 10000000),
	DPS_ROW("outbox_hours", value_count, outbox_hours, "168", .least = 1, .most = 8760),
	DPS_ROW("arm_endpoint", value_https, arm_endpoint, "https://management.azure.com"),
	DPS_ROW("arm_id", value_arm_id, arm_id, ""),
	DPS_ROW("arm_token", value_secret, arm_token, ""),

	ROW(HUB, "keys", value_path, hub_keys, ""),
	ROW(HUB, "gateway", value_https, hub_gateway, ""),

	ROW(JIG, "rows", value_count, jig.rows, "", .least = 1, .most = CONFIG_SLOTS_MAX),
	ROW(JIG, "columns", value_count, jig.columns, "", .least = 1, .most = CONFIG_SLOTS_MAX),
	ROW(JIG, "rotation", value_choice, jig.rotation, "0", .choices = rotations),

	ROW(PEOPLE, "file", value_path, people_file, ""),
	ROW(PEOPLE, "pin", value_choice, people_pin, "yes", .choices = no_yes),
	ROW(PEOPLE, "idle_minutes", value_count, people_idle_minutes, "15", .least = 1, .most = 480),

	ROW(SCANNER, "prefix", value_bytes, scan_prefix, ""),
	ROW(SCANNER, "suffix", value_bytes, scan_suffix, "\\r"),
	ROW(SCANNER, "gap_ms", value_count, scan_gap_ms, "35", .least = 5, .most = 1000),
	ROW(SCANNER, "badge", value_pattern, scan_badge, "^BADGE:.+$"),
	ROW(SCANNER, "order", value_pattern, scan_order, "^ORDER:.+$"),
	ROW(SCANNER, "unit", value_pattern, scan_unit, "^[A-Za-z0-9._:-]{1,64}$"),
	ROW(SCANNER, "tray", value_pattern, scan_tray, "^TRAY:.+$"),
	ROW(SCANNER, "command", value_pattern, scan_command, "^CMD:.+$"),
	ROW(SCANNER, "sound", value_choice, sound, "yes", .choices = no_yes),

	ROW(LOTS, "orders", value_path, orders_dir, ""),
	ROW(LOTS, "trays", value_path, trays_dir, ""),
	ROW(LOTS, "handover", value_path, handover_dir, ""),
	ROW(LOTS, "required", value_choice, lot_required, "no", .choices = no_yes),

	ROW(MES, "station", value_name, mes_station, ""),
	ROW(MES, "silent", value_choice, mes_silent, "stop", .choices = silences),
	ROW(MES, "check_in", value_choice, mes_check_in, "yes", .choices = no_yes),
	ROW(MES, "events", value_count, mes_events_most, "100000", .least = 1000, .most = 10000000),

	ROW(MES_FOLDER, "out", value_path, folder_out, ""),
	ROW(MES_FOLDER, "in", value_path, folder_in, ""),
	ROW(MES_FOLDER, "format", value_formats, folder_format, "json"),

	ROW(MES_HTTP, "url", value_mes_url, mes_url, ""),
	ROW(MES_HTTP, "ca_file", value_path, mes_ca_file, ""),
	ROW(MES_HTTP, "certificate", value_path, mes_certificate, ""),
	ROW(MES_HTTP, "key", value_path, mes_key, ""),
	ROW(MES_HTTP, "hmac_key", value_secret, mes_hmac_key, ""),
	ROW(MES_HTTP, "timeout_ms", value_count, mes_timeout_ms, "5000", .least = 100, .most = 60000),

	ROW(API, "listen", value_listen, api_listen, ""),
	ROW(API, "token", value_secret, api_token, ""),

	PROFILE_ROW("driver", value_driver, driver, "tpm_bridge"),
	PROFILE_ROW("attestation", value_choice, attestation, "x509-group", .choices = attestations),
	PROFILE_ROW("group", value_name, group, ""),
	PROFILE_ROW("device_id", value_device_id, device_id, ""),
	PROFILE_ROW("hub", value_host, hub, ""),
	PROFILE_ROW("allocation", value_choice, allocation, "instance", .choices = allocations),
	PROFILE_ROW("twin", value_path, twin_path, ""),
	PROFILE_ROW("reprovision", value_choice, reprovision, "migrate", .choices = reprovisions),
	PROFILE_ROW("edge", value_choice, edge, "no", .choices = no_yes),
	PROFILE_ROW("id", value_choice, id, "ek-sha256", .choices = ids),
	PROFILE_ROW("id_template", value_template, id_template, ""),
	PROFILE_ROW("ek_roots", value_path, ek_roots_path, ""),
	PROFILE_ROW("ek_certificate", value_choice, need_ek_cert, "required", .choices = optional_required),
	PROFILE_ROW("ek_mismatch", value_choice, ek_mismatch, "refuse", .choices = others),
	PROFILE_ROW("existing_key", value_choice, existing_key, "refuse", .choices = others),
	PROFILE_ROW("key_handle", value_handle, key_handle, "0x81000200"),
	PROFILE_ROW("validity_days", value_count, validity_days, "3650", .least = 1, .most = 36500),
	PROFILE_ROW("extended_key_usage", value_choice, server, "client", .choices = usages),
	PROFILE_ROW("alternative_name", value_choice, dns_name, "none", .choices = alternative_names),
	PROFILE_ROW("organization", value_text, organization, ""),
	PROFILE_ROW("organizational_unit", value_text, unit, ""),
	PROFILE_ROW("finish", value_choice, finish, "yes", .choices = no_yes),
	PROFILE_ROW("keep_registration", value_choice, keep_registration, "yes", .choices = no_yes),
	PROFILE_ROW("rehearse_here", value_choice, rehearse_here, "no", .choices = no_yes),
	PROFILE_ROW("order", value_name, order, ""),
	PROFILE_ROW("label", value_choice, label, "serial", .choices = labels),
	PROFILE_ROW("label_check", value_choice, label_check, "equal", .choices = label_checks),

	SLOT_ROW("port", value_port, port, NULL),
	SLOT_ROW("profile", value_profile, profile, NULL),
	SLOT_ROW("row", value_count, row, "", .least = 1, .most = CONFIG_SLOTS_MAX),
	SLOT_ROW("column", value_count, column, "", .least = 1, .most = CONFIG_SLOTS_MAX),
};
const size_t config_row_count = COUNT_OF(config_rows);

_Static_assert(COUNT_OF(config_rows) <= CONFIG_ROWS_MAX, "config_seen has a line per row");
