/* SPDX-License-Identifier: Apache-2.0 */
/* The factory's MES, behind one model: it hears events (event.h), and it may be asked whether a unit may begin. An adapter is a
 * const struct in mes_table; which of them a line has is in its configuration. An opened adapter belongs to one thread at a time
 * (the relay opens one for delivery, each check-in one of its own), knows neither ledger nor pipeline, and retries nothing. */
#ifndef STATION_MES_MES_H
#define STATION_MES_MES_H

#include "station/base/bytes.h"
#include "station/base/json.h"

/* What the adapters need of the configuration; strings are lent for the life of the adapter. */
struct mes_setup {
	const char *station;
	const char *folder_out, *folder_in, *folder_format;
	const char *url, *ca_file, *certificate, *key, *hmac_secret;	/* hmac_secret: a reference (file:, credential:) */
	int timeout_ms;
};

/* Asked before anything is signed for a unit. All texts lent. */
struct mes_question {
	const char *id;		/* UUIDv7 of this asking: the same for its retries */
	const char *serial, *label, *model, *revision;
	const char *slot, *port, *lot, *person, *profile;
};

enum mes_decision {
	MES_GO,
	MES_HOLD,	/* a person must decide: take it out by hand */
	MES_SKIP,	/* nothing is to be done with it here: let it travel on */
	MES_ERROR,	/* the MES cannot decide: leave it */
};

/* Empty texts were not said. */
struct mes_answer {
	enum mes_decision decision;
	char reason[181];	/* for the operator's screen: UTF-8 without controls, as long as an error's text has room for */
	char code[33];		/* the MES's own */
	char variant[65], id[129], group[129], profile[33], lot[65];
};

struct mes;	/* an opened adapter */

struct mes_adapter {
	const char *name;	/* "folder", "http" */
	bool (*configured)(const struct mes_setup *setup);
	bool (*open)(const struct mes_setup *setup, struct mes **ret, struct err *e);
	void (*close)(struct mes *m);
	/* Must: return true only once the receiver holds the event; the same event again must do no harm there.
	 * E_MES_REFUSED: this event, for good; the others go on. E_MES: later. Then *ret_again_ms, -1 before, tells whom that concerns:
	 * where the receiver itself judged this event, in how many ms it wants it again (0: it does not say); left alone where the
	 * receiver is away, so that all wait. Any other error as if it were away. */
	bool (*deliver)(struct mes *m, const json_t *event, int64_t deadline_ms, int64_t *ret_again_ms, struct err *e);
	/* NULL: this adapter cannot be asked. E_MES when no answer that can be understood came: then the policy decides. */
	bool (*check_in)(struct mes *m, const struct mes_question *question, int64_t deadline_ms, struct mes_answer *ret,
			 struct err *e);
	/* NULL: there is none. Whether a label stands in a list that the MES left here (policy silent = listed). */
	bool (*listed)(struct mes *m, const char *label, struct err *e);
};
extern const struct mes_adapter *const mes_table[];	/* NULL at the end */

#endif
