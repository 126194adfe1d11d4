/* SPDX-License-Identifier: Apache-2.0 */
/* What the signer thinks of the clock: it asks the kernel itself, since what the line says may be the line's. */
#ifndef CERTS_SIGNER_CLOCK_H
#define CERTS_SIGNER_CLOCK_H

#include "station/base/err.h"

#include <stdint.h>

#define CLOCK_STEP_MS 300000	/* a clock may have been set back by so much */
#define SIGNER_CLOCK_LINES 200

struct signer_clock {
	char boot_id[37];		/* of /proc/sys/kernel/random/boot_id; "" where there is none */
	int64_t accepted_until_ms;	/* CLOCK_BOOTTIME until which two people stand for it; 0: nobody does */
};

/* Reads the boot's id, before the lock-down. */
void signer_clock_init(struct signer_clock *c);

/* True if things may be signed now: the clock is synchronised, and not before `latest_ms`, or two people stand for it.
 * What was signed last is asked for everywhere, the synchronisation in production. E_CLOCK_REFUSED. */
WARN_UNUSED bool signer_clock_holds(const struct signer_clock *c, int64_t now_ms, int64_t latest_ms, bool production,
				    struct err *e);

/* Two people stand for it, for `for_ms` from now. */
void signer_clock_accept(struct signer_clock *c, int64_t for_ms);

/* The extension lines of a checkpoint (signer.h). */
void signer_clock_lines(const struct signer_clock *c, int64_t now_ms, char ret[static SIGNER_CLOCK_LINES]);

#endif
