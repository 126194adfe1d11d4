/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

/*
 * The firmware of one simulated device: docs/tpm-bridge.md, the device's half, with nothing of USB but packets.
 *
 * A back end feeds it what arrives at the bulk OUT endpoint (model_out) and asks what the bulk IN endpoint has to send
 * (model_in); both answer at once, a "not now" being what USB calls NAK. When a frame is complete, the
 * firmware's own thread (unit.c), or a test, lets it work (model_work), which may take as long as a TPM command.
 * While it works the OUT endpoint takes nothing, and GET_INFO and CANCEL are still answered.
 *
 * Knobs are what a test turns to make the device slow, busy, or lose its power at a chosen moment. A cut is an
 * end: the TPM is killed, nothing more is answered, and the back end must unplug the device.
 */

#include "frame.h"
#include "lie.h"
#include "store.h"
#include "tpm_relay.h"

#include <pthread.h>

#define MODEL_PACKET 512
#define MODEL_PAYLOAD_MAX 8192
#define TPM_CODE_FIRST 0x11f
#define TPM_CODE_COUNT 128

struct identity {
	char serial[65], model[65], revision[65];
};

/* "the Nth frame of this type from now"; n == 0 is never, type == 0 is any type. */
struct trigger {
	uint8_t type;
	unsigned n;
};

struct knobs {
	unsigned delay_ms; /* before every TPM command */
	unsigned busy;     /* so many frames are answered BUSY */
	uint32_t max_payload;
	struct trigger cut_before, cut_after;
	enum store_cut cut_commit;
	char serial_inside[65]; /* what IDENTIFY says, where that is not what USB says */
	struct lie lie;
};

struct stats {
	unsigned frames; /* complete ones that were executed */
	unsigned by_type[256];
	unsigned by_tpm_code[TPM_CODE_COUNT];
	unsigned refused; /* answered with a status other than OK */
	unsigned busy, cancels, power_ons, power_cuts;
};

enum work { WORK_NONE, WORK_DONE, WORK_CUT };

struct model {
	struct identity id;
	struct tpm_relay tpm;
	struct store store; /* of the working thread; others see `flags` */

	pthread_mutex_t lock;
	pthread_cond_t changed; /* a frame is pending, a cancel came, the power goes */
	struct knobs knobs;
	struct stats stats;
	uint8_t flags;
	bool powered, stopping;

	/* The frame that is arriving, then pending, then running. */
	uint8_t header[FRAME_HEADER];
	size_t header_len;
	uint8_t payload[MODEL_PAYLOAD_MAX];
	size_t payload_len;
	uint32_t skip;  /* bytes of an over-long frame still to drop */
	bool desynced;  /* a header was wrong: everything is dropped until CANCEL */
	bool pending, running, cancelled;
	enum frame_status verdict; /* what the header alone decides; OK: execute it */

	/* The response that waits to be read. */
	uint8_t response[FRAME_HEADER + MODEL_PAYLOAD_MAX];
	size_t response_len, response_at;
	bool zlp; /* a full last packet needs an empty one after it */

	/* The bundle that BEGIN announced. */
	bool receiving;
	uint8_t *incoming;
	uint32_t incoming_len, incoming_at;
	uint8_t incoming_hash[HASH_SIZE];
};

/* Prepares a device without power. */
void model_init(struct model *m, const struct identity *id);
/* Ends it; the power must be off. */
void model_fini(struct model *m);

/* Power comes: reads the store, starts the TPM; what was in memory is gone, knobs and statistics stay. */
MUST_CHECK bool model_power_on(struct model *m, const char *dir, struct why *w);
/* Makes a working thread come to its end: the TPM is dead from now on. */
void model_power_fail(struct model *m);
/* Power is gone; no thread may be working. */
void model_power_off(struct model *m);

/* Offers bytes of the OUT endpoint and tells how many were taken; 0 of some is a NAK. */
size_t model_out(struct model *m, const uint8_t *data, size_t len);
/* One IN transfer of `room` bytes. False: NAK. *overflow: the host's buffer can't take a packet whole. */
bool model_in(struct model *m, uint8_t *data, size_t room, size_t *ret_len, bool *overflow);
/* What GET_INFO says; false: it is stalled. */
bool model_info(struct model *m, uint8_t info[INFO_SIZE]);
void model_cancel(struct model *m);

/* Waits until a frame is pending; false when the power goes. */
bool model_wait(struct model *m);
/* Executes the pending frame. WORK_CUT: a knob took the power away. */
enum work model_work(struct model *m);

/* Sets a knob by its name, e.g. ("cut_after", "TPM:3"). */
MUST_CHECK bool model_knob(struct model *m, const char *name, const char *value, struct why *w);
/* Writes `name=count` words; counts of zero but the first are left out. */
void model_stats(struct model *m, char *text, size_t room);

#endif
