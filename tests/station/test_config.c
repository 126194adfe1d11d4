/* SPDX-License-Identifier: Apache-2.0 */
#include "station/config.h"
#include "station/config_table.h"

#include "certs/ca.h"
#include "station/base/file.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

/* A directory with roots in it: tpm-roots.pem (a root and a CA beneath it) made by the station's
 * own CA maker. */
struct place {
	char dir[64], conf[96];
};

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX];
	struct err e = {0};
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (!file_write_atomic(path, text, strlen(text), 0600, &e))
		fail_msg("%s", e.what);
}

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct err e = {0};
	char ca[96], secret[128], from[128], to[128];
	strcpy(p->dir, "/tmp/configXXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->conf, sizeof(p->conf), "%s/station.conf", p->dir);
	write_file(p->dir, "pass", "correct horse\n");
	snprintf(ca, sizeof(ca), "%s/ca", p->dir);
	snprintf(secret, sizeof(secret), "file:%s/pass", p->dir);
	const struct ca_init init = {.dir = ca, .name = "Maker", .log_origin = "maker", .passphrase = secret, .line_days = 30};
	if (!ca_init(&init, &e))
		fail_msg("%s", e.what);
	snprintf(from, sizeof(from), "%s/chain.pem", ca);
	snprintf(to, sizeof(to), "%s/tpm-roots.pem", p->dir);
	assert_int_equal(rename(from, to), 0);
	*state = p;
	return 0;
}

