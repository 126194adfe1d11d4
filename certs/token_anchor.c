/* SPDX-License-Identifier: Apache-2.0 */
/* The anchor of the count on a token: private data objects of one label, of which the highest number counts. */
#include "certs/token_inside.h"
#include "station/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOUND_MAX 32	/* one, or two where a step was cut off; more where the token does not remove them */
#define NUMBER 21	/* decimal digits of a number, and NUL */

static char application[] = "station count";

struct token_anchor {
	struct token *token;
	char label[65];
};

struct numbers {
	CK_OBJECT_HANDLE object[FOUND_MAX];
	uint64_t number[FOUND_MAX];
	CK_ULONG count;
};

static CK_RV get_text(struct token_anchor *a, CK_OBJECT_HANDLE object, char ret[static NUMBER])
{
	CK_ATTRIBUTE value = {CKA_VALUE, ret, NUMBER - 1};
	memset(ret, 0, NUMBER);
	CK_RV rv = a->token->p11->C_GetAttributeValue(a->token->session, object, &value, 1);
	return rv == CKR_OK && value.ulValueLen > NUMBER - 1 ? CKR_DATA_LEN_RANGE : rv;
}

static CK_RV read_found(struct token_anchor *a, struct numbers *n, uint64_t *ret_highest)
{
	*ret_highest = 0;
	for (CK_ULONG i = 0; i < n->count; i++) {
		char text[NUMBER], *end;
		CK_RV rv = get_text(a, n->object[i], text);
		if (rv != CKR_OK)
			return rv;
		n->number[i] = strtoull(text, &end, 10);
		if (end == text || *end || text[0] < '0' || text[0] > '9')
			return CKR_DATA_INVALID;
		*ret_highest = n->number[i] > *ret_highest ? n->number[i] : *ret_highest;
	}
	return CKR_OK;
}

static bool find_all(struct token_anchor *a, struct numbers *n, struct err *e)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_LABEL, a->label, strlen(a->label)},
				   {CKA_APPLICATION, application, strlen(application)}};
	n->count = 0;
	return token_find(a->token, template, COUNT_OF(template), n->object, FOUND_MAX, &n->count, E_ANCHOR, e);
}

/* Handles are of the session in which they were found: one that is lost between begins both again, once. */
static bool read_all(struct token_anchor *a, struct numbers *n, uint64_t *ret_highest, struct err *e)
{
	if (!find_all(a, n, e))
		return false;
	CK_RV rv = read_found(a, n, ret_highest);
	if (token_session_is_lost(rv)) {
		if (!token_session(a->token, e) || !find_all(a, n, e))
			return false;
		rv = read_found(a, n, ret_highest);
	}
	return rv == CKR_OK || token_fail(rv, E_ANCHOR, "reading the anchor", e);
}

static bool put(struct token_anchor *a, uint64_t number, struct err *e)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_BBOOL yes = CK_TRUE;
	CK_OBJECT_HANDLE made;
	char text[NUMBER];
	int len = snprintf(text, sizeof(text), "%020" PRIu64, number);
	CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_TOKEN, &yes, sizeof(yes)}, {CKA_PRIVATE, &yes, sizeof(yes)},
				   {CKA_LABEL, a->label, strlen(a->label)}, {CKA_APPLICATION, application, strlen(application)},
				   {CKA_VALUE, text, (CK_ULONG)len}};
	CK_RV rv = a->token->p11->C_CreateObject(a->token->session, template, COUNT_OF(template), &made);
	if (token_session_is_lost(rv)) {
		if (!token_session(a->token, e))
			return false;
		rv = a->token->p11->C_CreateObject(a->token->session, template, COUNT_OF(template), &made);
	}
	return rv == CKR_OK || token_fail(rv, E_ANCHOR, "writing the anchor", e);
}

/* What the token holds now, by what it tells: a module that says yes and keeps nothing is found. */
static bool put_and_look(struct token_anchor *a, uint64_t number, struct numbers *n, struct err *e)
{
	uint64_t now;
	return put(a, number, e) && read_all(a, n, &now, e) &&
	       (now == number || err_set(e, E_ANCHOR, "the token took %" PRIu64 " and holds %" PRIu64, number, now));
}

static bool anchor_read(void *state, uint64_t *ret, struct err *e)
{
	struct numbers n;
	return read_all(state, &n, ret, e) && (n.count || err_set(e, E_ANCHOR, "there is no anchor of that label on the token"));
}

/* First the new one, which is read back, then the old ones go: cut off between, the highest counts. */
static bool anchor_advance(void *state, uint64_t *ret, struct err *e)
{
	struct token_anchor *a = state;
	struct numbers n;
	uint64_t highest;
	if (!read_all(a, &n, &highest, e))
		return false;
	if (!n.count)
		return err_set(e, E_ANCHOR, "there is no anchor of that label on the token");
	if (highest == UINT64_MAX)
		return err_set(e, E_ANCHOR, "the anchor is at its end");
	if (!put_and_look(a, highest + 1, &n, e))
		return false;
	/* What is not removed now is tried again at the next step; too many of them stop it (token_find). */
	for (CK_ULONG i = 0; i < n.count; i++)
		if (n.number[i] <= highest)
			a->token->p11->C_DestroyObject(a->token->session, n.object[i]);
	*ret = highest + 1;
	return true;
}

static const struct anchor_ops token_anchor_ops = {.name = "token", .read = anchor_read, .advance = anchor_advance, .close = free};

static bool label_is_taken(struct token_anchor *a, struct token *t, const char *label, struct err *e)
{
	a->token = t;
	return text_copy(a->label, sizeof(a->label), label, e);
}

bool anchor_open_token(struct token *t, const char *label, struct anchor *ret, struct err *e)
{
	uint64_t now;
	struct token_anchor *a = calloc(1, sizeof(*a));
	if (!a)
		return err_set(e, E_NOMEM, "anchor");
	if (!label_is_taken(a, t, label, e) || !anchor_read(a, &now, e)) {
		free(a);
		return false;
	}
	*ret = (struct anchor){&token_anchor_ops, a};
	return true;
}

bool token_make_anchor(struct token *t, const char *label, struct err *e)
{
	struct token_anchor a;
	struct numbers n;
	uint64_t highest;
	if (!label_is_taken(&a, t, label, e) || !read_all(&a, &n, &highest, e))
		return false;
	return n.count ? err_set(e, E_ANCHOR, "there is an anchor of that label already") : put(&a, 1, e);
}
