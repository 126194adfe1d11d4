/* SPDX-License-Identifier: Apache-2.0 */
#include "station/result.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/base/text.h"
#include "station/receipt.h"
#include "station/way.h"

#include <limits.h>
#include <stdio.h>

static void set_hash(json_t *result, const char *name, const uint8_t hash[static SHA256_SIZE])
{
	char hex[2 * SHA256_SIZE + 1];
	hex_encode(hash, SHA256_SIZE, hex);
	json_object_set_new(result, name, json_string(hex));
}

/* What a unit does not have, a certificate or an endorsement key, is not there. */
static void add_keys(const struct job *j, json_t *result)
{
	const struct job_row *row = &j->row;
	char serial[2 * CERT_SERIAL + 1];
	uint8_t hash[SHA256_SIZE];
	if (j->driver->proof == PROOF_TPM)
		set_hash(result, "ek_sha256", row->ek_sha256);
	if (!row->leaf.len)
		return;
	sha256_of(row->leaf.data, row->leaf.len, hash);
	set_hash(result, "leaf_sha256", hash);
	hex_encode(row->cert_serial, CERT_SERIAL, serial);
	json_object_set_new(result, "certificate_serial", json_string(serial));
}

static json_t *result_json(const struct job *j)
{
	const struct job_row *row = &j->row;
	char when[CLOCK_TEXT];
	clock_text(clock_wall_ms(), when);
	json_t *result = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s}", "serial", row->serial, "model", row->model,
				   "attestation", j->way->name, "registration_id", row->registration_id, "verdict",
				   verdict_name(VERDICT_PASS), "hub", row->hub, "device_id", row->device_id, "time", when, "job", row->id,
				   "intent", (json_int_t)row->intent_index, "checkpoint", j->checkpoint);
	if (result)
		add_keys(j, result);
	return result;
}

/* Of its intent: the verdict follows this, and is under the next checkpoint. A unit whose entries are in an archive
 * keeps the receipt that it has. */
static bool write_receipt(const struct job *j, const char *dir, struct err *e)
{
	char name[sizeof(j->row.registration_id) + 32];
	struct err cause = {0};
	if (j->row.intent_index < 0)
		return true;
	snprintf(name, sizeof(name), "%s.intent.tlog-proof", j->row.registration_id);
	if (receipt_write(j->line->ledger, (uint64_t)j->row.intent_index, j->checkpoint, dir, name, &cause) || cause.code == E_TEXT)
		return true;
	*e = cause;
	return false;
}

bool result_write(const struct job *j, struct err *e)
{
	char dir[PATH_MAX], path[2 * PATH_MAX];
	AUTO(json) json_t *result = result_json(j);
	AUTO(bytes) struct bytes text = {0};
	if (!result)
		return err_set(e, E_NOMEM, "the result");
	if (!config_state_path(j->line->config, "results", dir, sizeof(dir), e))
		return false;
	if (!file_make_directory(dir, 0750, e))
		return false;
	snprintf(path, sizeof(path), "%s/%s.json", dir, j->row.registration_id);
	return json_canonical(result, &text, e) && bytes_add_text(&text, "\n", e) &&
	       file_write_atomic(path, text.data, text.len, 0640, e) && write_receipt(j, dir, e);
}
