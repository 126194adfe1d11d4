/* SPDX-License-Identifier: Apache-2.0 */
/* The client's door to a running line: what the console and every verb use. The protocol is in
 * docs/control.md: one JSON object per line over the Unix socket STATE/station.sock, mode 0660.
 *
 *   {"do":"status"}   → {"ok":true,"station":{…},"slots":[{…}],"counts":{…},
 *                       "outbox":{…},"audit":{…}}
 *   {"do":"watch"}    → the same with "event":"snapshot", then {"event":"slot","slot":{…}},
 *                       {"event":"counts","counts":{…}}, {"event":"device","device":{…}},
 *                       {"event":"outbox","outbox":{…}}, {"event":"line","line":{…}} as they
 *                       happen
 *   {"do":"upload"}   → {"ok":true,"outbox":{…}}; the line tries at once to send what waits;
 *                       with "again":"ID", a unit that went aside waits again
 *   {"do":"stop"}     → {"ok":true}; the line finishes the stages that must not be interrupted
 *   anything else     → {"ok":false,"code":"E-CFG-003","happened":"…","todo":"…","whom":"…",
 *                       "what":"…"}
 *
 * station: {"name","role","state":"running"|"stopping"|"unfit","sentence":"…" (why unfit),
 *           "since_ms","config_sha256","build","banner":"…" or "",
 *           "stages":["detect",…] in their order}
 * slot:    {"name","port","profile","state":"empty"|"working"|"waiting"|"done","stage":"attest",
 *           "stage_index":4 (from 0),"stage_count":12,"serial","registration_id","hub","device_id",
 *           "verdict":""|"PASS"|"BUILT"|"HOLD"|"FAIL","safe_to_remove":true|false,
 *           "sentence":"what the operator reads now","code":"" or "E-…","todo":"","whom":"",
 *           "since_ms":wall clock of the last change,"times":{"detect":ms,…},
 *           "recognised":true|false (the unit was done before),"present":true|false,
 *           "what":"…" (of the error, for engineers),"checkpoint":"…" or ""}
 * device:  {"port","serial","product","vendor_id":"1209","product_id":"7077",
 *           "slot":"" when in no slot,"present":true|false}
 * outbox:  {"revocations","waiting","sent","aside","oldest_ms","offline":true|false,"code","sentence","what"
 *           (why offline),"since_ms" (of the change between online and offline)}
 * counts:  {"pass","built","hold","fail","open"}   audit: {"size","root"(hex)} */
#ifndef STATION_CLIENT_H
#define STATION_CLIENT_H

#include "station/base/json.h"

struct client;

/* E_RUNNING if nobody listens. */
WARN_UNUSED bool client_open(const char *socket_path, struct client **ret, struct err *e);
void client_close(struct client *c);

/* Sends one request, returns its answer; an answer with "ok":false becomes the error it names.
 * The caller drops *ret. */
WARN_UNUSED bool client_ask(struct client *c, const json_t *request, int64_t deadline_ms, json_t **ret, struct err *e);

/* Sends one request and waits for no answer: it comes through client_next like everything else.
 * For a screen, which must never wait. */
WARN_UNUSED bool client_send(struct client *c, const json_t *request, int64_t deadline_ms, struct err *e);

/* After {"do":"watch"} was asked: the next event; *ret NULL when none came by the deadline.
 * E_RUNNING when the line has gone. */
WARN_UNUSED bool client_next(struct client *c, int64_t deadline_ms, json_t **ret, struct err *e);

/* For poll(): readable when an event may be there. */
int client_fd(const struct client *c);

/* Where the line of a configuration file listens: STATE/station.sock. E_CONFIG, E_FILE. */
WARN_UNUSED bool client_socket_of_config(const char *config_path, char *out, size_t room, struct err *e);

/* {"do":WHAT} to the line of a configuration file, and its answer, within `answer_ms`. E_CONFIG, E_FILE, E_RUNNING, and what the
 * line says. The caller drops *ret. */
WARN_UNUSED bool client_ask_line(const char *config_path, const char *what, int64_t answer_ms, json_t **ret, struct err *e);

/* An event (also a snapshot, with a line per slot) as lines of text for a person, each with its
 * '\n'. Only printable characters: what a unit says of itself may be hostile. Appends nothing
 * for an event that is unknown. E_NOMEM, E_TEXT. */
WARN_UNUSED bool client_event_text(const json_t *event, struct bytes *ret, struct err *e);

#endif
