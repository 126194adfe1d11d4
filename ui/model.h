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
	char label[65], lot[65], waits_for[12];	/* waits_for: before any work, "" else */
	int row, column;	/* in the jig as built, from 1; 0: not known */
	int try, tries;
	int64_t next_try_ms;	/* wall clock; 0 while none is waited for */
	struct { char stage[24]; int64_t ms; } times[MODEL_STAGES_MAX];	/* in the order of stages */
	size_t time_count;
};

struct model_device {
	char port[96], serial[65], product[65];
};

/* The shift, as its event tells it. */
struct model_shift {
	char person[20], role[16], state[12];	/* state: "open", "nobody", "wants pin", "in", "locked"; "" where the line says nothing */
	char lot[65], product[65];		/* lot "": none is open */
	int64_t count, taken;
	char label[65], tray[65];		/* that wait for units */
	struct model_talk {			/* the answer to the last code */
		char kind[16], sentence[256], code[16], todo[256], wants[16];
		bool good;
		int64_t at_ms;			/* 0: nothing was said yet */
	} talk;
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
	struct model_shift shift;
	struct {
		int64_t waiting, aside;	/* events, the most of any adapter */
		bool offline;
	} mes;
	char mode[12];		/* "production", "training", "recheck" */
	struct { int rows, columns, rotation; } jig;	/* rows 0: not known */
	struct { char prefix[9], suffix[9]; int gap_ms; bool sound; } scanner;
	int64_t audit_size;
	char audit_root[65];
	int64_t now_ms;		/* wall clock of the drawing; set by the app */
};

/* Takes one event in; true if anything may have changed. Unknown events, unknown slots beyond
 * the maximum and members of a wrong type change nothing. */
bool model_apply(struct model *m, const json_t *event);

/* The line went away: everything known stays, marked as old. */
void model_lost(struct model *m, const char *why);

/* What the operator reads first: one headline for the whole tray (headline.c), in this order: the line is away; a unit must not be
 * pulled (and what a person can do meanwhile); the line is not fit; a person must do something; a unit waits or works and may be
 * pulled; everything is done, and what goes where; nothing is in the tray. Cut where there is no room. */
enum headline_kind {
	HEADLINE_LOST, HEADLINE_UNFIT, HEADLINE_HANDS_OFF, HEADLINE_BUSY, HEADLINE_WANTED, HEADLINE_PULL, HEADLINE_READY
};
enum headline_kind model_headline(const struct model *m, char *out, size_t room);

/* How often the console's bell rings as the headline changes from one kind to another: as the tray is done, once if it is all good,
 * three times if it is not; else 0. One sound for a tray: taking units out of it, losing the line or a line that was not fit rings
 * no more. */
int headline_rings(enum headline_kind before, enum headline_kind now, const struct model *m);

/* Who is here and which lot is open, in words: "operator, lot WO-4711 57/200"; "" where the line knows neither. */
void model_floor(const struct model *m, char *out, size_t room);

/* What waits for the service, in words: "12 wait for the cloud (oldest 3 h; E-DPS-001), 1 aside", with the code while offline; ""
 * if nothing does. */
void model_outbox(const struct model *m, char *out, size_t room);

/* True if pulling it now would do harm. */
bool slot_must_stay(const struct model_slot *s);

/* True while it waits for its next try, and can be put to HOLD. */
bool slot_tries_again(const struct model_slot *s);

#endif
