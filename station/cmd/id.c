/* SPDX-License-Identifier: Apache-2.0 */
/* station id: the registration id of an endorsement key, a certificate request or a certificate, alone on a line. */
#include "certs/ca.h"
#include "certs/csr.h"
#include "station/base/file.h"
#include "station/base/text.h"
#include "station/cmd/cmd.h"
#include "station/regid.h"

#include <stdio.h>

#define FILE_MAX 65536u

typedef bool id_reader(const struct bytes *file, char out[static REGID_ROOM], struct err *e);

static bool id_of_ek(const struct bytes *file, char out[static REGID_ROOM], struct err *e)
{
	uint8_t hash[SHA256_SIZE];
	if (!regid_hash_ek_file(file->data, file->len, hash, e))
		return false;
	regid_from_hash(hash, out);
	return true;
}

static bool id_of_csr(const struct bytes *file, char out[static REGID_ROOM], struct err *e)
{
	AUTO(bytes) struct bytes der = {.max = FILE_MAX};
	struct csr csr;
	uint8_t hash[SHA256_SIZE];
	if (!csr_from_file(file->data, file->len, &der, e) || !csr_parse(der.data, der.len, &csr, e) ||
	    !key_spki_sha256(&csr.key, hash, e))
		return false;
	regid_from_hash(hash, out);
	return true;
}

static bool id_of_cert(const struct bytes *file, char out[static REGID_ROOM], struct err *e)
{
	char name[CERT_NAME_ROOM];
	return cert_common_name(file->data, file->len, name, e) && regid_is_valid(name, e) && text_copy(out, REGID_ROOM, name, e);
}

static int id(int argc, char **argv, struct err *e)
{
	const char *paths[3] = {0};
	static id_reader *const readers[] = {id_of_ek, id_of_csr, id_of_cert};
	const struct command_option options[] = {{"ek", &paths[0], NULL}, {"csr", &paths[1], NULL}, {"cert", &paths[2], NULL}, {0}};
	AUTO(bytes) struct bytes file = {.max = FILE_MAX};
	char text[REGID_ROOM];
	size_t given = 0, which = 0;
	if (!command_options(&argc, argv, options, e))
		return EXIT_USAGE;
	for (size_t i = 0; i < COUNT_OF(paths); i++)
		if (paths[i])
			given++, which = i;
	if (given != 1) {
		err_set(e, E_USAGE, "one of --ek, --csr and --cert FILE is needed");
		return EXIT_USAGE;
	}
	if (!file_read(paths[which], &file, e))
		return EXIT_FAILED;
	if (!readers[which](&file, text, e)) {
		err_in(e, "%s", paths[which]);
		return EXIT_FAILED;
	}
	printf("%s\n", text);
	return EXIT_OK;
}

const struct command id_command = {"id", "--ek FILE | --csr FILE | --cert FILE",
				   "registration id of a TPM2B_PUBLIC, a certificate request or a certificate", id};
