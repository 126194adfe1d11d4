/* SPDX-License-Identifier: Apache-2.0 */
/* The scanner is a keyboard: what comes from it and what a person types come through the same line. Pure: keys with times in; keys
 * and codes out.
 *
 * A burst, keys that follow each other within gap_ms (or that begin with the scanner's prefix), is never a person's: none of
 * its keys acts as a command. Ended by the suffix it is a code; cut short it is dropped, and said; so is one with a key in it
 * that no scanner sends. What follows within SCAN_QUIET_MS is the rest of it, which a network has torn off: neither a command
 * nor a code, unless it begins with the prefix. A key alone is a person's once the gap has passed. A person may also write a
 * code: '/' (or, where a PIN is wanted, a digit) begins it, Enter sends it, Escape drops it; a burst meanwhile takes its
 * place. */
#ifndef UI_SCAN_INPUT_H
#define UI_SCAN_INPUT_H

#include "station/base/err.h"

#include <stdint.h>

#define SCAN_ROOM 257		/* a code of 256 bytes, and NUL; a longer burst is dropped */
#define SCAN_QUIET_MS 500	/* after a burst that was cut */
#define SCAN_BURST_LEAST 3	/* fewer characters are no code, however fast they came */

enum scanned { SCANNED_NOTHING, SCANNED_KEY, SCANNED_CODE, SCANNED_CUT };
struct scan_event {
	enum scanned what;
	int key;		/* of SCANNED_KEY */
	char code[SCAN_ROOM];	/* of SCANNED_CODE, UTF-8; wiped by the caller where it is a PIN */
	bool typed;		/* it was written by a person */
};

struct scan_input {
	char prefix[9], suffix[9];
	int gap_ms;
	bool pin;		/* a PIN is wanted: a digit begins to write it */
	bool typing;		/* a person writes */
	bool overflow, burst;	/* of the burst that comes in */
	bool remainder;		/* it began while it was to be quiet */
	int64_t quiet_until_ms;
	size_t len;		/* of the burst, or of the single key that waits for its gap */
	char text[SCAN_ROOM];
	size_t typed_len;
	char typed[SCAN_ROOM];
	int64_t last_ms;
};

/* Bytes of the configuration; before the line has said them: none, "\r", 35. */
void scan_input_setup(struct scan_input *in, const char *prefix, const char *suffix, int gap_ms);

/* A key (ui/screen.h) came at this time (steady clock). Call scan_input_tick with the same time before. */
void scan_input_feed(struct scan_input *in, int key, int64_t now_ms, struct scan_event *ret);
/* Time has passed: a single key becomes one, a burst without its suffix is dropped. */
void scan_input_tick(struct scan_input *in, int64_t now_ms, struct scan_event *ret);
/* Milliseconds until scan_input_tick has something to say; -1: nothing is waited for. */
int scan_input_due_ms(const struct scan_input *in, int64_t now_ms);
/* What is written so far is dropped and wiped. */
void scan_input_drop(struct scan_input *in);

#endif
