/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_TTY_MODEL_H
#define SIM_TTY_MODEL_H

/*
 * The firmware of one simulated device without a TPM: docs/serial-csr.md, the device's half, with nothing of a tty but bytes.
 *
 * A back end feeds it what the host sends (tty_model_out) and asks what there is to send (tty_model_in); both answer at once.
 * Lines are worked on by the unit's own thread (tty_model_wait, tty_model_work).
 *
 * It is as bad a line as a test wants: by its knobs it prints a banner and log lines, echoes, loses and damages lines, dawdles,
 * restarts, lies, and loses its power at a chosen moment.
 */

#include "model.h"
#include "tty_key.h"

#define TTY_LINE 256
#define TTY_PIECE 150
#define TTY_ROOM 16384 /* bytes that may wait, each way */
#define TTY_BUNDLE 12288

enum tty_word {
	TTY_HELLO = 1, TTY_GET, TTY_STATE, TTY_KEY, TTY_CSR, TTY_PROVE, TTY_SIGN, TTY_BUNDLE_WORD, TTY_PUT, TTY_COMMIT, TTY_PART,
	TTY_FINISH, TTY_WORDS
};

enum tty_lie {
	LIE_NONE,
	LIE_KEY,      /* the request is of another key than signs */
	LIE_NONCE,    /* the request holds an old nonce */
	LIE_SERIAL,   /* another serial number each time */
	LIE_READBACK, /* what it shows of its store is not what was installed */
	LIE_SILENT,   /* signatures are none */
	LIES
};

struct tty_knobs {
	unsigned banner;    /* 1: prints one when it starts */
	unsigned echo;      /* 1: sends back what comes */
	unsigned dtr_reset; /* 1: restarts when the tty is opened */
	unsigned tty_late_ms; /* so long after it was plugged in the kernel makes its tty */
	unsigned boot_ms;   /* so long it is deaf after a start */
	unsigned noise;     /* per mille: a log line before an answer */
	unsigned flood;     /* 1: an answer is followed by log lines without end */
	unsigned loss;      /* per mille: a line, of either side, is lost */
	unsigned damage;    /* per mille: a character of a line, of either side, is wrong */
	unsigned baud;      /* 0: as fast as it goes */
	unsigned delay_ms;  /* before every answer */
	unsigned busy;      /* so many requests are answered busy */
	unsigned stall;     /* 1: nothing is answered any more */
	unsigned garbage;   /* so many answers are random bytes instead */
	unsigned version;   /* what hello answers */
	unsigned storage_full; /* 1: nothing can be stored */
	struct trigger reset_before; /* restarts instead of working on it */
	struct trigger cut_before, cut_after;
	enum store_cut cut_commit;
	enum tty_lie lie;
	char serial_inside[65]; /* what it says, where that is not its own: a duplicate */
};

/* A boot banner at every opening, and otherwise a good line. */
extern const struct tty_knobs tty_knobs_default;

struct tty_stats {
	unsigned lines, by_word[TTY_WORDS];
	unsigned refused, busy, skipped, lost, damaged, noise, resets, keys_made, power_ons, power_cuts;
};

struct tty_model {
	struct identity id;
	struct store store;
	struct tty_key key; /* these two of the working thread */
	EVP_PKEY *other;    /* of a device that lies */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct tty_knobs knobs;
	struct tty_stats stats;
	uint64_t random;
	bool powered, stopping;
	int64_t deaf_until_ms, sent_until_ms;

	uint8_t in[TTY_ROOM];
	size_t in_len;
	uint8_t out[TTY_ROOM];
	size_t out_len, out_ready; /* what the line's speed lets through yet */

	bool forget; /* it has restarted: the working thread clears the memory before the next line */

	/* The volatile memory of the firmware. */
	bool greeted;
	uint8_t csr[TTY_CSR_MAX];
	size_t csr_len;
	char csr_nonce[65], old_nonce[65];
	bool receiving;
	uint8_t incoming[TTY_BUNDLE];
	size_t incoming_len, incoming_at;
	char incoming_hash[65];
};

void tty_model_init(struct tty_model *m, const struct identity *id);
void tty_model_fini(struct tty_model *m);

/* As model_power_on and its neighbours. */
MUST_CHECK bool tty_model_power_on(struct tty_model *m, const char *dir, struct why *w);
void tty_model_power_fail(struct tty_model *m);
void tty_model_power_off(struct tty_model *m);

/* The host opened the tty, which raises DTR. */
void tty_model_opened(struct tty_model *m);
/* Bytes from the host; how many were taken. */
size_t tty_model_out(struct tty_model *m, const uint8_t *data, size_t len);
/* Bytes for the host: how many, at most `room`. */
size_t tty_model_in(struct tty_model *m, uint8_t *data, size_t room);

/* Waits until there is something to do; false when the power goes. */
bool tty_model_wait(struct tty_model *m);
/* Does one piece of it. */
enum work tty_model_work(struct tty_model *m);

/* Sets a knob by its name; ("all", "default") turns every one back. */
MUST_CHECK bool tty_model_knob(struct tty_model *m, const char *name, const char *value, struct why *w);
void tty_model_stats(struct tty_model *m, char *text, size_t room);

/* ---- tty_words.c: what each request does ---- */

/* The word of a request, or 0; its name, or NULL. */
enum tty_word tty_word_by_name(const char *name, size_t len);
const char *tty_word_name(enum tty_word word);
/* Works on a request's text, in the working thread, without the lock; the answer's text. `knobs` is a copy. False: the power
 * went inside. */
bool tty_word_work(struct tty_model *m, const struct tty_knobs *knobs, enum tty_word word, char *text, char *answer, size_t room);

/* The next number of the model's own chance, below n. */
unsigned tty_chance(struct tty_model *m, unsigned n);
/* What is in memory is gone. */
void tty_memory_clear(struct tty_model *m);

#endif
