/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"
#include "station/base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct probe *probe;

/* ---- the driver ---- */

static bool asked(enum moment m, const void *request, size_t len, struct err *e)
{
	probe->asked[m]++;
	memset(probe->request, 0, sizeof(probe->request));
	if (len)
		memcpy(probe->request, request, len);
	return probe->fails != m || err_set(e, probe->with, "as told");
}

static bool give(const struct driver_call *call, enum evidence_kind kind, uint8_t fill, size_t len, struct err *e)
{
	uint8_t data[512];
	memset(data, fill, len);
	return !call->evidence || call->evidence(call->evidence_ctx, kind, data, len, e);
}

static bool probe_open(void *state, const struct driver_port *port, const struct driver_call *call, struct err *e)
{
	*(int *)state = 1;
	return asked(MOMENT_OPEN, port->spec, strlen(port->spec), e);
}

static void probe_close(void *state)
{
	*(int *)state = 0;
	probe->closed++;
}

static bool probe_identify(void *state, const struct driver_call *call, struct driver_identity *ret, struct err *e)
{
	*ret = (struct driver_identity){"UNIT-0042", "PROBE", "1.0", 0, 1};
	return asked(MOMENT_IDENTIFY, NULL, 0, e);
}

static bool probe_read_ek(void *state, const struct driver_call *call, struct driver_ek_read *ret, struct err *e)
{
	*ret = (struct driver_ek_read){1, 1};
	return asked(MOMENT_READ_EK, NULL, 0, e) && give(call, EVIDENCE_EK_PUBLIC, 0x11, 64, e) && give(call, EVIDENCE_EK_CERT, 0x22, 400, e);
}

static bool probe_make_key(void *state, const struct driver_call *call, const struct driver_key_request *req, struct driver_key_made *ret,
			   struct err *e)
{
	ret->made = 1;
	return asked(MOMENT_MAKE_KEY, req, sizeof(*req), e) && give(call, EVIDENCE_LEAF_PUBLIC, 0x33, 80, e);
}

static bool probe_read_ak(void *state, const struct driver_call *call, struct err *e)
{
	return asked(MOMENT_READ_AK, NULL, 0, e) && give(call, EVIDENCE_AK_PUBLIC, 0x44, 80, e);
}

static bool probe_activate(void *state, const struct driver_call *call, struct err *e)
{
	return asked(MOMENT_ACTIVATE, NULL, 0, e) && give(call, EVIDENCE_SECRET, 0x5e, 32, e);
}

static bool probe_certify(void *state, const struct driver_call *call, struct err *e)
{
	return asked(MOMENT_CERTIFY, NULL, 0, e) && give(call, EVIDENCE_ATTEST, 0x66, 100, e) && give(call, EVIDENCE_ATTEST_SIG, 0x67, 70, e);
}

static bool probe_prove_key(void *state, const struct driver_call *call, struct err *e)
{
	return asked(MOMENT_PROVE_KEY, NULL, 0, e) && give(call, EVIDENCE_SIGNATURE, 0x77, sizeof(struct key_signature), e);
}

static bool probe_sign(void *state, const struct driver_call *call, const uint8_t digest[static SHA256_SIZE], struct key_signature *ret,
		       struct err *e)
{
	memset(ret, 0x88, sizeof(*ret));
	return asked(MOMENT_SIGN, digest, SHA256_SIZE, e);
}

static bool probe_read_csr(void *state, const struct driver_call *call, struct err *e)
{
	return asked(MOMENT_READ_CSR, NULL, 0, e) && give(call, EVIDENCE_CSR, 0x99, 300, e) &&
	       give(call, EVIDENCE_SIGNATURE, 0x77, sizeof(struct key_signature), e);
}

static bool probe_import_identity(void *state, const struct driver_call *call, const struct driver_blob *blob, struct err *e)
{
	return asked(MOMENT_IMPORT_IDENTITY, blob, sizeof(*blob), e);
}

static bool probe_sign_identity(void *state, const struct driver_call *call, const struct driver_text *text, uint8_t ret[static SHA256_SIZE],
				struct err *e)
{
	memset(ret, 0xaa, SHA256_SIZE);
	return asked(MOMENT_SIGN_IDENTITY, text, sizeof(*text), e);
}

static bool probe_install(void *state, const struct driver_call *call, const struct driver_bundle *bundle, struct err *e)
{
	return asked(MOMENT_INSTALL, bundle, sizeof(*bundle), e);
}

static bool probe_read_back(void *state, const struct driver_call *call, struct err *e)
{
	return asked(MOMENT_READ_BACK, NULL, 0, e) && give(call, EVIDENCE_BUNDLE, 0xbb, 500, e);
}

static bool probe_finish(void *state, const struct driver_call *call, const uint8_t bundle_sha256[static SHA256_SIZE], struct err *e)
{
	return asked(MOMENT_FINISH, bundle_sha256, SHA256_SIZE, e);
}

