/* SPDX-License-Identifier: Apache-2.0 */
/* An event as every adapter gets it, canonical JSON:
 *
 *   {"id":"<UUIDv7>","type":"unit.result","time":"2026-11-23T05:00:00.000Z","station":"line-1","unit":"SN0001",
 *    "lot":"WO-4711","person":"p-7f3a91","body":{…}}
 *
 * Types and bodies (docs/mes.md):
 *   unit.result   {"serial","label","model","revision","slot","profile","attestation","verdict","code","sentence",
 *                  "registration_id","hub","device_id","leaf_sha256","certificate_serial","ek_sha256","job","begun_ms","ended_ms",
 *                  "stages":[{"name","ms"}],"check_in":"<id>" or "","checkpoint":"<note>"}
 *   lot.opened    {"product","profile","count"}   lot.closed {"handover":"<file>","sha256","pass","built","hold","fail"}
 *   lot.reverting, lot.reverted {"units"}
 *   person.in, person.out, person.locked {"role"}   person.second {"for","beside"}   person.override {"serial","slot","reason"}
 *   line.state    {"state","code","sentence"}
 *
 * A checkpoint of the audit log stands in every unit.result (promise 7). No name of a person, no secret. */
#ifndef STATION_MES_EVENT_H
#define STATION_MES_EVENT_H

#include "station/base/json.h"

/* UUIDv7 (RFC 9562, 5.7) of this time, as text. E_FILE where the system has no randomness. */
WARN_UNUSED bool event_id(int64_t time_ms, char ret[static 37], struct err *e);

/* Takes `body` (also on failure). NULL out of memory, or with an error. */
json_t *event_new(const char *type, const char *station, const char *unit, const char *lot, const char *person, int64_t time_ms,
		  json_t *body, struct err *e);

#endif
