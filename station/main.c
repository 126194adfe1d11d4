/* SPDX-License-Identifier: Apache-2.0 */
/* The table of subcommands, and what their exit codes mean: 0 done, 1 failed, 2 not understood, 3 the line is not fit,
 * 4 the line must be started again. */
#include "station/base/lockdown.h"
#include "station/base/log.h"
#include "station/cmd/cmd.h"

#include <stdio.h>
#include <string.h>

static const struct command *const commands[] = {
	&run_command, &training_command, &devices_command, &slots_learn_command, &preflight_command, &status_command,
	&watch_command, &upload_command, &queue_command, &console_command, &check_config_command, &check_cloud_command,
	&group_ensure_command, &ca_init_command, &ca_prove_command, &ca_lint_command, &ca_csr_command,
	&ca_import_command, &ca_show_command, &ca_crl_command, &ca_key_command, &ca_renew_command, &profile_lint_command,
	&people_init_command, &people_add_command, &people_remove_command, &people_pin_command, &people_list_command,
	&people_roles_command, &cards_command, &id_command, &audit_verify_command, &audit_export_command,
	&audit_consistency_command, &audit_receipt_command, &audit_check_receipt_command, &witness_init_command,
	&witness_watch_command, &witness_cosign_command, &witness_list_command, &report_command, &stages_command,
	&ledger_backup_command, &ledger_restore_command, &ledger_archive_command, &lot_list_command, &lot_show_command,
	&lot_open_command, &lot_close_command, &lot_revert_command, &revoke_command, &ca_revoke_command, &custody_init_command,
	&custody_show_command,
	&clock_accept_command, &order_key_command, &order_make_command, &order_sign_command, &order_show_command,
	&custody_make_key_command, &custody_make_anchor_command, &custody_set_limit_command,
};

static void usage(FILE *out)
{
	fprintf(out, "station %s: enrolls devices into Azure IoT Hub Device Provisioning Service\n\n", STATION_VERSION);
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		fprintf(out, "  %-20s %-44s %s\n", commands[i]->name, commands[i]->usage, commands[i]->summary);
	fprintf(out, "\nExit codes: 0 done, 1 failed, 2 not understood, 3 the line is not fit to start or go on, "
		"4 it must be started again.\n");
}

/* The same for programs, with tabs between: the manual page and the shell's completion are made of it. */
static int print_table(void)
{
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		printf("%s\t%s\t%s\n", commands[i]->name, commands[i]->usage, commands[i]->summary);
	return EXIT_OK;
}

/* How many words of argv the name takes; 0 if it is not this command. */
static int matches(const char *name, int argc, char **argv)
{
	const char *space = strchr(name, ' ');
	size_t first = space ? (size_t)(space - name) : strlen(name);
	if (strlen(argv[0]) != first || strncmp(argv[0], name, first) != 0)
		return 0;
	if (!space)
		return 1;
	return argc > 1 && !strcmp(argv[1], space + 1) ? 2 : 0;
}

static void print_error(const struct err *e)
{
	const struct err_row *row = err_row(e->code);
	fprintf(stderr, "%s  %s\n  %s\n  Call: %s.  (%s)\n", row->code, row->happened, row->todo, row->whom, e->what);
}

static int run(int argc, char **argv)
{
	struct err e = {0};
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		int words = matches(commands[i]->name, argc, argv);
		if (!words)
			continue;
		/* Any verb may come to hold a secret. */
		int code = lockdown_no_core(&e) ? commands[i]->run(argc - words, argv + words, &e) : EXIT_FAILED;
		if (e.code != E_NONE)
			print_error(&e);
		return e.code == E_USAGE ? EXIT_USAGE : code;
	}
	err_set(&e, E_USAGE, "there is no verb \"%s\"", argv[0]);
	print_error(&e);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	log_setup("station", getenv("STATION_DEBUG") ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	bool help = argc > 1 && (!strcmp(argv[1], "help") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"));
	if (argc > 1 && !strcmp(argv[1], "--version")) {
		printf("station %s\n", STATION_VERSION);
		return EXIT_OK;
	}
	if (help && argc > 2 && !strcmp(argv[2], "--table"))
		return print_table();
	if (argc < 2 || help) {
		usage(help ? stdout : stderr);
		return help ? EXIT_OK : EXIT_USAGE;
	}
	return run(argc - 1, argv + 1);
}
