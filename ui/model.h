/* SPDX-License-Identifier: Apache-2.0 */
/* What the screens know: the line's state as its events told it. Pure: events in, structs out;
 * no socket, no clock, no terminal.
 *
 * Texts are kept as they came, cut to their room; the canvas makes them harmless when they are
 * drawn. */
#ifndef UI_MODEL_H
#define UI_MODEL_H

#include "station/base/json.h"

#define MODEL_SLOTS_MAX 64
#define MODEL_DEVICES_MAX 64	/* that stand in no slot */
#define MODEL_STAGES_MAX 16

enum slot_state { SLOT_EMPTY, SLOT_WORKING, SLOT_WAITING, SLOT_DONE };
enum slot_verdict { SLOT_NO_VERDICT, SLOT_PASS, SLOT_BUILT, SLOT_HOLD, SLOT_FAIL };

struct model_slot {
	char name[33], port[96], profile[33];
	enum slot_state state;
	enum slot_verdict verdict;
	char stage[24];
	int stage_index, stage_count;
	char serial[65], registration_id[130], hub[256], device_id[130];
	bool safe_to_remove, recognised;
	char sentence[512], code[16], todo[256], whom[64];
	int64_t since_ms;
	struct { char stage[24]; int64_t ms; } times[MODEL_STAGES_MAX];	/* in the order of stages */
	size_t time_count;
};

struct model_device {
	char port[96], serial[65], product[65];
};

struct model {
	bool reachable;		/* set by the app; a snapshot sets it too */
	char why[256];		/* not reachable */
	char name[65], role[16], state[16], sentence[512], code[16], todo[256], whom[64], banner[256], build[65], config_sha256[65];
	int64_t since_ms;
	char stage[MODEL_STAGES_MAX][24];	/* the line's stages in their order, as the snapshot told it */
	size_t stage_count;
	struct model_slot slot[MODEL_SLOTS_MAX];
	size_t slot_count;
	struct model_device device[MODEL_DEVICES_MAX];
	size_t device_count;
	int64_t pass, built, hold, fail, open;
	struct {
		int64_t waiting, aside;	/* units whose enrollment waits for the service, and that a person must decide on */
		int64_t oldest_ms;	/* wall clock; 0 if none waits */
		bool offline;
		char code[16];		/* why, if offline */
	} outbox;
	int64_t audit_size;
	char audit_root[65];
	int64_t now_ms;		/* wall clock of the drawing; set by the app */
};

/* Takes one event in; true if anything may have changed. Unknown events, unknown slots beyond
 * the maximum and members of a wrong type change nothing. */
bool model_apply(struct model *m, const json_t *event);

/* The line went away: everything known stays, marked as old. */
void model_lost(struct model *m, const char *why);

/* What the operator reads first. */
enum headline_kind { HEADLINE_LOST, HEADLINE_UNFIT, HEADLINE_HANDS_OFF, HEADLINE_BUSY, HEADLINE_PULL, HEADLINE_READY };
enum headline_kind model_headline(const struct model *m, char *out, size_t room);

/* What waits for the service, in words: "12 wait for the cloud (oldest 3 h; E-DPS-001), 1 aside", with the code while offline; ""
 * if nothing does. */
void model_outbox(const struct model *m, char *out, size_t room);

/* True if pulling it now would do harm. */
bool slot_must_stay(const struct model_slot *s);

#endif
