/* SPDX-License-Identifier: Apache-2.0 */
#include "station/result.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/base/text.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

static json_t *result_json(const struct job *j)
{
	const struct job_row *row = &j->row;
	char leaf[2 * SHA256_SIZE + 1], ek[2 * SHA256_SIZE + 1], serial[2 * CERT_SERIAL + 1], when[CLOCK_TEXT];
	uint8_t hash[SHA256_SIZE];
	sha256_of(row->leaf.data, row->leaf.len, hash);
	hex_encode(hash, SHA256_SIZE, leaf);
	hex_encode(row->ek_sha256, SHA256_SIZE, ek);
	hex_encode(row->cert_serial, CERT_SERIAL, serial);
	clock_text(clock_wall_ms(), when);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s}", "serial", row->serial, "model", row->model,
			 "registration_id", row->registration_id, "verdict", verdict_name(VERDICT_PASS), "hub", row->hub, "device_id",
			 row->device_id, "leaf_sha256", leaf, "ek_sha256", ek, "certificate_serial", serial, "time", when, "job", row->id,
			 "intent", (json_int_t)row->intent_index, "checkpoint", j->checkpoint);
}

bool result_write(const struct job *j, struct err *e)
{
	char dir[PATH_MAX], path[2 * PATH_MAX];
	AUTO(json) json_t *result = result_json(j);
	AUTO(bytes) struct bytes text = {0};
	if (!config_state_path(j->line->config, "results", dir, sizeof(dir), e))
		return false;
	if (mkdir(dir, 0750) < 0 && errno != EEXIST)
		return err_errno(e, E_FILE, "making %s", dir);
	snprintf(path, sizeof(path), "%s/%s.json", dir, j->row.registration_id);
	return json_canonical(result, &text, e) && bytes_add_text(&text, "\n", e) &&
	       file_write_atomic(path, text.data, text.len, 0640, e);
}
