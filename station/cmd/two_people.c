/* SPDX-License-Identifier: Apache-2.0 */
#include "station/cmd/two_people.h"
#include "station/base/bytes.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ANSWER 128	/* longest badge or PIN, and NUL */

/* A line of what was typed, or of a file. Does not show it where it is typed. */
static bool read_line(FILE *in, const char *question, struct bytes *ret, struct err *e)
{
	char line[ANSWER] = "";
	bool typed = isatty(fileno(in));
	char *answer = typed ? getpass(question) : fgets(line, sizeof(line), in);
	size_t len = answer ? strcspn(answer, "\r\n") : 0;
	bool whole = len > 0 && (typed || answer[len] || feof(in));
	bool ok = (whole && bytes_set(ret, answer, len, e)) ||
		  err_set(e, E_TWO_PEOPLE, "four lines are wanted: badge and PIN of the one, badge and PIN of the other");
	if (answer)
		wipe(answer, strlen(answer));
	return ok;
}

static bool read_one(FILE *in, const char *what, const char *which, struct bytes *ret, struct err *e)
{
	char question[64];
	ret->secret = true;
	snprintf(question, sizeof(question), "%s of the %s: ", what, which);
	return read_line(in, question, ret, e);
}

bool command_read_two(const char *from, struct two_shown *ret, struct err *e)
{
	static const char *const which[] = {"first", "second"};
	FILE *in = !from || !strcmp(from, "-") ? stdin : fopen(from, "re");
	bool ok = true;
	if (!in)
		return err_errno(e, E_FILE, "%s", from);
	setvbuf(in, NULL, _IONBF, 0);	/* no buffer keeps what was read */
	for (size_t i = 0; ok && i < COUNT_OF(which); i++)
		ok = read_one(in, "Badge", which[i], &ret->badge[i], e) && read_one(in, "PIN", which[i], &ret->pin[i], e);
	if (in != stdin)
		fclose(in);
	return ok;
}

bool command_two_people(const struct config *c, const char *from, enum doing doing, struct person two[static 2], struct err *e)
{
	AUTO(two_shown) struct two_shown shown = {0};
	struct people *people = NULL;
	if (!c->people_file[0])
		return err_set(e, E_TWO_PEOPLE, "the configuration names no [people] file");
	bool ok = command_read_two(from, &shown, e) && people_open(c->people_file, &people, e) && two_may(people, &shown, doing, two, e);
	people_close(people);
	return ok;
}
