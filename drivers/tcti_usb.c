/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/tcti_usb.h"
#include "station/base/clock.h"

#include <string.h>

#define MAGIC 0x54504d4272696467ull	/* "TPMBridg" */
#define POLL_MS 1	/* who does not want to wait still looks */
#define RESPONSE_HEADER 10	/* tag, responseSize, responseCode: TPM 2.0 Part 1, section 18 */

static struct tcti_usb *ours(TSS2_TCTI_CONTEXT *context)
{
	return context && TSS2_TCTI_MAGIC(context) == MAGIC ? (struct tcti_usb *)context : NULL;
}

static TSS2_RC io_error(struct tcti_usb *t)
{
	t->sent = false;
	t->held = 0;
	return TSS2_TCTI_RC_IO_ERROR;
}

static TSS2_RC tcti_transmit(TSS2_TCTI_CONTEXT *context, size_t size, uint8_t const *command)
{
	struct tcti_usb *t = ours(context);
	if (!t)
		return TSS2_TCTI_RC_BAD_CONTEXT;
	if (t->sent || t->held)
		return TSS2_TCTI_RC_BAD_SEQUENCE;
	if (!command || size < RESPONSE_HEADER || size > BRIDGE_TPM_MAX)
		return TSS2_TCTI_RC_BAD_VALUE;
	err_clear(&t->cause);
	if (!bridge_send(t->bridge, BRIDGE_TPM, &(struct span){command, size}, 1, t->deadline_ms, &t->cause))
		return io_error(t);
	t->sent = true;
	return TSS2_RC_SUCCESS;
}

static bool response_is_whole(const struct bridge_answer *a, struct err *e)
{
	if (a->len < RESPONSE_HEADER || a->len > BRIDGE_TPM_MAX || get_u32(a->data + 2) != a->len)
		return err_set(e, E_TPM_GARBAGE, "%zu bytes are no TPM response", a->len);
	return true;
}

/* Receives into t->response. TRY_AGAIN when the caller's own patience, but not the call's deadline, is over. */
static TSS2_RC fetch(struct tcti_usb *t, int32_t timeout)
{
	struct bridge_answer a;
	struct err e = {0};
	int64_t until_ms = t->deadline_ms;
	int64_t patient_until_ms = clock_steady_ms() + (timeout > POLL_MS ? timeout : POLL_MS);
	if (timeout != TSS2_TCTI_TIMEOUT_BLOCK && patient_until_ms < until_ms)
		until_ms = patient_until_ms;
	if (!bridge_receive(t->bridge, &a, until_ms, &e)) {
		if ((e.code == E_CHILD_SILENT || e.code == E_UNIT_BUSY) && until_ms < t->deadline_ms)
			return TSS2_TCTI_RC_TRY_AGAIN;
		t->cause = e;
		return io_error(t);
	}
	if (!bridge_status_is_ok(a.status, &t->cause) || !response_is_whole(&a, &t->cause))
		return io_error(t);
	memcpy(t->response, a.data, a.len);
	t->held = a.len;
	t->sent = false;
	return TSS2_RC_SUCCESS;
}

static TSS2_RC tcti_receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response, int32_t timeout)
{
	struct tcti_usb *t = ours(context);
	if (!t)
		return TSS2_TCTI_RC_BAD_CONTEXT;
	if (!size)
		return TSS2_TCTI_RC_BAD_REFERENCE;
	if (timeout < TSS2_TCTI_TIMEOUT_BLOCK)
		return TSS2_TCTI_RC_BAD_VALUE;
	if (!t->sent && !t->held)
		return TSS2_TCTI_RC_BAD_SEQUENCE;
	TSS2_RC rc = t->held ? TSS2_RC_SUCCESS : fetch(t, timeout);
	if (rc != TSS2_RC_SUCCESS)
		return rc;
	size_t room = *size;
	*size = t->held;
	if (!response)
		return TSS2_RC_SUCCESS;
	if (room < t->held)
		return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
	memcpy(response, t->response, t->held);
	t->held = 0;
	return TSS2_RC_SUCCESS;
}

static TSS2_RC tcti_cancel(TSS2_TCTI_CONTEXT *context)
{
	struct tcti_usb *t = ours(context);
	if (!t)
		return TSS2_TCTI_RC_BAD_CONTEXT;
	if (!t->sent)
		return TSS2_TCTI_RC_BAD_SEQUENCE;
	if (!bridge_cancel(t->bridge, t->deadline_ms, &t->cause))
		return io_error(t);
	t->sent = false;
	return TSS2_RC_SUCCESS;
}

/* The bridge is lent, and the memory is the caller's. */
static void tcti_finalize(TSS2_TCTI_CONTEXT *context)
{
	struct tcti_usb *t = ours(context);
	if (t)
		memset(t, 0, sizeof(*t));
}

static TSS2_RC tcti_poll_handles(TSS2_TCTI_CONTEXT *context, TSS2_TCTI_POLL_HANDLE *handles, size_t *count)
{
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC tcti_set_locality(TSS2_TCTI_CONTEXT *context, uint8_t locality)
{
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC tcti_make_sticky(TSS2_TCTI_CONTEXT *context, TPM2_HANDLE *handle, uint8_t sticky)
{
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

void tcti_usb_init(struct tcti_usb *t, struct bridge *bridge)
{
	memset(t, 0, sizeof(*t));
	t->bridge = bridge;
	TSS2_TCTI_MAGIC(&t->common) = MAGIC;
	TSS2_TCTI_VERSION(&t->common) = 2;
	TSS2_TCTI_TRANSMIT(&t->common) = tcti_transmit;
	TSS2_TCTI_RECEIVE(&t->common) = tcti_receive;
	TSS2_TCTI_FINALIZE(&t->common) = tcti_finalize;
	TSS2_TCTI_CANCEL(&t->common) = tcti_cancel;
	TSS2_TCTI_GET_POLL_HANDLES(&t->common) = tcti_poll_handles;
	TSS2_TCTI_SET_LOCALITY(&t->common) = tcti_set_locality;
	TSS2_TCTI_MAKE_STICKY(&t->common) = tcti_make_sticky;
}

void tcti_usb_begin(struct tcti_usb *t, int64_t deadline_ms)
{
	t->deadline_ms = deadline_ms;
	t->sent = false;
	t->held = 0;
	err_clear(&t->cause);
}

TSS2_TCTI_CONTEXT *tcti_usb_context(struct tcti_usb *t)
{
	return (TSS2_TCTI_CONTEXT *)&t->common;
}
