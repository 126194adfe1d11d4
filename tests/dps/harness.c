/* SPDX-License-Identifier: Apache-2.0 */
#include "harness.h"

#include "station/base/clock.h"
#include "station/base/file.h"

#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

int64_t in_ms(int ms)
{
	return clock_steady_ms() + ms;
}

/* ---- processes ---- */

static const char *from_environment(const char *name)
{
	const char *value = getenv(name);
	if (!value)
		fail_msg("%s is not set: run this test by meson", name);
	return value;
}

static void beside_start(struct beside *b, const char *const *argv)
{
	int in[2], out[2];
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	b->pid = fork();
	assert_true(b->pid >= 0);
	if (b->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(in[0], 0);
		dup2(out[1], 1);
		/* execvp takes its strings as changeable for historical reasons only */
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	b->to = in[1];
	b->from = out[0];
}

static void beside_line(struct beside *b, char *line, size_t room)
{
	size_t n = 0;
	while (n + 1 < room) {
		struct pollfd p = {.fd = b->from, .events = POLLIN};
		if (poll(&p, 1, 20000) != 1 || read(b->from, line + n, 1) != 1)
			fail_msg("a program beside the test said nothing");
		if (line[n] == '\n')
			break;
		n++;
	}
	line[n] = '\0';
}

/* Closes its standard input, sends it the signal, and waits; its exit code. */
static int beside_end(struct beside *b, int signal_number)
{
	int status = 0;
	if (!b->pid)
		return 0;
	close(b->to);
	if (signal_number)
		kill(b->pid, signal_number);
	waitpid(b->pid, &status, 0);
	close(b->from);
	memset(b, 0, sizeof(*b));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void hostile_start(struct hostile *h)
{
	const char *argv[] = {"python3", from_environment("HOSTILE"), NULL};
	struct err e = {0};
	char line[4096];
	beside_start(&h->process, argv);
	beside_line(&h->process, line, sizeof(line));
	assert_ok(json_parse(line, strlen(line), &h->says, &e), &e);
}

void hostile_stop(struct hostile *h)
{
	assert_int_equal(beside_end(&h->process, 0), 0);
	json_decref(h->says);
	h->says = NULL;
}

int hostile_port(const struct hostile *h, const char *name)
{
	int port = (int)json_int_or(h->says, name, 0);
	assert_true(port > 0);
	return port;
}

const char *hostile_ca(const struct hostile *h)
{
	return json_text_or(h->says, "ca", "");
}

/* ---- files ---- */

void folder_make(struct folder *f)
{
	snprintf(f->path, sizeof(f->path), "/tmp/dps-test-XXXXXX");
	assert_non_null(mkdtemp(f->path));
}

void folder_remove(struct folder *f)
{
	run_shell(f, "cd / && rm -rf \"$FOLDER\"");
}

const char *folder_at(const struct folder *f, const char *name)
{
	static char paths[16][160];
	static int next;
	char *path = paths[next++ % 16];
	snprintf(path, sizeof(paths[0]), "%s/%s", f->path, name);
	return path;
}

void write_text(const char *path, const char *text, mode_t mode)
{
	struct err e = {0};
	assert_ok(file_write_atomic(path, text, strlen(text), mode, &e), &e);
}

void run_shell(const struct folder *f, const char *command)
{
	AUTO(bytes) struct bytes line = {0};
	struct err e = {0};
	assert_ok(bytes_printf(&line, &e, "set -e; FOLDER=%s; cd %s; exec 2>>shell.log; %s", f->path, f->path,
			       command), &e);
	if (system(bytes_text(&line)) != 0)
		fail_msg("a command failed: %s", command);
}

/* ---- certificates ---- */

static void certificate(const struct folder *f, const char *name, const char *common_name, const char *issuer,
			const char *extensions)
{
	AUTO(bytes) struct bytes command = {0};
	struct err e = {0};
	char sign[256];

	snprintf(sign, sizeof(sign), *issuer ? "-CA %s.pem -CAkey %s.key" : "-signkey %s.key", *issuer ? issuer : name,
		 issuer);
	assert_ok(bytes_printf(&command, &e,
			       "openssl ecparam -name prime256v1 -genkey -noout -out %s.key;"
			       "openssl req -new -key %s.key -subj '/CN=%s' -out %s.csr;"
			       "printf '%s' > %s.ext;"
			       "openssl x509 -req -in %s.csr %s -set_serial 0x$(openssl rand -hex 15) -days 30"
			       " -extfile %s.ext -out %s.pem",
			       name, name, common_name, name, extensions, name, name, sign, name, name), &e);
	run_shell(f, bytes_text(&command));
}

void pki_leaf(const struct folder *f, const char *name, const char *common_name, const char *issuer)
{
	certificate(f, name, common_name, issuer,
		    "basicConstraints=critical,CA:FALSE\\nkeyUsage=critical,digitalSignature\\n"
		    "extendedKeyUsage=clientAuth\\n");
}

void pki_authority(const struct folder *f, const char *name, const char *issuer)
{
	char common_name[64];
	snprintf(common_name, sizeof(common_name), "CA %s", name);
	certificate(f, name, common_name, issuer,
		    "basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,keyCertSign\\nsubjectKeyIdentifier=hash\\n");
}

void pki_make(const struct folder *f)
{
	pki_authority(f, "root", "");
	pki_authority(f, "stranger", "");
	pki_authority(f, "line", "root");
}

static X509 *pem_read(const struct folder *f, const char *name)
{
	char file[64];
	snprintf(file, sizeof(file), "%s.pem", name);
	FILE *in = fopen(folder_at(f, file), "re");
	assert_non_null(in);
	X509 *x = PEM_read_X509(in, NULL, NULL, NULL);
	fclose(in);
	assert_non_null(x);
	return x;
}

void pem_der(const struct folder *f, const char *name, struct bytes *ret)
{
	struct err e = {0};
	unsigned char *der = NULL;
	X509 *x = pem_read(f, name);
	int len = i2d_X509(x, &der);
	assert_true(len > 0);
	assert_ok(bytes_set(ret, der, (size_t)len, &e), &e);
	OPENSSL_free(der);
	X509_free(x);
}

void pem_text(const struct folder *f, const char *name, struct bytes *ret)
{
	struct err e = {0};
	char file[64];
	snprintf(file, sizeof(file), "%s.pem", name);
	bytes_clear(ret);
	assert_ok(file_read(folder_at(f, file), ret, &e), &e);
}

void leaf_quick(const char *common_name, struct bytes *ret)
{
	static long serial;
	struct err e = {0};
	unsigned char *der = NULL;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	assert_true(X509_set_version(x, X509_VERSION_3) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial) == 1);
	assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common_name, -1, -1, 0), 1);
	assert_true(X509_set_issuer_name(x, name) == 1 && X509_gmtime_adj(X509_getm_notBefore(x), 0)
		    && X509_gmtime_adj(X509_getm_notAfter(x), 86400) && X509_set_pubkey(x, key) == 1);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	int len = i2d_X509(x, &der);
	assert_true(len > 0);
	assert_ok(bytes_set(ret, der, (size_t)len, &e), &e);
	OPENSSL_free(der);
	X509_free(x);
	EVP_PKEY_free(key);
}

