/* SPDX-License-Identifier: Apache-2.0 */
/* A TSS2 TCTI over the TPM bridge: what ESAPI calls to send a TPM command and to receive its response (TCG TSS 2.0
 * TCTI, version 2 of its structure).
 *
 * The transport knows more of a failure than a TSS2_RC can say, so the first one is kept here as a struct err for the door
 * above (drivers/tpm.h). ESAPI waits without a limit; the limit is the deadline of the driver's call. */
#ifndef DRIVERS_TCTI_USB_H
#define DRIVERS_TCTI_USB_H

#include "drivers/bridge.h"

#include <tss2/tss2_tcti.h>

struct tcti_usb {
	TSS2_TCTI_CONTEXT_COMMON_V2 common;	/* first: a TSS2_TCTI_CONTEXT is this */
	struct bridge *bridge;	/* lent */
	int64_t deadline_ms;	/* of the call that runs */
	struct err cause;	/* of the last IO error */
	bool sent;	/* a command is outstanding */
	size_t held;	/* a response that was only measured so far */
	uint8_t response[BRIDGE_TPM_MAX];
};

/* The memory is the caller's; the bridge must outlive it. */
void tcti_usb_init(struct tcti_usb *t, struct bridge *bridge);

/* Starts a call of the driver: its deadline, and no failure yet. */
void tcti_usb_begin(struct tcti_usb *t, int64_t deadline_ms);

TSS2_TCTI_CONTEXT *tcti_usb_context(struct tcti_usb *t);

#endif
