/* SPDX-License-Identifier: Apache-2.0 */
/* The anchor of the count on a token: private data objects of one label, of which the highest number counts. */
#include "certs/token_inside.h"
#include "station/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOUND_MAX 16	/* one, or two where a step was cut off */
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

static bool read_number(struct token_anchor *a, CK_OBJECT_HANDLE object, uint64_t *ret, struct err *e)
{
	char text[NUMBER] = "", *end;
	CK_ATTRIBUTE value = {CKA_VALUE, text, sizeof(text) - 1};
	CK_RV rv = a->token->p11->C_GetAttributeValue(a->token->session, object, &value, 1);
	if (rv != CKR_OK)
		return token_fail(rv, E_ANCHOR, "reading the anchor", e);
	*ret = strtoull(text, &end, 10);
	return (end != text && !*end) || err_set(e, E_ANCHOR, "the anchor on the token is no number");
}

static bool read_all(struct token_anchor *a, struct numbers *n, uint64_t *ret_highest, struct err *e)
{
	CK_OBJECT_CLASS class = CKO_DATA;
	CK_ATTRIBUTE template[] = {{CKA_CLASS, &class, sizeof(class)}, {CKA_LABEL, a->label, strlen(a->label)},
				   {CKA_APPLICATION, application, strlen(application)}};
	*ret_highest = 0;
	n->count = 0;
	if (!token_find(a->token, template, COUNT_OF(template), n->object, FOUND_MAX, &n->count, e))
		return false;
	for (CK_ULONG i = 0; i < n->count; i++) {
		if (!read_number(a, n->object[i], &n->number[i], e))
			return false;
		*ret_highest = n->number[i] > *ret_highest ? n->number[i] : *ret_highest;
	}
	return true;
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
	return rv == CKR_OK || token_fail(rv, E_ANCHOR, "writing the anchor", e);
}

static bool anchor_read(void *state, uint64_t *ret, struct err *e)
{
	struct numbers n;
	return read_all(state, &n, ret, e) && (n.count || err_set(e, E_ANCHOR, "there is no anchor of that label on the token"));
}

/* First the new one, then the old ones go: cut off between, the highest counts. */
static bool anchor_advance(void *state, uint64_t *ret, struct err *e)
{
	struct token_anchor *a = state;
	struct numbers n;
	uint64_t highest;
	if (!read_all(a, &n, &highest, e))
		return false;
	if (!n.count)
		return err_set(e, E_ANCHOR, "there is no anchor of that label on the token");
	if (!put(a, highest + 1, e))
		return false;
	for (CK_ULONG i = 0; i < n.count; i++)
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