/* ---- a device with its key in software ---- */

static bool device_sign(void *ctx, const uint8_t digest[static SHA256_SIZE], struct key_signature *ret, struct err *e)
{
	struct device *d = ctx;
	unsigned char der[128];
	size_t len = sizeof(der);
	const unsigned char *p = der;

	d->signatures++;
	if (d->refuses)
		return err_set(e, E_KEY_SILENT, "the device's key is silent");
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(d->private_key, NULL);
	assert_true(EVP_PKEY_sign_init(c) == 1 && EVP_PKEY_sign(c, der, &len, digest, SHA256_SIZE) == 1);
	EVP_PKEY_CTX_free(c);
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)len);
	assert_non_null(sig);
	BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret->r, sizeof(ret->r));
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret->s, sizeof(ret->s));
	ECDSA_SIG_free(sig);
	return true;
}

static void public_read(struct device *d)
{
	unsigned char point[65];
	size_t len = 0;
	assert_int_equal(EVP_PKEY_get_octet_string_param(d->private_key, "pub", point, sizeof(point), &len), 1);
	assert_true(len == sizeof(point) && point[0] == 4);
	d->key.key.kind = KEY_P256;
	memcpy(d->key.key.x, point + 1, 32);
	memcpy(d->key.key.y, point + 33, 32);
}

void device_make(struct device *d, const struct folder *f, const char *name, const char *chain)
{
	char file[64], words[64];
	char *rest = words;
	size_t count = 0;

	memset(d, 0, sizeof(*d));
	snprintf(file, sizeof(file), "%s.key", name);
	FILE *in = fopen(folder_at(f, file), "re");
	assert_non_null(in);
	d->private_key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
	fclose(in);
	assert_non_null(d->private_key);
	public_read(d);
	pem_der(f, name, &d->leaf);
	snprintf(words, sizeof(words), "%s", chain);
	for (char *word; (word = strsep(&rest, " ")) != NULL;)
		if (*word && count < COUNT_OF(d->chain))
			pem_der(f, word, &d->chain[count++]);
	d->key.sign = device_sign;
	d->key.ctx = d;
	d->key.cause = &d->cause;
	d->identity = (struct http_identity){.key = &d->key, .leaf = d->leaf.data, .leaf_len = d->leaf.len,
					     .chain = d->chain, .chain_count = count};
}

