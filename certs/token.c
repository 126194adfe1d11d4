/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/token_inside.h"
#include "station/base/file.h"

#include <p11-kit/p11-kit.h>
#include <p11-kit/uri.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_MAX 64

/* ---- what PKCS#11 says ---- */

static bool is_gone(CK_RV rv)
{
	static const CK_RV gone[] = {CKR_DEVICE_REMOVED, CKR_DEVICE_ERROR, CKR_TOKEN_NOT_PRESENT, CKR_TOKEN_NOT_RECOGNIZED,
				     CKR_SLOT_ID_INVALID, CKR_GENERAL_ERROR, CKR_CRYPTOKI_NOT_INITIALIZED};
	for (size_t i = 0; i < COUNT_OF(gone); i++)
		if (rv == gone[i])
			return true;
	return false;
}

bool token_fail(CK_RV rv, enum err_code code, const char *doing, struct err *e)
{
	const char *text = p11_kit_strerror(rv);
	return err_native(e, is_gone(rv) ? E_TOKEN_GONE : code, (int64_t)rv, "%s: %s", doing, text ? text : "PKCS#11");
}

bool token_session_is_lost(CK_RV rv)
{
	return rv == CKR_SESSION_HANDLE_INVALID || rv == CKR_SESSION_CLOSED || rv == CKR_USER_NOT_LOGGED_IN ||
	       rv == CKR_OBJECT_HANDLE_INVALID || rv == CKR_KEY_HANDLE_INVALID;
}

/* ---- the PIN's tries ---- */

/* One byte: how many logins were begun whose answer nobody saw, or that one was refused. */
enum { TRIES_NONE = '0', TRIES_MOST = '2', TRIES_REFUSED = 'X' };

static bool tries_open(struct token *t, const char *path, struct err *e)
{
	t->tries_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	return t->tries_fd >= 0 || err_errno(e, E_FILE, "%s", path);
}

static bool tries_write(struct token *t, char tries, struct err *e)
{
	if (pwrite(t->tries_fd, &tries, 1, 0) != 1 || fdatasync(t->tries_fd) < 0)
		return err_errno(e, E_FILE, "counting the PIN's tries");
	return true;
}

/* On disk before the token is asked. A power cut in mid-login is no refusal, and may happen once. */
static bool try_is_allowed(struct token *t, struct err *e)
{
	char tries = TRIES_NONE;
	if (pread(t->tries_fd, &tries, 1, 0) < 0)
		return err_errno(e, E_FILE, "the PIN's tries");
	if (tries == TRIES_REFUSED || tries >= TRIES_MOST)
		return err_set(e, E_TOKEN_PIN,
			       tries == TRIES_REFUSED ? "it was refused before" : "two logins were begun and never answered");
	return tries_write(t, tries < TRIES_NONE ? TRIES_NONE + 1 : (char)(tries + 1), e);
}

static bool token_allows_tries(struct token *t, struct err *e)
{
	CK_TOKEN_INFO info;
	CK_RV rv = t->p11->C_GetTokenInfo(t->slot, &info);
	if (rv != CKR_OK)
		return token_fail(rv, E_TOKEN_GONE, "asking the token", e);
	if (info.flags & (CKF_USER_PIN_COUNT_LOW | CKF_USER_PIN_FINAL_TRY | CKF_USER_PIN_LOCKED))
		return err_set(e, E_TOKEN_PIN, "the token says that few tries are left, or none");
	return true;
}

/* Whether the session really is a user's: "already logged in" may be said to any PIN. */
static bool is_logged_in(struct token *t)
{
	CK_SESSION_INFO info = {0};
	return t->p11->C_GetSessionInfo(t->session, &info) == CKR_OK && info.state == CKS_RW_USER_FUNCTIONS;
}

