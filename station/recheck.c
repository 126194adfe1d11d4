/* SPDX-License-Identifier: Apache-2.0 */
#include "station/recheck.h"
#include "db/ledger.h"
#include "station/base/clock.h"
#include "station/base/json.h"
#include "station/base/text.h"
#include "station/proof.h"
#include "station/reserve.h"
#include "station/way.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct driver *const device = &sandbox_driver;

static bool is_set(const uint8_t hash[static SHA256_SIZE])
{
	static const uint8_t none[SHA256_SIZE];
	return memcmp(hash, none, SHA256_SIZE) != 0;
}

/* ---- its place ---- */

bool recheck_place(struct config *c, struct err *e)
{
	char place[PATH_MAX];
	if (!config_state_path(c, "recheck", place, sizeof(place), e))
		return false;
	return TEXT_COPY(c->state_dir, place, e);
}

static bool make_place(const struct config *c, struct err *e)
{
	char above[PATH_MAX];
	snprintf(above, sizeof(above), "%s", c->state_dir);
	*strrchr(above, '/') = '\0';
	const char *const dirs[] = {above, c->state_dir};
	for (size_t i = 0; i < COUNT_OF(dirs); i++)
		if (mkdir(dirs[i], 0750) < 0 && errno != EEXIST)
			return err_errno(e, E_FILE, "making %s", dirs[i]);
	return true;
}

bool recheck_begin(const struct config *c, struct err *e)
{
	char from[PATH_MAX], to[PATH_MAX];
	return make_place(c, e) && config_state_path(c, "../ledger.db", from, sizeof(from), e) &&
	       config_state_path(c, "ledger.db", to, sizeof(to), e) && ledger_copy(from, to, e);
}

/* ---- its stages ---- */

bool recheck_has_record(const struct job *j)
{
	return j->row.intent_index >= 0;
}

/* In the copy every unit that was seen has a row: known is who has an identity. */
static bool find_unit(struct job *j, struct err *e)
{
	if (!reserve_unit(j, e))
		return false;
	j->recognised = recheck_has_record(j);
	return true;
}

bool recheck_read_key(struct job *j, struct err *e)
{
	const struct driver_call call = job_call(j);
	struct driver_ek_read got;
	if (j->driver->proof != PROOF_TPM)
		return j->identity.factory_closed ? find_unit(j, e) :
		       err_set(e, E_NO_DRIVER, "re-check is for units with a TPM: an open one without would make a key");
	if (!device->read_ek(&j->device, &call, &got, e))
		return false;
	if (!got.present)
		return err_set(e, E_EK_MISSING, "none lies at its place, and re-check makes none");
	return verifier_client_judge_ek(j->children.verifier, j->deadline_ms, &j->ek, e) && find_unit(j, e);
}

/* No key is there to be certified. A closed unit makes no attestation key: its own key is all that it can be asked for. */
static bool attest_holder(struct job *j, struct err *e)
{
	const struct driver_call call = job_call(j);
	int judge = j->children.verifier;
	return device->read_ak(&j->device, &call, e) && verifier_client_challenge(judge, j->deadline_ms, CHALLENGE_EK, e) &&
	       device->activate(&j->device, &call, e) && verifier_client_judge_holder(judge, j->deadline_ms, e);
}

bool recheck_attest(struct job *j, struct err *e)
{
	const struct driver_call call = job_call(j);
	const struct driver_key_request req = {.storage = !j->way->certificate, .handle = j->profile->key_handle, .look = 1};
	struct driver_key_made key;
	uint8_t recorded[SHA256_SIZE];
	memcpy(recorded, j->row.leaf_spki_sha256, SHA256_SIZE);
	if (!device->make_key(&j->device, &call, &req, &key, e))
		return false;
	if (!key.made && is_set(recorded))
		return err_set(e, E_READ_BACK, "a key of this unit is on record, and none lies at its place");
	if (!key.made)
		return attest_holder(j, e);
	if (j->way->certificate && !is_set(recorded))
		return err_set(e, E_KEY_OTHER, "no key of this unit is on record, and one lies at its place");
	if (!j->proof->attest(j, e))
		return false;
	return !is_set(recorded) || !memcmp(recorded, j->attest.spki_sha256, SHA256_SIZE) ||
	       err_set(e, E_KEY_OTHER, "another key than the one on record lies at its place");
}

bool recheck_has_bundle(const struct job *j, bool *ret, struct err *e)
{
	bool recorded = is_set(j->row.bundle_sha256);
	*ret = j->identity.bundle_present;
	if (recorded == *ret)
		return true;
	return err_set(e, E_READ_BACK, recorded ? "a bundle is on record, and the unit holds none"
						: "the unit holds a bundle, and none is on record");
}

/* ---- its results ---- */

static json_t *result_json(const struct job *j)
{
	char when[CLOCK_TEXT], ek[2 * SHA256_SIZE + 1] = "";
	const char *serial = j->identity.serial[0] ? j->identity.serial : j->usb.serial;
	clock_text(clock_wall_ms(), when);
	if (is_set(j->ek.ek_sha256))
		hex_encode(j->ek.ek_sha256, SHA256_SIZE, ek);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:s}", "time", when, "slot", j->slot->name, "profile",
			 j->profile->name, "serial", serial, "ek_sha256", ek, "verdict", verdict_name(j->verdict), "code",
			 j->error.code ? err_row(j->error.code)->code : "", "what", j->error.what, "on_record",
			 recheck_has_record(j), "registration_id", j->row.registration_id);
}

bool recheck_write(const struct job *j, struct err *e)
{
	char path[PATH_MAX];
	AUTO(json) json_t *result = result_json(j);
	AUTO(bytes) struct bytes text = {0};
	if (!result)
		return err_set(e, E_NOMEM, "the result");
	if (!json_canonical(result, &text, e) || !bytes_add_text(&text, "\n", e) ||
	    !config_state_path(j->line->config, "results.jsonl", path, sizeof(path), e))
		return false;
	/* One write of a line: the slots' lines do not mix. */
	AUTO_FD int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (fd < 0 || write(fd, text.data, text.len) != (ssize_t)text.len || fdatasync(fd) < 0)
		return err_errno(e, E_FILE, "writing %s", path);
	return true;
}
