/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the token, for certs/token*.c only. */
#ifndef CERTS_TOKEN_INSIDE_H
#define CERTS_TOKEN_INSIDE_H

#include "certs/token.h"

#include <p11-kit/pkcs11.h>
#include <p11-kit/uri.h>

struct token {
	CK_FUNCTION_LIST *p11;	/* p11-kit-client.so */
	CK_SLOT_ID slot;
	CK_SESSION_HANDLE session;
	unsigned sessions;	/* that were opened: handles of objects are of one of them */
	int tries_fd;		/* setup.memory_path */
	struct bytes pin;
};

/* Says what PKCS#11's code means: E_TOKEN_GONE, or `code`. Returns false. */
bool token_fail(CK_RV rv, enum err_code code, const char *doing, struct err *e);
/* True if a new session might help. */
bool token_session_is_lost(CK_RV rv);
/* Opens a session, in the place of the old one, and logs in. */
WARN_UNUSED bool token_session(struct token *t, struct err *e);
/* At most `room` handles; *ret_count says how many. More than that on the token is an error of this code: nothing is passed over in
 * silence. A session that was lost is opened anew, once. */
WARN_UNUSED bool token_find(struct token *t, CK_ATTRIBUTE *template, CK_ULONG count, CK_OBJECT_HANDLE *ret, CK_ULONG room,
			    CK_ULONG *ret_count, enum err_code code, struct err *e);
/* Label and id of a URI, at most two, lent as long as *ret_uri is there (p11_kit_uri_free). E_CA_FILE. */
WARN_UNUSED bool token_uri_attributes(const char *text, CK_ATTRIBUTE *ret, CK_ULONG *ret_count, P11KitUri **ret_uri, struct err *e);

#endif