static bool log_in(struct token *t, struct err *e)
{
	struct err ignored = {0};
	if (!token_allows_tries(t, e) || !try_is_allowed(t, e))
		return false;
	CK_RV rv = t->p11->C_Login(t->session, CKU_USER, t->pin.data, t->pin.len);
	if (rv == CKR_OK || (rv == CKR_USER_ALREADY_LOGGED_IN && is_logged_in(t)))
		return tries_write(t, TRIES_NONE, e);
	if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LOCKED || rv == CKR_PIN_EXPIRED || rv == CKR_PIN_INVALID ||
	    rv == CKR_PIN_LEN_RANGE) {
		if (!tries_write(t, TRIES_REFUSED, &ignored))
			err_clear(&ignored);
		return err_native(e, E_TOKEN_PIN, (int64_t)rv, "%s", p11_kit_strerror(rv));
	}
	/* Whatever else it says, the PIN may have been looked at: the try stays counted. */
	return token_fail(rv, E_TOKEN_GONE, "logging in", e);
}

/* ---- the session ---- */

bool token_session(struct token *t, struct err *e)
{
	if (t->session)
		t->p11->C_CloseSession(t->session);
	t->session = 0;
	t->sessions++;
	CK_RV rv = t->p11->C_OpenSession(t->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &t->session);
	if (rv != CKR_OK)
		return token_fail(rv, E_TOKEN_GONE, "opening a session", e);
	return log_in(t, e);
}

/* ---- finding the token ---- */

static bool uri_parse(const char *text, P11KitUri **ret, struct err *e)
{
	P11KitUri *uri = p11_kit_uri_new();
	if (!uri)
		return err_set(e, E_NOMEM, "URI");
	int rc = p11_kit_uri_parse(text, P11_KIT_URI_FOR_OBJECT_ON_TOKEN, uri);
	if (rc == P11_KIT_URI_OK && !p11_kit_uri_any_unrecognized(uri) && !p11_kit_uri_get_pin_value(uri)) {
		*ret = uri;
		return true;
	}
	err_set(e, E_CA_FILE, "%s", p11_kit_uri_get_pin_value(uri) ? "a PIN does not belong into a URI"
		: rc == P11_KIT_URI_OK ? "the URI has attributes that are not known here" : p11_kit_uri_message(rc));
	p11_kit_uri_free(uri);
	return false;
}

static bool find_slot(struct token *t, P11KitUri *uri, struct err *e)
{
	CK_SLOT_ID slots[SLOTS_MAX];
	CK_ULONG count = SLOTS_MAX;
	unsigned found = 0;
	CK_RV rv = t->p11->C_GetSlotList(CK_TRUE, slots, &count);
	if (rv != CKR_OK)
		return token_fail(rv, E_TOKEN_GONE, "asking for tokens", e);
	for (CK_ULONG i = 0; i < count && i < SLOTS_MAX; i++) {
		CK_TOKEN_INFO info;
		if (t->p11->C_GetTokenInfo(slots[i], &info) != CKR_OK || !p11_kit_uri_match_token_info(uri, &info))
			continue;
		t->slot = slots[i];
		found++;
	}
	if (found > 1)
		return err_set(e, E_CA_FILE, "%u tokens fit the URI", found);
	return found || err_set(e, E_TOKEN_GONE, "the token is not there");
}

static bool client_open(struct token *t, const char *socket, struct err *e)
{
	char address[512];
	signal(SIGPIPE, SIG_IGN);	/* the client writes to a server that may be gone */
	if (snprintf(address, sizeof(address), "unix:path=%s", socket) >= (int)sizeof(address) ||
	    setenv("P11_KIT_SERVER_ADDRESS", address, 1) < 0)
		return err_set(e, E_CA_FILE, "the path of the token's socket is too long");
	t->p11 = p11_kit_module_load("p11-kit-client.so", P11_KIT_MODULE_UNMANAGED);
	if (!t->p11)
		return err_set(e, E_CA_FILE, "p11-kit-client.so cannot be loaded: %s", p11_kit_message());
	CK_RV rv = p11_kit_module_initialize(t->p11);
	if (rv == CKR_OK)
		return true;
	p11_kit_module_release(t->p11);
	t->p11 = NULL;
	return token_fail(rv, E_TOKEN_GONE, "reaching the token's server", e);
}

