/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_TPM_RELAY_H
#define SIM_TPM_RELAY_H

/*
 * One software TPM, the silicon of one simulated device.
 * Powering it on starts a swtpm of its own over a socket pair, so that it has exactly one user and ends when that
 * user does; it starts up clear, as silicon does when power comes back. A power cut kills it in mid-instruction.
 */

#include "why.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tpm_relay {
	pid_t pid; /* 0: no power */
	int fd;
};

/* Starts swtpm on the state directory. */
MUST_CHECK bool tpm_relay_start(struct tpm_relay *t, const char *state_dir, struct why *w);
/* Sends one command and waits for its response, at most `timeout_ms`. Afterwards, on failure, the TPM is dead. */
MUST_CHECK bool tpm_relay_execute(struct tpm_relay *t, const uint8_t *command, size_t len, uint8_t *response,
	size_t room, size_t *ret_len, int timeout_ms, struct why *w);
/* Takes the power away at once. Any thread, also while another executes. */
void tpm_relay_kill(struct tpm_relay *t);
/* Takes the power away and waits for the end; nobody may be executing. Takes a zeroed relay. */
void tpm_relay_stop(struct tpm_relay *t);

#endif
