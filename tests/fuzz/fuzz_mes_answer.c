/* SPDX-License-Identifier: Apache-2.0 */
/* What the MES answers to a check-in, as a fuzz target. What holds whatever comes: a failure is E_MES and never "go"; a release
 * names the question and says "go" as a whole; texts are whole, and hold nothing that moves a cursor. */
#include "scratch.h"
#include "station/mes/answer.h"

#include <string.h>

#define QUESTION "019ab0c4-7f00-7d02-8c11-5a0e7c1b2d3f"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool is_printable(const char *text, size_t room)
{
	size_t n = strnlen(text, room);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] > 0x7e)
			return false;
	return n < room;
}

#define PRINTABLE(array) is_printable((array), sizeof(array))

static bool is_for_people(const char *text, size_t room)
{
	size_t n = strnlen(text, room);
	json_t *whole = n < room ? json_stringn(text, n) : NULL;	/* jansson takes nothing but UTF-8 */
	json_decref(whole);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
			return false;
	return whole != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err e = {0}, again = {0};
	struct mes_answer answer;
	json_t *said = NULL;
	bool ok = mes_answer_parse((const char *)data, len, QUESTION, &answer, &e);
	must(ok == (e.code == E_NONE));
	if (!ok) {
		must(e.code == E_MES && answer.decision != MES_GO);
		return 0;
	}
	must(json_parse((const char *)data, len, &said, &again) && !strcmp(json_text_or(said, "id", ""), QUESTION));
	must(!strcmp(json_text_or(said, "decision", ""), mes_decision_name(answer.decision)));
	json_decref(said);
	must(is_for_people(answer.reason, sizeof(answer.reason)) && PRINTABLE(answer.code) && PRINTABLE(answer.variant));
	must(PRINTABLE(answer.id) && PRINTABLE(answer.group) && PRINTABLE(answer.profile) && PRINTABLE(answer.lot));
	return 0;
}