static bool open_all(struct token *t, const struct token_setup *setup, struct err *e)
{
	P11KitUri *uri = NULL;
	t->pin.secret = true;
	t->pin.max = 256;
	if (!secret_read(setup->pin, &t->pin, e) || !uri_parse(setup->uri, &uri, e))
		return false;
	bool ok = tries_open(t, setup->memory_path, e) && client_open(t, setup->socket, e) && find_slot(t, uri, e) &&
		token_session(t, e);
	p11_kit_uri_free(uri);
	return ok;
}

bool token_open(const struct token_setup *setup, struct token **ret, struct err *e)
{
	struct token *t = calloc(1, sizeof(*t));
	if (!t)
		return err_set(e, E_NOMEM, "token");
	t->tries_fd = -1;
	if (!open_all(t, setup, e)) {
		token_close(t);
		return false;
	}
	*ret = t;
	return true;
}

void token_close(struct token *t)
{
	if (!t)
		return;
	if (t->p11 && t->session)
		t->p11->C_CloseSession(t->session);
	if (t->p11) {
		p11_kit_module_finalize(t->p11);
		p11_kit_module_release(t->p11);
	}
	if (t->tries_fd >= 0)
		close(t->tries_fd);
	bytes_fini(&t->pin);
	free(t);
}

/* ---- objects ---- */

/* One more handle than there is room for is asked for, so that too many are seen. A module may say that it gave more than that. */
static CK_RV find_once(struct token *t, CK_ATTRIBUTE *template, CK_ULONG count, CK_OBJECT_HANDLE *ret, CK_ULONG room,
		       CK_ULONG *ret_count)
{
	CK_OBJECT_HANDLE more;
	CK_ULONG got = 0, beyond = 0;
	CK_RV rv = t->p11->C_FindObjectsInit(t->session, template, count);
	if (rv != CKR_OK)
		return rv;
	*ret_count = 0;
	do {
		rv = t->p11->C_FindObjects(t->session, ret + *ret_count, room - *ret_count, &got);
		if (rv == CKR_OK && got > room - *ret_count)
			rv = CKR_DATA_LEN_RANGE;
		*ret_count += rv == CKR_OK ? got : 0;
	} while (rv == CKR_OK && got && *ret_count < room);
	if (rv == CKR_OK && *ret_count == room && got)
		rv = t->p11->C_FindObjects(t->session, &more, 1, &beyond);
	t->p11->C_FindObjectsFinal(t->session);
	return rv == CKR_OK && beyond ? CKR_DATA_LEN_RANGE : rv;
}

bool token_find(struct token *t, CK_ATTRIBUTE *template, CK_ULONG count, CK_OBJECT_HANDLE *ret, CK_ULONG room, CK_ULONG *ret_count,
		enum err_code code, struct err *e)
{
	CK_RV rv = find_once(t, template, count, ret, room, ret_count);
	if (token_session_is_lost(rv)) {
		if (!token_session(t, e))
			return false;
		rv = find_once(t, template, count, ret, room, ret_count);
	}
	if (rv == CKR_DATA_LEN_RANGE)
		return err_set(e, code, "more than %lu objects on the token are of that name", room);
	return rv == CKR_OK || token_fail(rv, code, "looking for an object", e);
}

bool token_uri_attributes(const char *text, CK_ATTRIBUTE *ret, CK_ULONG *ret_count, P11KitUri **ret_uri, struct err *e)
{
	static const CK_ATTRIBUTE_TYPE wanted[] = {CKA_LABEL, CKA_ID};
	*ret_count = 0;
	if (!uri_parse(text, ret_uri, e))
		return false;
	for (size_t i = 0; i < COUNT_OF(wanted); i++) {
		CK_ATTRIBUTE *a = p11_kit_uri_get_attribute(*ret_uri, wanted[i]);
		if (a)
			ret[(*ret_count)++] = *a;
	}
	if (*ret_count)
		return true;
	p11_kit_uri_free(*ret_uri);
	*ret_uri = NULL;
	return err_set(e, E_CA_FILE, "the URI names no object (object=, id=)");
}
