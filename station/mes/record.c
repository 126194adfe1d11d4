/* SPDX-License-Identifier: Apache-2.0 */
#include "station/mes/record.h"
#include "station/base/csv.h"

#include <stdio.h>
#include <string.h>

/* Columns of the CSV: members of the event, then of its body. */
static const char *const outer[] = {"id", "time", "station", "lot", "person"};
static const char *const inner[] = {
	"serial", "label", "model", "revision", "slot", "profile", "attestation", "verdict", "code", "sentence", "registration_id", "hub",
	"device_id", "leaf_sha256", "certificate_serial", "ek_sha256", "begun_ms", "ended_ms",
};
#define COLUMNS (COUNT_OF(outer) + COUNT_OF(inner))

bool record_csv(const json_t *event, struct bytes *ret, struct err *e)
{
	const json_t *body = json_object_get(event, "body");
	const char *name[COLUMNS], *cell[COLUMNS];
	char number[COLUMNS][24];
	for (size_t i = 0; i < COLUMNS; i++) {
		bool own = i < COUNT_OF(outer);
		const json_t *of = own ? event : body;
		name[i] = own ? outer[i] : inner[i - COUNT_OF(outer)];
		const json_t *value = json_object_get(of, name[i]);
		snprintf(number[i], sizeof(number[i]), "%lld", (long long)json_integer_value(value));
		cell[i] = json_is_integer(value) ? number[i] : json_text_or(of, name[i], "");
	}
	return csv_row(ret, name, COLUMNS, e) && csv_row(ret, cell, COLUMNS, e);
}

/* OpenHTF knows no HOLD and no BUILT: the unit is neither passed nor failed yet. */
static const char *outcome_of(const char *verdict)
{
	return !strcmp(verdict, "PASS") ? "PASS" : !strcmp(verdict, "FAIL") ? "FAIL" : "ERROR";
}

static json_t *phases_of(const json_t *body, const char *verdict)
{
	size_t i;
	const json_t *stage;
	json_t *phases = json_array();
	int64_t at = json_int_or(body, "begun_ms", 0);
	size_t count = json_array_size(json_object_get(body, "stages"));
	json_array_foreach(json_object_get(body, "stages"), i, stage) {
		int64_t ms = json_int_or(stage, "ms", 0);
		bool failed = i + 1 == count && strcmp(verdict, "PASS") != 0;
		json_array_append_new(phases, json_pack("{s:s, s:s, s:I, s:I}", "name", json_text_or(stage, "name", ""), "outcome",
							failed ? outcome_of(verdict) : "PASS", "start_time_millis", (json_int_t)at,
							"end_time_millis", (json_int_t)(at + ms)));
		at += ms;
	}
	return phases;
}

bool record_openhtf(const json_t *event, struct bytes *ret, struct err *e)
{
	const json_t *body = json_object_get(event, "body");
	const char *verdict = json_text_or(body, "verdict", ""), *code = json_text_or(body, "code", "");
	json_t *details = json_array();
	if (*code)
		json_array_append_new(details, json_pack("{s:s, s:s}", "code", code, "description", json_text_or(body, "sentence", "")));
	json_t *metadata = json_deep_copy(body);
	json_object_update_new(metadata, json_pack("{s:s, s:s, s:s, s:s}", "test_name", "enrollment", "event_id",
						   json_text_or(event, "id", ""), "lot", json_text_or(event, "lot", ""), "person",
						   json_text_or(event, "person", "")));
	AUTO(json) json_t *record = json_pack("{s:s, s:s, s:I, s:I, s:s, s:o, s:b, s:o, s:o, s:[]}", "dut_id",
			json_text_or(body, "serial", ""),
					      "station_id", json_text_or(event, "station", ""), "start_time_millis",
					      json_int_or(body, "begun_ms", 0), "end_time_millis", json_int_or(body, "ended_ms", 0), "outcome",
					      outcome_of(verdict), "outcome_details", details, "marginal", 0, "metadata", metadata, "phases",
					      phases_of(body, verdict), "log_records");
	return json_canonical(record, ret, e) && bytes_add_text(ret, "\n", e);
}