/* All but persist_ek: one function that a driver lacks. */
static const struct driver_match matches[] = {{0}};
static const struct driver probe_driver = {
	.name = "probe", .title = "a probe", .matches = matches, .proof = PROOF_CSR, .tty = true, .state_size = sizeof(int),
	.open = probe_open, .close = probe_close, .identify = probe_identify, .read_ek = probe_read_ek, .make_key = probe_make_key,
	.read_ak = probe_read_ak, .activate = probe_activate, .certify = probe_certify, .prove_key = probe_prove_key, .sign = probe_sign,
	.read_csr = probe_read_csr, .import_identity = probe_import_identity, .sign_identity = probe_sign_identity,
	.install = probe_install, .read_back = probe_read_back, .finish = probe_finish,
};
const struct driver *const driver_table[] = {&probe_driver, NULL};

/* ---- a trial ---- */

static bool keep(void *ctx, enum evidence_kind kind, const void *data, size_t len, struct err *e)
{
	struct trial *t = ctx;
	assert_true(t->evidence_count < TRIAL_EVIDENCE && len <= sizeof(t->evidence[0].data));
	t->evidence[t->evidence_count].kind = kind;
	t->evidence[t->evidence_count].len = len;
	memcpy(t->evidence[t->evidence_count++].data, data, len);
	return true;
}

static struct driver_call call_of(struct trial *t)
{
	memset(&t->result, 0xee, sizeof(t->result));	/* what a function leaves as it is shows */
	memset(&t->err, 0, sizeof(t->err));
	t->evidence_count = 0;
	return (struct driver_call){.deadline_ms = clock_steady_ms() + t->limit_ms, .evidence = t->deaf ? NULL : keep, .evidence_ctx = t};
}

void trial_begin(struct trial *t, const char *spec)
{
	if (!probe)
		probe = mmap(NULL, sizeof(*probe), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(probe != MAP_FAILED);
	memset(probe, 0, sizeof(*probe));
	probe->fails = MOMENT_COUNT;
	memset(t, 0, sizeof(*t));
	t->limit_ms = 5000;
	t->driver = driver_find(spec);
	assert_non_null(t->driver);
	t->state = calloc(1, t->driver->state_size);
	assert_non_null(t->state);
}

bool trial_open(struct trial *t, const char *spec, int file)
{
	const struct driver_port port = {.fd = -1, .spec = spec, .file = file};
	const struct driver_call call = call_of(t);
	return t->driver->open(t->state, &port, &call, &t->err);
}

static const struct driver_key_request key_request = {.seed = {1, 2, 3}, .handle = 0x81000200, .replace_other = 1};
static const struct driver_ek_request ek_request = {1};
static const struct driver_blob blob = {.len = 3, .data = "blob"};
static const struct driver_text text = {.len = 4, .data = "text"};
static const struct driver_bundle bundle = {.len = 6, .data = "bundle"};
static const uint8_t digest[SHA256_SIZE] = {4, 5, 6};

bool trial_do(struct trial *t, enum moment m)
{
	const struct driver *d = t->driver;
	const struct driver_call call = call_of(t);
	void *s = t->state;
	union probe_result *r = &t->result;
	struct err *e = &t->err;
	switch (m) {
	case MOMENT_IDENTIFY: return d->identify(s, &call, &r->identity, e);
	case MOMENT_READ_EK: return d->read_ek(s, &call, &r->ek, e);
	case MOMENT_PERSIST_EK: return d->persist_ek(s, &call, &ek_request, e);
	case MOMENT_MAKE_KEY: return d->make_key(s, &call, &key_request, &r->key, e);
	case MOMENT_READ_AK: return d->read_ak(s, &call, e);
	case MOMENT_ACTIVATE: return d->activate(s, &call, e);
	case MOMENT_CERTIFY: return d->certify(s, &call, e);
	case MOMENT_PROVE_KEY: return d->prove_key(s, &call, e);
	case MOMENT_SIGN: return d->sign(s, &call, digest, &r->signature, e);
	case MOMENT_READ_CSR: return d->read_csr(s, &call, e);
	case MOMENT_IMPORT_IDENTITY: return d->import_identity(s, &call, &blob, e);
	case MOMENT_SIGN_IDENTITY: return d->sign_identity(s, &call, &text, r->mac, e);
	case MOMENT_INSTALL: return d->install(s, &call, &bundle, e);
	case MOMENT_READ_BACK: return d->read_back(s, &call, e);
	case MOMENT_FINISH: return d->finish(s, &call, digest, e);
	case MOMENT_OPEN: case MOMENT_COUNT: break;
	}
	fail_msg("moment %d is not for trial_do", (int)m);
	return false;
}

void trial_end(struct trial *t)
{
	t->driver->close(t->state);
	free(t->state);
	memset(t, 0, sizeof(*t));
}

/* ---- files ---- */

int scratch_file(const char *words)
{
	int fd = memfd_create("scratch", MFD_CLOEXEC);
	assert_true(fd >= 0 && write(fd, words, strlen(words)) == (ssize_t)strlen(words));
	return fd;
}

const char *text_of(int file)
{
	static char whole[1 << 16];
	ssize_t len = pread(file, whole, sizeof(whole) - 1, 0);
	assert_true(len >= 0);
	whole[len] = '\0';
	return whole;
}