static void remove_all(const char *dir)
{
	char path[PATH_MAX];
	DIR *d = opendir(dir);
	for (struct dirent *x; d && (x = readdir(d));) {
		if (!strcmp(x->d_name, ".") || !strcmp(x->d_name, ".."))
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, x->d_name);
		if (x->d_type == DT_DIR)
			remove_all(path);
		else
			unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

static int teardown(void **state)
{
	struct place *p = *state;
	remove_all(p->dir);
	free(p);
	return 0;
}

#define GOOD_STATION "[station]\nname = line-3\nstate_dir = state\n"
#define GOOD_CA "[ca]\nchain = c.pem\nkey = /k\nlog_key = l\npassphrase = file:pass\nissue_until = 2030-02-28\n"
#define GOOD_DPS "[dps]\nendpoint = https://x.azure-devices-provisioning.net/\nid_scope = 0ne1\nsas_token = credential:sas\n"
#define GOOD_PROFILE "[profile gw]\ngroup = g\nek_roots = tpm-roots.pem\n"
#define GOOD_SLOT "[slot 1]\nport = pci-0000:00:14.0-usb-0:1.2\nprofile = gw\n"
#define GOOD GOOD_STATION GOOD_CA GOOD_DPS GOOD_PROFILE GOOD_SLOT

static struct config *load_good(const struct place *p, const char *text)
{
	struct config *c;
	struct err e = {0};
	AUTO(bytes) struct bytes mistakes = {0};
	write_file(p->dir, "station.conf", text);
	if (!config_load(p->conf, &c, &mistakes, &e))
		fail_msg("%s", bytes_text(&mistakes));
	assert_int_equal(mistakes.len, 0);
	return c;
}

/* The mistakes of a file without its path: "LINE: text\n"… */
static void load_bad(const struct place *p, const void *text, size_t len, struct bytes *ret)
{
	struct config *c;
	struct err e = {0};
	AUTO(bytes) struct bytes mistakes = {0};
	assert_true(file_write_atomic(p->conf, text, len, 0600, &e));
	assert_false(config_load(p->conf, &c, &mistakes, &e));
	assert_int_equal(e.code, E_CONFIG);
	assert_null(c);
	for (const char *line = bytes_text(&mistakes); *line;) {
		size_t n = strcspn(line, "\n") + 1, prefix = strlen(p->conf) + 1;
		assert_memory_equal(line, p->conf, prefix - 1);
		assert_true(bytes_add(ret, line + prefix, n - prefix, &e));
		line += n;
	}
}

static void mistakes_are(const struct place *p, const char *text, const char *expected)
{
	AUTO(bytes) struct bytes got = {0};
	load_bad(p, text, strlen(text), &got);
	assert_string_equal(bytes_text(&got), expected);
}

static void small_file_is_enough_and_defaults_fill_the_rest(void **state)
{
	const struct place *p = *state;
	char path[PATH_MAX];
	struct err e = {0};
	struct config *c = load_good(p, GOOD);
	assert_string_equal(c->name, "line-3");
	assert_int_equal(c->role, ROLE_LINE);
	assert_string_equal(c->log_origin, "line-3.station");
	snprintf(path, sizeof(path), "%s/state", p->dir);
	assert_string_equal(c->state_dir, path);
	assert_string_equal(c->ca_key, "/k");
	snprintf(path, sizeof(path), "file:%s/pass", p->dir);
	assert_string_equal(c->ca_passphrase, path);
	assert_true(c->ca_issue_until_ms == 1898553599999);	/* date -u -d '2030-03-01' +%s, minus a millisecond */
	assert_string_equal(c->dps_endpoint, "https://x.azure-devices-provisioning.net");
	assert_string_equal(c->dps_global_endpoint, "https://global.azure-devices-provisioning.net");
	assert_string_equal(c->dps_sas_token, "credential:sas");
	assert_string_equal(c->arm_endpoint, "https://management.azure.com");
	assert_int_equal(c->profile_count, 1);
	const struct config_profile *profile = &c->profile[0];
	assert_string_equal(profile->driver, "tpm_bridge");
	assert_int_equal(profile->id, ID_EK_SHA256);
	assert_true(profile->need_ek_cert && profile->finish && profile->keep_registration && !profile->rehearse_here);
	assert_int_equal(profile->ek_mismatch, OTHER_REFUSE);
	assert_int_equal(profile->key_handle, 0x81000200);
	assert_int_equal(profile->validity_days, 3650);
	assert_int_equal(c->slot[0].profile, 0);
	assert_true(config_state_path(c, "ledger.db", path, sizeof(path), &e));
	assert_non_null(strstr(path, "/state/ledger.db"));
	config_free(c);
}

static void roots_and_intermediates_are_told_apart(void **state)
{
	struct config *c = load_good(*state, GOOD);
	assert_int_equal(c->profile[0].ek_root_count, 1);
	assert_int_equal(c->profile[0].ek_intermediate_count, 1);
	struct cert_facts root, below;
	struct err e = {0};
	assert_true(cert_look(c->profile[0].ek_roots[0].data, c->profile[0].ek_roots[0].len, &root, &e));
	assert_true(cert_look(c->profile[0].ek_intermediates[0].data, c->profile[0].ek_intermediates[0].len, &below, &e));
	assert_true(root.self_signed);
	assert_false(below.self_signed);
	config_free(c);
}

static void all_mistakes_come_at_once_in_order_of_lines(void **state)
{
	mistakes_are(*state,
		     "name = early\n"
		     "[station]\nnmae = x\nname = a b\nrole = boss\nrole = line\n"
		     "[dps]\nendpoint = https://hub.azure-devices.net\npolicy = p\nsas_token = SharedAccessSignature\nid_scope\nchain = x\n"
		     "[ca\nkey = lost\n[slots x]\n[slot]\n"
		     "[slot 2]\nport = pci-0000:00:14.0-usb-0:1.2\nprofile = zz\n"
		     "[slot 3]\nport = pci-0000:00:14.0-usb-0:1.2\nprofile = p\n"
		     "[slot 3]\n[profile p]\nfinish = maybe\nid = template\n",
		     "1: this stands before the first [section]\n"
		     "2: state_dir is missing\n"
		     "3: [station] has no \"nmae\"; did you mean name?\n"
		     "4: name may hold letters, digits and - . _ : only\n"
		     "5: role must be one of: line | engineer\n"
		     "6: role is here twice; the first is on line 5\n"
		     "7: [dps] needs exactly one of: policy with policy_key, sas_token, bearer_token; here are several\n"
		     "8: endpoint is an IoT hub's host; the provisioning service is at https://NAME.azure-devices-provisioning.net\n"
		     "9: policy needs policy_key beside it\n"
		     "10: sas_token is a secret and must not stand here: write file:PATH or credential:NAME\n"
		     "11: id_scope has no value\n"
		     "12: [dps] has no \"chain\"; it belongs to [ca]\n"
		     "13: the section's name lacks its ]\n"
		     "15: there is no section [slots]; did you mean [slot]?\n"
		     "16: [slot NAME] needs a name of at most 32 letters, digits, - . _\n"
		     "19: there is no [profile zz]\n"
		     "21: slot 2 has this port already (line 18)\n"
		     "23: this section is here twice; the first is on line 20\n"
		     "24: group is missing; attestation = x509-group needs it\n"
		     "24: ek_roots is missing; it names the TPM makers' certificates (or set ek_certificate = optional)\n"
		     "25: finish must be one of: no | yes\n"
		     "26: section [ca] is missing\n"
		     "26: id = template needs id_template beside it\n");
}

static void empty_file_says_what_is_missing(void **state)
{
	mistakes_are(*state, "", "1: section [station] is missing\n1: section [ca] is missing\n1: section [dps] is missing\n"
				 "1: there is no [slot NAME]\n");
}

static void secret_is_never_repeated(void **state)
{
	static const char *const leaks[] = {
		GOOD "[ca]\npassphrase = hunter2\n",
		GOOD_STATION "hunter2\n",
		GOOD_STATION "hunter2Zm9v== = x\n",
		GOOD_STATION "\x01hunter2\n",
		GOOD_STATION GOOD_DPS "proxy = http://user:hunter2@proxy:80\n",
		GOOD_STATION GOOD_DPS "policy_key = hunter2\n",
		GOOD_STATION "[dps]\nendpoint = https://u:hunter2@x\n",
		"[hunter2]\n",
	};
	for (size_t i = 0; i < COUNT_OF(leaks); i++) {
		AUTO(bytes) struct bytes got = {0};
		load_bad(*state, leaks[i], strlen(leaks[i]), &got);
		if (i != 1)	/* a word alone may be a mistyped name */
			assert_null(strstr(bytes_text(&got), "hunter2"));
	}
}

/* One value in place of a good one, and what is said of it; NULL: it is right. */
static const struct {
	const char *section, *name, *value, *said;
} values[] = {
	{"station", "state_dir", "/a", NULL},
	{"station", "role", "engineer", NULL},
	{"station", "role", "Line", "role must be one of"},
	{"ca", "issue_until", "2028-02-29", NULL},
	{"ca", "issue_until", "2027-02-29", "issue_until must be a day"},
	{"ca", "issue_until", "2027-2-9", "issue_until must be a day"},
	{"ca", "issue_until", "1960-01-01", "issue_until must be a day"},
	{"ca", "passphrase", "credential:a/b", "is a secret"},
	{"ca", "passphrase", "file:", "is a secret"},
	{"dps", "endpoint", "https://127.0.0.1:8443", NULL},
	{"dps", "endpoint", "https://[::1]:8443", NULL},
	{"dps", "endpoint", "http://x.azure-devices-provisioning.net", "must begin with https://"},
	{"dps", "endpoint", "https://", "must be https://HOST"},
	{"dps", "endpoint", "https://x/path", "nothing behind"},
	{"dps", "endpoint", "https://x:port", "nothing behind"},
	{"dps", "endpoint", "https://[::1", "nothing behind"},
	{"dps", "endpoint", "https://a b", "nothing behind"},
	{"dps", "endpoint", "https://Hub.Azure-Devices.net:443", "an IoT hub's host"},
	{"dps", "endpoint", "https://global.azure-devices-provisioning.net", "where devices register"},
	{"dps", "proxy", "http://proxy:3128", NULL},
	{"dps", "proxy", "socks5://proxy", "proxy must be http://"},
	{"dps", "proxy_secret", "file:x", "proxy_secret needs proxy"},
	{"dps", "arm_id", "/x", "arm_id must be /subscriptions/"},
	{"profile gw", "id_template", "{serial}", "has no effect without id = template"},
	{"profile gw", "id_template", "{serail}", "unknown field"},
	{"profile gw", "id_template", "fixed", "gives every unit one id"},
	{"profile gw", "id_template", "-{serial}", "must begin and end"},
	{"profile gw", "id_template", "much-too-long-{ek}", "a common name holds 64"},
	{"profile gw", "driver", "foo", "driver is not one of this build's drivers: "},
	{"profile gw", "ek_roots", "none.pem", "No such file"},
	{"profile gw", "ek_roots", "station.conf", "ek_roots: "},
	{"profile gw", "ek_certificate", "optional", NULL},
	{"profile gw", "key_handle", "0x81000201", NULL},
	{"profile gw", "key_handle", "0x81010001", "where the TCG keeps"},
	{"profile gw", "key_handle", "0x80000000", "persistent handle"},
	{"profile gw", "key_handle", "81000200", "persistent handle"},
	{"profile gw", "validity_days", "0", "a number from 1 to 36500"},
	{"profile gw", "validity_days", "36501", "a number from 1 to 36500"},
	{"profile gw", "validity_days", "-1", "a number from 1 to 36500"},
	{"profile gw", "validity_days", "12 days", "a number from 1 to 36500"},
	{"profile gw", "finish", "true", "finish must be one of: no | yes"},
	{"slot 1", "port", "platform-fd500000.pcie-pci-0000:01:00.0-usb-0:1.4.2", NULL},
	{"slot 1", "port", "usb-1:1.2", "must be a port path"},
	{"slot 1", "port", "pci-0000:00:14.0-usb-0:", "must be a port path"},
	{"slot 1", "port", "pci-0000:00:14.0-usb-0:1.", "must be a port path"},
	{"slot 1", "port", "pci-0000:00:14.0-usb-0:1.0", "must be a port path"},
	{"slot 1", "port", "pci-0000:00:14.0-usb-0:1.2x", "must be a port path"},
};

/* GOOD with the value in its section, in place of the line that gives the name there. */
static void good_with(const char *section, const char *name, const char *value, struct bytes *ret)
{
	struct err e = {0};
	char head[64];
	bool here = false;
	snprintf(head, sizeof(head), "[%s]", section);
	for (const char *line = GOOD; *line;) {
		size_t n = strcspn(line, "\n") + 1;
		bool same = here && !strncmp(line, name, strlen(name)) && line[strlen(name)] == ' ';
		if (!same)
			assert_true(bytes_add(ret, line, n, &e));
		if (line[0] == '[')
			here = !strncmp(line, head, strlen(head));
		if (line[0] == '[' && here)
			assert_true(bytes_printf(ret, &e, "%s = %s\n", name, value));
		line += n;
	}
}

static void each_kind_of_value_takes_and_refuses_what_it_should(void **state)
{
	const struct place *p = *state;
	for (size_t i = 0; i < COUNT_OF(values); i++) {
		AUTO(bytes) struct bytes text = {0}, got = {0};
		good_with(values[i].section, values[i].name, values[i].value, &text);
		if (!values[i].said) {
			config_free(load_good(p, bytes_text(&text)));
			continue;
		}
		load_bad(p, text.data, text.len, &got);
		if (!strstr(bytes_text(&got), values[i].said))
			fail_msg("%s = %s: %s", values[i].name, values[i].value, bytes_text(&got));
	}
}

#define CSR_PROFILE "[profile gw]\ndriver = serial_csr\n"
#define TPM_PROFILE "[profile gw]\nek_roots = tpm-roots.pem\n"

/* A whole profile, and what is said of it; NULL: it is right. */
static const struct {
	const char *profile, *said;
} profiles[] = {
	{TPM_PROFILE "group = g\n", NULL},
	{TPM_PROFILE "attestation = x509-individual\n", NULL},
	{TPM_PROFILE "attestation = tpm\n", NULL},
	{TPM_PROFILE "attestation = tpm\nid = template\nid_template = u-{serial}\nexisting_key = replace\n", NULL},
	{TPM_PROFILE "attestation = x509-individual\ndevice_id = Acme@{serial}\nhub = a.azure-devices.net\nallocation = static\n"
		     "twin = twin.json\nreprovision = never\nedge = yes\n", NULL},
	{TPM_PROFILE, "group is missing; attestation = x509-group needs it"},
	{TPM_PROFILE "attestation = x509\n", "attestation must be one of: x509-group | x509-individual | tpm"},
	{TPM_PROFILE "attestation = tpm\ngroup = g\n", "group has no effect without attestation = x509-group"},
	{TPM_PROFILE "attestation = tpm\nid = spki-sha256\n", "attestation = tpm makes none"},
	{TPM_PROFILE "attestation = tpm\nvalidity_days = 3\n", "validity_days has no effect without an attestation by certificate"},
	{TPM_PROFILE "attestation = tpm\nkey_handle = 0x81000300\n", "key_handle has no effect without"},
	{TPM_PROFILE "group = g\nedge = yes\n", "edge has no effect without attestation = x509-individual or tpm"},
	{TPM_PROFILE "group = g\ntwin = twin.json\n", "twin has no effect"},
	{TPM_PROFILE "attestation = tpm\nhub = https://a\n", "hub must be a host's name"},
	{TPM_PROFILE "attestation = tpm\nallocation = custom\n", "allocation must be one of: instance | hashed | geo-latency | static"},
	{TPM_PROFILE "attestation = tpm\ndevice_id = fixed\n", "device_id gives every unit one id"},
	{TPM_PROFILE "attestation = tpm\ndevice_id = {serial}/{model}\n", "is none that a hub takes"},
	{TPM_PROFILE "attestation = tpm\ndevice_id = {name}\n", "unknown field"},
	{TPM_PROFILE "attestation = tpm\ntwin = none.json\n", "twin: "},
	{TPM_PROFILE "attestation = tpm\ntwin = pass\n", "twin: "},
	{TPM_PROFILE "attestation = tpm\ntwin = reported.json\n", "twin: holds something else than"},
	{TPM_PROFILE "attestation = tpm\ntwin = list.json\n", "twin: holds something else than"},
	{CSR_PROFILE "group = g\n", NULL},
	{CSR_PROFILE "attestation = x509-individual\nid = spki-sha256\n", NULL},
	{CSR_PROFILE "group = g\nid = template\nid_template = {serial}\n", NULL},
	{CSR_PROFILE "group = g\nid = ek-sha256\n", "id = ek-sha256 needs a TPM"},
	{CSR_PROFILE "group = g\nid = template\nid_template = {ek}\n", "{ek} needs a TPM"},
	{CSR_PROFILE "attestation = x509-individual\ndevice_id = {ek}\n", "{ek} needs a TPM"},
	{CSR_PROFILE "attestation = tpm\n", "attestation = tpm needs a TPM"},
	{CSR_PROFILE "group = g\nek_roots = tpm-roots.pem\n", "ek_roots has no effect without a driver whose units have a TPM"},
	{CSR_PROFILE "group = g\nek_certificate = optional\n", "ek_certificate has no effect"},
	{CSR_PROFILE "group = g\nkey_handle = 0x81000300\n", "key_handle has no effect"},
};

static void profile_says_what_does_not_fit_together(void **state)
{
	const struct place *p = *state;
	write_file(p->dir, "twin.json", "{\"tags\": {\"line\": 3}, \"properties\": {\"desired\": {\"period\": 60}}}\n");
	write_file(p->dir, "reported.json", "{\"properties\": {\"reported\": {}}}");
	write_file(p->dir, "list.json", "{\"tags\": []}");
	for (size_t i = 0; i < COUNT_OF(profiles); i++) {
		AUTO(bytes) struct bytes text = {0}, got = {0};
		struct err e = {0};
		assert_true(bytes_printf(&text, &e, "%s%s%s", GOOD_STATION GOOD_CA GOOD_DPS, profiles[i].profile, GOOD_SLOT));
		if (!profiles[i].said) {
			config_free(load_good(p, bytes_text(&text)));
			continue;
		}
		load_bad(p, text.data, text.len, &got);
		if (!strstr(bytes_text(&got), profiles[i].said))
			fail_msg("%s: %s", profiles[i].profile, bytes_text(&got));
	}
}

static void twin_is_kept_as_canonical_text(void **state)
{
	const struct place *p = *state;
	write_file(p->dir, "twin.json", "{\"tags\": {\"b\": 1,\n \"a\": \"x\"}}\n");
	struct config *c = load_good(p, GOOD_STATION GOOD_CA GOOD_DPS TPM_PROFILE "attestation = tpm\ntwin = twin.json\n" GOOD_SLOT);
	assert_string_equal(bytes_text(&c->profile[0].twin), "{\"tags\":{\"a\":\"x\",\"b\":1}}");
	config_free(c);
}

static void lines_may_be_indented_commented_and_end_as_on_windows(void **state)
{
	struct config *c = load_good(*state, "\xef\xbb\xbf# c\r\n  [station]\r\n\tname = n ; comment\r\n\r\n  ; c\n  state_dir = s\n"
					     GOOD_CA GOOD_DPS GOOD_PROFILE GOOD_SLOT);
	assert_string_equal(c->name, "n");
	config_free(c);
}

static void control_characters_and_endless_lines_are_mistakes(void **state)
{
	AUTO(bytes) struct bytes text = {0}, got = {0};
	struct err e = {0};
	assert_true(bytes_add(&text, "[station]\nname = a\0b\nstate_dir = ", 33, &e));
	for (int i = 0; i < 2001; i++)
		assert_true(bytes_add(&text, "x", 1, &e));
	load_bad(*state, text.data, text.len, &got);
	assert_non_null(strstr(bytes_text(&got), "2: the line holds control characters\n"));
	assert_non_null(strstr(bytes_text(&got), "3: the line is too long\n"));
}

static void more_slots_and_profiles_than_there_is_room_are_a_mistake(void **state)
{
	AUTO(bytes) struct bytes text = {0}, got = {0};
	struct err e = {0};
	assert_true(bytes_add_text(&text, GOOD_STATION GOOD_CA GOOD_DPS GOOD_PROFILE, &e));
	for (int i = 0; i < 65; i++)
		assert_true(bytes_printf(&text, &e, "[slot %d]\nport = pci-0-usb-0:%d.%d\nprofile = gw\n", i, i / 8 + 1, i % 8 + 1));
	load_bad(*state, text.data, text.len, &got);
	assert_string_equal(bytes_text(&got), "209: more than 64 sections [slot …]\n");
	bytes_clear(&text);
	bytes_clear(&got);
	assert_true(bytes_add_text(&text, GOOD, &e));
	for (int i = 0; i < 16; i++)
		assert_true(bytes_printf(&text, &e, "[profile p%d]\ngroup = g\nek_certificate = optional\n", i));
	load_bad(*state, text.data, text.len, &got);
	assert_string_equal(bytes_text(&got), "65: more than 16 sections [profile …]\n");
}

static void hundreds_of_mistakes_are_counted_beyond_the_first_hundred(void **state)
{
	AUTO(bytes) struct bytes text = {0}, got = {0};
	struct err e = {0};
	for (int i = 0; i < 300; i++)
		assert_true(bytes_add_text(&text, "[nonsense]\n", &e));
	load_bad(*state, text.data, text.len, &got);
	assert_non_null(strstr(bytes_text(&got), " and 204 more\n"));
}

static void file_that_is_not_there_is_a_file_error(void **state)
{
	struct config *c;
	struct err e = {0};
	AUTO(bytes) struct bytes mistakes = {0};
	assert_false(config_load("/nonexistent/station.conf", &c, &mistakes, &e));
	assert_int_equal(e.code, E_FILE);
	assert_int_equal(mistakes.len, 0);
}

/* ---- docs/configuration.md ---- */

static void read_page(struct bytes *ret)
{
	struct err e = {0};
	const char *page = getenv("CONFIGURATION_PAGE");
	assert_non_null(page);
	if (!file_read(page, ret, &e))
		fail_msg("%s", e.what);
}

static void page_and_table_name_the_same_settings_and_defaults(void **state)
{
	AUTO(bytes) struct bytes page = {0};
	int section = -1;
	size_t found = 0;
	read_page(&page);
	for (char *save, *line = strtok_r((char *)page.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char word[33] = "", name[33] = "", otherwise[128] = "";
		if (sscanf(line, "## [%32[a-z-]", word) == 1)
			for (section = SECTION_KINDS - 1; section >= 0 && strcmp(config_section_names[section], word) != 0;)
				section--;
		if (sscanf(line, "| `%32[a-z0-9_]` | %127[^|]|", name, otherwise) != 2)
			continue;
		size_t i = 0;
		while (i < config_row_count && ((int)config_rows[i].section != section || strcmp(config_rows[i].name, name) != 0))
			i++;
		if (i == config_row_count)
			fail_msg("the page has %s, the table has not", name);
		char expected[128];
		const char *value = config_rows[i].otherwise;
		snprintf(expected, sizeof(expected), !value ? "required " : *value ? "`%s` " : "- ", value);
		assert_string_equal(otherwise, expected);
		found++;
	}
	assert_int_equal(found, config_row_count);
}

static void example_of_the_page_loads(void **state)
{
	AUTO(bytes) struct bytes page = {0};
	read_page(&page);
	char *begin = strstr((char *)page.data, "```ini\n");
	assert_non_null(begin);
	begin += strlen("```ini\n");
	char *end = strstr(begin, "```");
	assert_non_null(end);
	*end = '\0';
	struct config *c = load_good(*state, begin);
	assert_int_equal(c->slot_count, 4);
	assert_int_equal(c->profile[0].attestation, ATTEST_X509_GROUP);
	assert_int_equal(c->profile[1].id, ID_TEMPLATE);
	assert_string_equal(c->profile[1].order, "PO-2026-1187");
	assert_int_equal(c->profile[2].attestation, ATTEST_TPM);
	assert_int_equal(c->profile[3].attestation, ATTEST_X509_INDIVIDUAL);
	assert_int_equal(c->profile[3].id, ID_SPKI_SHA256);
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_file_is_enough_and_defaults_fill_the_rest),
		cmocka_unit_test(roots_and_intermediates_are_told_apart),
		cmocka_unit_test(all_mistakes_come_at_once_in_order_of_lines),
		cmocka_unit_test(empty_file_says_what_is_missing),
		cmocka_unit_test(secret_is_never_repeated),
		cmocka_unit_test(each_kind_of_value_takes_and_refuses_what_it_should),
		cmocka_unit_test(profile_says_what_does_not_fit_together),
		cmocka_unit_test(twin_is_kept_as_canonical_text),
		cmocka_unit_test(lines_may_be_indented_commented_and_end_as_on_windows),
		cmocka_unit_test(control_characters_and_endless_lines_are_mistakes),
		cmocka_unit_test(more_slots_and_profiles_than_there_is_room_are_a_mistake),
		cmocka_unit_test(hundreds_of_mistakes_are_counted_beyond_the_first_hundred),
		cmocka_unit_test(file_that_is_not_there_is_a_file_error),
		cmocka_unit_test(page_and_table_name_the_same_settings_and_defaults),
		cmocka_unit_test(example_of_the_page_loads),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