void device_fini(struct device *d)
{
	EVP_PKEY_free(d->private_key);
	bytes_fini(&d->leaf);
	for (size_t i = 0; i < COUNT_OF(d->chain); i++)
		bytes_fini(&d->chain[i]);
	memset(d, 0, sizeof(*d));
}

/* ---- the emulated service ---- */

void emulator_start(struct emulator *m, const struct folder *f, const char *const *args)
{
	const char *argv[24] = {from_environment("DPS_EMULATOR"), "--listen", "127.0.0.1:0", "--state",
				folder_at(f, "state"), "--record-traffic", folder_at(f, "traffic")};
	AUTO(bytes) struct bytes text = {0};
	struct err e = {0};
	char line[4096];
	size_t n = 7;

	for (; *args && n + 1 < COUNT_OF(argv); args++)
		argv[n++] = *args;
	m->folder = f;
	beside_start(&m->process, argv);
	beside_line(&m->process, line, sizeof(line));
	assert_ok(file_read(folder_at(f, "state/endpoint.json"), &text, &e), &e);
	assert_ok(json_parse(bytes_text(&text), text.len, &m->endpoint, &e), &e);
}

void emulator_stop(struct emulator *m)
{
	char command[512];

	assert_int_equal(beside_end(&m->process, SIGTERM), 0);
	json_decref(m->endpoint);
	m->endpoint = NULL;
	snprintf(command, sizeof(command), "%s traffic", from_environment("CONTRACT_CHECK"));
	run_shell(m->folder, command);
}

void emulator_rules(const struct emulator *m, const char *json)
{
	write_text(folder_at(m->folder, "rules.json"), json, 0644);
}

static const char *connection_string(const struct emulator *m, const char *policy)
{
	size_t i;
	json_t *row;
	json_array_foreach(json_object_get(m->endpoint, "policies"), i, row)
		if (!strcmp(json_text_or(row, "keyName", ""), policy))
			return json_text_or(row, "connectionString", "");
	fail_msg("there is no policy %s", policy);
	return NULL;
}

/* Writes a secret to a file of its own and gives the reference to it. */
static const char *secret_at(const struct folder *f, const char *name, const char *secret, char ref[static 200])
{
	write_text(folder_at(f, name), secret, 0600);
	snprintf(ref, 200, "file:%s", folder_at(f, name));
	return ref;
}

static void client_open(const struct emulator *m, const char *policy, const char *arm_role, uint32_t per_minute, uint32_t in_flight,
			struct dps **ret)
{
	const json_t *arm = json_object_get(m->endpoint, "arm");
	char secret[200], arm_secret[200];
	struct err e = {0};
	struct dps_setup s = {
		.endpoint = json_text_or(m->endpoint, "url", ""),
		.global_endpoint = json_text_or(m->endpoint, "url", ""),
		.id_scope = json_text_or(m->endpoint, "idScope", ""),
		.ca_file = json_text_or(m->endpoint, "ca", ""),
		.any_host = true,
		.per_minute = per_minute,
		.in_flight = in_flight,
	};
	if (policy) {
		s.auth = "connection-string";
		s.secret = secret_at(m->folder, "secret", connection_string(m, policy), secret);
	}
	if (arm_role) {
		s.arm_endpoint = json_text_or(arm, "url", "");
		s.arm_id = json_text_or(arm, "id", "");
		s.arm_secret = secret_at(m->folder, "arm-secret", json_text_or(arm, arm_role, ""), arm_secret);
	}
	assert_ok(dps_open(&s, ret, &e), &e);
}

void emulator_client(const struct emulator *m, const char *policy, const char *arm_role, struct dps **ret)
{
	client_open(m, policy, arm_role, 0, 0, ret);
}

void emulator_paced_client(const struct emulator *m, const char *policy, uint32_t per_minute, uint32_t in_flight, struct dps **ret)
{
	client_open(m, policy, NULL, per_minute, in_flight, ret);
}

json_t *emulator_record(const struct emulator *m)
{
	AUTO(bytes) struct bytes text = {.max = 16 << 20};
	struct err e = {0};
	json_t *list = json_array();
	assert_ok(file_read(folder_at(m->folder, "state/requests.jsonl"), &text, &e), &e);
	for (const char *p = bytes_text(&text); *p;) {
		const char *end = strchrnul(p, '\n');
		json_t *entry = NULL;
		assert_ok(json_parse(p, (size_t)(end - p), &entry, &e), &e);
		json_array_append_new(list, entry);
		p = *end ? end + 1 : end;
	}
	return list;
}
