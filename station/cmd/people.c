/* SPDX-License-Identifier: Apache-2.0 */
/* station people: who may work at this line. Badge and PIN come from standard input, a line each (from a terminal the PIN without
 * echo), and never from the command line. */
#include "station/shift/people.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/base/lockdown.h"
#include "station/base/text.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MOST 300

/* The file that the configuration names. */
static bool people_path(const char *config_path, char out[static PATH_MAX], struct err *e)
{
	struct config *c = NULL;
	if (!command_config(config_path, &c, e))
		return false;
	bool ok = c->people_file[0] ? text_copy(out, PATH_MAX, c->people_file, e) :
		  err_set(e, E_USAGE, "the configuration has no [people] file");
	config_free(c);
	return ok;
}

/* One line of standard input, without its end. */
static bool read_line(const char *prompt, struct bytes *ret, struct err *e)
{
	char line[LINE_MOST] = "";
	bool terminal = isatty(STDIN_FILENO);
	ret->secret = true;
	setvbuf(stdin, NULL, _IONBF, 0);	/* no second copy */
	if (!lockdown_no_core(e))
		return false;
	if (terminal) {
		char *typed = getpass(prompt);
		snprintf(line, sizeof(line), "%s", typed ? typed : "");
		wipe(typed, typed ? strlen(typed) : 0);
	} else if (!fgets(line, sizeof(line), stdin)) {
		line[0] = '\0';
	}
	line[strcspn(line, "\r\n")] = '\0';
	bool ok = bytes_add_text(ret, line, e);
	wipe(line, sizeof(line));
	return ok;
}

static int people_init(int argc, char **argv, struct err *e)
{
	const char *path = NULL;
	const struct command_option options[] = {{"config", &path, NULL}, {0}};
	char file[PATH_MAX];
	if (!command_options(&argc, argv, options, e) || !people_path(path, file, e) || !people_create(file, e))
		return EXIT_FAILED;
	printf("%s\n", file);
	return EXIT_OK;
}

const struct command people_init_command = {"people init", "--config FILE", "make an empty file of people", people_init};

static int people_adding(int argc, char **argv, struct err *e)
{
	const char *path = NULL, *name = NULL, *role_text = "operator";
	const struct command_option options[] = {{"config", &path, NULL}, {"name", &name, NULL}, {"role", &role_text, NULL}, {0}};
	char file[PATH_MAX];
	enum role role;
	struct person person;
	AUTO(bytes) struct bytes badge = {0}, pin = {0};
	if (!command_options(&argc, argv, options, e))
		return EXIT_FAILED;
	if (!name || !role_named(role_text, &role)) {
		err_set(e, E_USAGE, "people add --name NAME --role operator|lead|engineer");
		return EXIT_USAGE;
	}
	if (!people_path(path, file, e) || !read_line("Badge: ", &badge, e) || !read_line("PIN (empty: none): ", &pin, e) ||
	    !people_add(file, name, role, bytes_text(&badge), &pin, &person, e))
		return EXIT_FAILED;
	printf("%s\n", person.id);
	return EXIT_OK;
}

const struct command people_add_command = {"people add", "--config FILE --name N [--role R] <badge and PIN",
					   "add a person; badge and PIN on standard input", people_adding};

static int people_removing(int argc, char **argv, struct err *e)
{
	const char *path = NULL;
	const struct command_option options[] = {{"config", &path, NULL}, {0}};
	char file[PATH_MAX];
	if (!command_options(&argc, argv, options, e))
		return EXIT_FAILED;
	if (argc != 1) {
		err_set(e, E_USAGE, "people remove p-…");
		return EXIT_USAGE;
	}
	return people_path(path, file, e) && people_remove(file, argv[0], e) ? EXIT_OK : EXIT_FAILED;
}

const struct command people_remove_command = {"people remove", "p-ID --config FILE", "take a person's badge and PIN away",
		people_removing};

static int people_pinning(int argc, char **argv, struct err *e)
{
	const char *path = NULL;
	const struct command_option options[] = {{"config", &path, NULL}, {0}};
	char file[PATH_MAX];
	AUTO(bytes) struct bytes pin = {0};
	if (!command_options(&argc, argv, options, e))
		return EXIT_FAILED;
	if (argc != 1) {
		err_set(e, E_USAGE, "people pin p-…");
		return EXIT_USAGE;
	}
	bool ok = people_path(path, file, e) && read_line("PIN (empty: none): ", &pin, e) && people_set_pin(file, argv[0], &pin, e);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command people_pin_command = {"people pin", "p-ID --config FILE <PIN", "give a person another PIN; on standard input",
					   people_pinning};

static bool print_person(void *ctx, const struct person *p)
{
	printf("%-12s %-10s %s%s\n", p->id, role_name(p->role), p->name, p->removed ? "  (removed)" : "");
	return true;
}

static int people_listing(int argc, char **argv, struct err *e)
{
	const char *path = NULL;
	const struct command_option options[] = {{"config", &path, NULL}, {0}};
	char file[PATH_MAX];
	struct people *people = NULL;
	bool ok = command_options(&argc, argv, options, e) && people_path(path, file, e) && people_open(file, &people, e) &&
		  people_list(people, print_person, NULL, e);
	people_close(people);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command people_list_command = {"people list", "--config FILE", "who may work here, and as which pseudonym",
					    people_listing};

static int people_roles(int argc, char **argv, struct err *e)
{
	printf("%-28s", "");
	for (enum role role = 0; role < ROLE_COUNT; role++)
		printf("%-10s", role_name(role));
	putchar('\n');
	for (enum doing doing = 0; doing < DO_COUNT; doing++) {
		printf("%-28s", doing_name(doing));
		for (enum role role = 0; role < ROLE_COUNT; role++)
			printf("%-10s", role_may(role, doing) ? "yes" : "-");
		putchar('\n');
	}
	return EXIT_OK;
}

const struct command people_roles_command = {"people roles", "", "what each role may do", people_roles};
