/* SPDX-License-Identifier: Apache-2.0 */
/* station id: the registration id of an endorsement key, alone on a line. */
#include "station/base/file.h"
#include "station/cmd/cmd.h"
#include "station/regid.h"

#include <stdio.h>

static int id(int argc, char **argv, struct err *e)
{
	const char *ek = NULL;
	const struct command_option options[] = {{"ek", &ek, NULL}, {0}};
	AUTO(bytes) struct bytes file = {.max = 8192};
	uint8_t hash[SHA256_SIZE];
	char text[REGID_ROOM];
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	if (!ek) {
		err_set(e, E_USAGE, "--ek FILE is missing");
		return EXIT_USAGE;
	}
	if (!file_read(ek, &file, e))
		return EXIT_FAILED;
	if (!regid_hash_ek_file(file.data, file.len, hash, e)) {
		err_in(e, "%s", ek);
		return EXIT_FAILED;
	}
	regid_from_hash(hash, text);
	printf("%s\n", text);
	return EXIT_OK;
}

const struct command id_command = {"id", "--ek FILE", "registration id of a TPM2B_PUBLIC (binary or base64)", id};
