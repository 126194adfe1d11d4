/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to a check-in, read strictly: it decides whether a unit begins. Pure.
 *
 *   {"id":"<of the question>","decision":"go"|"hold"|"skip"|"error","reason":"…","code":"…",
 *    "variant":"…","unit_id":"…","group":"…","profile":"…","lot":"…"}      all but the first two optional */
#ifndef STATION_MES_ANSWER_H
#define STATION_MES_ANSWER_H

#include "station/mes/mes.h"

#define MES_ANSWER_MAX 65536u

/* E_MES when it is not of the form, or answers another question. Unknown members are skipped. */
WARN_UNUSED bool mes_answer_parse(const char *text, size_t len, const char *question_id, struct mes_answer *ret, struct err *e);

/* "go", "hold", "skip", "error". */
const char *mes_decision_name(enum mes_decision decision);

#endif
