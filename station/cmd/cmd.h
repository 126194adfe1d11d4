/* SPDX-License-Identifier: Apache-2.0 */
/* One row per verb. A verb is one short file in station/cmd/ that defines `const struct command NAME_command`; the
 * table is in station/main.c. The console's file is in ui/, which the station does not know: only this declaration and
 * the linker join them. */
#ifndef STATION_CMD_CMD_H
#define STATION_CMD_CMD_H

#include "station/base/err.h"

struct command {
	const char *name;	/* one or two words: "run", "audit verify" */
	const char *usage;	/* options behind the name */
	const char *summary;	/* one line */
	/* argv[0] is the first word behind the name. Returns the exit code (below); on failure it has set *e, which
	 * main prints as three lines. */
	int (*run)(int argc, char **argv, struct err *e);
};

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_UNFIT = 3, EXIT_AGAIN = 4 };

/* Options every verb shares: takes "--NAME VALUE" or "--NAME=VALUE" and "--flag" rows; leaves the rest in argv. E_USAGE. */
struct command_option {
	const char *name;	/* without dashes; NULL ends the table */
	const char **value;	/* takes a value; or NULL */
	bool *flag;
};
WARN_UNUSED bool command_options(int *argc, char **argv, const struct command_option *options, struct err *e);

extern const struct command run_command, preflight_command, slots_learn_command, training_command, devices_command,
	id_command, check_config_command, check_cloud_command, group_ensure_command, ca_init_command, ca_prove_command,
	ca_lint_command, ca_csr_command, audit_verify_command, audit_export_command, audit_consistency_command,
	audit_receipt_command, audit_check_receipt_command, witness_init_command, witness_watch_command,
	witness_cosign_command, witness_list_command, report_command, stages_command, status_command, watch_command,
	upload_command, queue_command, console_command, people_init_command, people_add_command, people_remove_command,
	people_pin_command, people_list_command, people_roles_command, cards_command, lot_list_command,
	ledger_backup_command, ledger_restore_command, ledger_archive_command, lot_show_command, lot_open_command,
	lot_close_command, lot_revert_command, custody_init_command, custody_show_command, clock_accept_command,
	order_key_command, order_make_command, order_sign_command, order_show_command, custody_make_key_command,
	custody_make_anchor_command, custody_set_limit_command, revoke_command,
	ca_revoke_command, ca_import_command, ca_show_command, ca_crl_command,
	ca_key_command, ca_renew_command, profile_lint_command;

#endif
