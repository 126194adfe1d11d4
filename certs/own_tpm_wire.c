/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/own_tpm_esys.h"
#include "station/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define MAGIC 0x5354414f574e5450ull	/* "STAOWNTP" */
#define HEADER 10	/* tag, responseSize, responseCode: TPM 2.0 Part 1, section 18 */

static struct own_tpm_wire *ours(TSS2_TCTI_CONTEXT *context)
{
	return context && TSS2_TCTI_MAGIC(context) == MAGIC ? (struct own_tpm_wire *)context : NULL;
}

static TSS2_RC lost(struct own_tpm_wire *w)
{
	w->lost = true;
	w->sent = false;
	w->held = 0;
	return TSS2_TCTI_RC_IO_ERROR;
}

/* False when the deadline is over, or the other end is away. */
static bool ready(const struct own_tpm_wire *w, short events)
{
	struct pollfd p = {.fd = w->fd, .events = events};
	int n;
	do {
		n = poll(&p, 1, clock_left_ms(w->deadline_ms));
	} while (n < 0 && errno == EINTR);
	return n == 1 && (p.revents & events);
}

static bool may_try_again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* The kernel's driver takes a command in one write only; a socket may take it in parts. */
static bool put(struct own_tpm_wire *w, const uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = w->is_socket ? send(w->fd, data, len, MSG_NOSIGNAL) : write(w->fd, data, len);
		if (n <= 0 && !(n < 0 && may_try_again() && ready(w, POLLOUT)))
			return false;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return true;
}

static size_t whole(const struct own_tpm_wire *w)
{
	const uint8_t *p = w->response + 2;
	return w->held < HEADER ? HEADER : (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

/* The kernel's driver gives a response in one read; a socket may give it in parts. */
static bool get(struct own_tpm_wire *w)
{
	while (w->held < whole(w)) {
		if (whole(w) > sizeof(w->response) || !ready(w, POLLIN))
			return false;
		ssize_t n = read(w->fd, w->response + w->held, sizeof(w->response) - w->held);
		if (n <= 0 && !(n < 0 && may_try_again()))
			return false;
		w->held += n > 0 ? (size_t)n : 0;
	}
	return w->held == whole(w) && w->held >= HEADER;
}

static TSS2_RC wire_transmit(TSS2_TCTI_CONTEXT *context, size_t size, uint8_t const *command)
{
	struct own_tpm_wire *w = ours(context);
	if (!w)
		return TSS2_TCTI_RC_BAD_CONTEXT;
	if (w->sent)
		return TSS2_TCTI_RC_BAD_SEQUENCE;
	if (!command || size < HEADER || size > OWN_TPM_MAX)
		return TSS2_TCTI_RC_BAD_VALUE;
	if (w->lost || !put(w, command, size))
		return lost(w);
	w->sent = true;
	w->held = 0;
	return TSS2_RC_SUCCESS;
}

/* It waits until the deadline of the whole operation, whatever patience tss2 has. */
static TSS2_RC wire_receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response, int32_t timeout)
{
	struct own_tpm_wire *w = ours(context);
	(void)timeout;
	if (!w)
		return TSS2_TCTI_RC_BAD_CONTEXT;
	if (!size)
		return TSS2_TCTI_RC_BAD_REFERENCE;
	if (!w->sent)
		return TSS2_TCTI_RC_BAD_SEQUENCE;
	if (!get(w))
		return lost(w);
	size_t room = *size;
	*size = w->held;
	if (!response)
		return TSS2_RC_SUCCESS;
	if (room < w->held)
		return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
	memcpy(response, w->response, w->held);
	w->sent = false;
	w->held = 0;
	return TSS2_RC_SUCCESS;
}

/* The memory is the caller's, and own_tpm_wire_close closes the descriptor. */
static void wire_finalize(TSS2_TCTI_CONTEXT *context)
{
	(void)context;
}

static TSS2_RC wire_cancel(TSS2_TCTI_CONTEXT *context)
{
	(void)context;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC wire_poll_handles(TSS2_TCTI_CONTEXT *context, TSS2_TCTI_POLL_HANDLE *handles, size_t *count)
{
	(void)context, (void)handles, (void)count;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC wire_set_locality(TSS2_TCTI_CONTEXT *context, uint8_t locality)
{
	(void)context, (void)locality;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC wire_make_sticky(TSS2_TCTI_CONTEXT *context, TPM2_HANDLE *handle, uint8_t sticky)
{
	(void)context, (void)handle, (void)sticky;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static bool connect_socket(struct own_tpm_wire *w, const char *path, struct err *e)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(a.sun_path))
		return err_set(e, E_CA_FILE, "tcti: a path of more than %zu bytes", sizeof(a.sun_path) - 1);
	memcpy(a.sun_path, path, strlen(path) + 1);
	w->is_socket = true;
	w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (w->fd < 0 || connect(w->fd, (const struct sockaddr *)&a, sizeof(a)) != 0)
		return err_errno(e, E_TOKEN_GONE, "the TPM at %s", path);
	return true;
}

static bool open_device(struct own_tpm_wire *w, const char *path, struct err *e)
{
	w->fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return w->fd >= 0 || err_errno(e, E_TOKEN_GONE, "the TPM %s", path);
}

bool own_tpm_wire_open(struct own_tpm_wire *w, const char *tcti, struct err *e)
{
	memset(w, 0, sizeof(*w));
	w->fd = -1;
	TSS2_TCTI_MAGIC(&w->common) = MAGIC;
	TSS2_TCTI_VERSION(&w->common) = 2;
	TSS2_TCTI_TRANSMIT(&w->common) = wire_transmit;
	TSS2_TCTI_RECEIVE(&w->common) = wire_receive;
	TSS2_TCTI_FINALIZE(&w->common) = wire_finalize;
	TSS2_TCTI_CANCEL(&w->common) = wire_cancel;
	TSS2_TCTI_GET_POLL_HANDLES(&w->common) = wire_poll_handles;
	TSS2_TCTI_SET_LOCALITY(&w->common) = wire_set_locality;
	TSS2_TCTI_MAKE_STICKY(&w->common) = wire_make_sticky;
	if (!strncmp(tcti, "device:/", 8))
		return open_device(w, tcti + 7, e);
	if (!strncmp(tcti, "swtpm:path=/", 12))
		return connect_socket(w, tcti + 11, e);
	return err_set(e, E_CA_FILE, "tcti is device:/PATH or swtpm:path=/PATH");
}

void own_tpm_wire_close(struct own_tpm_wire *w)
{
	if (w->fd >= 0)
		close(w->fd);
	wipe(w, sizeof(*w));
	w->fd = -1;
}
