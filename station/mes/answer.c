/* SPDX-License-Identifier: Apache-2.0 */
#include "station/mes/answer.h"
#include "station/base/text.h"

#include <string.h>

static const char *const decisions[] = {[MES_GO] = "go", [MES_HOLD] = "hold", [MES_SKIP] = "skip", [MES_ERROR] = "error"};

const char *mes_decision_name(enum mes_decision decision)
{
	return decisions[decision];
}

static bool take(const json_t *answer, const char *member, char *out, size_t room, struct err *e)
{
	const json_t *value = json_object_get(answer, member);
	if (!value || json_is_null(value))
		return true;
	if (!json_is_string(value) || json_string_length(value) >= room ||
	    !text_is_printable(json_string_value(value), json_string_length(value)))
		return err_set(e, E_MES, "the answer's %s is no printable text of at most %zu characters", member, room - 1);
	return text_copy(out, room, json_string_value(value), e);
}

/* Bytes of the character that begins here; JSON's texts are whole UTF-8. */
static size_t character_at(const char *text)
{
	unsigned char first = (unsigned char)*text;
	return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* C0, DEL, C1: what moves a terminal's cursor. */
static bool is_control(const char *text)
{
	unsigned char first = (unsigned char)text[0];
	return first < 0x20 || first == 0x7f || (first == 0xc2 && (unsigned char)text[1] < 0xa0);
}

/* The reason is for a person, in his language: what does not fit is cut between two characters, controls are taken out. */
static void take_reason(const json_t *answer, char *out, size_t room)
{
	const char *text = json_text_or(answer, "reason", "");
	size_t n = 0;
	for (size_t len; *text && n + (len = character_at(text)) < room; text += len) {
		if (is_control(text))
			continue;
		memcpy(out + n, text, len);
		n += len;
	}
	out[n] = '\0';
}

static bool take_decision(const json_t *answer, enum mes_decision *ret, struct err *e)
{
	const char *text = json_text_or(answer, "decision", "");
	for (size_t i = 0; i < COUNT_OF(decisions); i++) {
		if (strcmp(decisions[i], text) != 0)
			continue;
		*ret = (enum mes_decision)i;
		return true;
	}
	return err_set(e, E_MES, "the answer's decision is none of go, hold, skip, error");
}

bool mes_answer_parse(const char *text, size_t len, const char *question_id, struct mes_answer *ret, struct err *e)
{
	AUTO(json) json_t *answer = NULL;
	struct err why = {0};
	*ret = (struct mes_answer){.decision = MES_ERROR};
	if (len > MES_ANSWER_MAX || !json_parse(text, len, &answer, &why))
		return err_set(e, E_MES, "the answer is no JSON of at most %u bytes", MES_ANSWER_MAX);
	if (strcmp(json_text_or(answer, "id", ""), question_id) != 0)
		return err_set(e, E_MES, "the answer is to another question");
	take_reason(answer, ret->reason, sizeof(ret->reason));
	return take(answer, "code", ret->code, sizeof(ret->code), e) &&
	       take(answer, "variant", ret->variant, sizeof(ret->variant), e) && take(answer, "unit_id", ret->id, sizeof(ret->id), e) &&
	       take(answer, "group", ret->group, sizeof(ret->group), e) && take(answer, "profile", ret->profile,
			sizeof(ret->profile), e) &&
	       take(answer, "lot", ret->lot, sizeof(ret->lot), e) &&
	       take_decision(answer, &ret->decision, e);
}
