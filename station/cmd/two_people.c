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

static bool read_person(FILE *in, struct people *people, const char *which, enum doing doing, struct person *ret, struct err *e)
{
	AUTO(bytes) struct bytes badge = {.secret = true}, pin = {.secret = true};
	char question[64];
	bool has_pin = false;
	snprintf(question, sizeof(question), "Badge of the %s: ", which);
	if (!read_line(in, question, &badge, e))
		return false;
	snprintf(question, sizeof(question), "PIN of the %s: ", which);
	if (!read_line(in, question, &pin, e) || !people_by_badge(people, bytes_text(&badge), ret, &has_pin, e) ||
	    !people_check_pin(people, ret->id, &pin, e))
		return false;
	return role_may(ret->role, doing) || err_set(e, E_RIGHTS, "%s, %s", ret->id, role_name(ret->role));
}

static bool read_two(FILE *in, struct people *people, enum doing doing, struct person two[static 2], struct err *e)
{
	if (!read_person(in, people, "first", doing, &two[0], e) || !read_person(in, people, "second", doing, &two[1], e))
		return false;
	return strcmp(two[0].id, two[1].id) != 0 || err_set(e, E_TWO_PEOPLE, "both are %s", two[0].id);
}

bool command_two_people(const struct config *c, const char *from, enum doing doing, struct person two[static 2], struct err *e)
{
	struct people *people = NULL;
	if (!c->people_file[0])
		return err_set(e, E_TWO_PEOPLE, "the configuration names no [people] file");
	FILE *in = !from || !strcmp(from, "-") ? stdin : fopen(from, "re");
	if (!in)
		return err_errno(e, E_FILE, "%s", from);
	setvbuf(in, NULL, _IONBF, 0);	/* no buffer keeps what was read */
	bool ok = people_open(c->people_file, &people, e) && read_two(in, people, doing, two, e);
	people_close(people);
	if (in != stdin)
		fclose(in);
	return ok;
}
