/* SPDX-License-Identifier: Apache-2.0 */
#include "station/cmd/audit.h"
#include "station/base/file.h"
#include "station/base/json.h"
#include "station/cmd/load.h"

#include <string.h>

#define HANDOVER_MAX ((size_t)1 << 30)

bool audit_open_ledger(const char *config_path, const char *ledger_path, struct ledger **ret, struct err *e)
{
	struct config *config = NULL;
	char path[PATH_MAX];
	if (ledger_path)
		return ledger_open_reader(ledger_path, ret, e);
	if (!command_config(config_path, &config, e))
		return false;
	bool ok = config_state_path(config, "ledger.db", path, sizeof(path), e);
	config_free(config);
	return ok && ledger_open_reader(path, ret, e);
}

bool audit_read_vkey(const char *path, struct bytes *ret, struct err *e)
{
	ret->max = 1024;
	if (!path)
		return err_set(e, E_USAGE, "--vkey FILE is missing");
	if (!file_read(path, ret, e))
		return false;
	while (ret->len && ret->data[ret->len - 1] == '\n')
		ret->data[--ret->len] = 0;
	return true;
}

bool audit_read_checkpoint(const char *path, const char *vkey_path, struct checkpoint *ret, struct err *e)
{
	AUTO(bytes) struct bytes file = {.max = HANDOVER_MAX}, vkey = {0};
	AUTO(json) json_t *result = NULL;
	if (!file_read(path, &file, e))
		return false;
	const char *note = bytes_text(&file);
	if (note[0] == '{' && (!json_parse(note, file.len, &result, e) || !json_get_text(result, "checkpoint", &note, e)))
		return err_in(e, "%s", path);
	if (!vkey_path)
		return note_read_checkpoint(note, strlen(note), ret, e);
	return audit_read_vkey(vkey_path, &vkey, e) && note_open_checkpoint(note, strlen(note), bytes_text(&vkey), ret, e);
}
