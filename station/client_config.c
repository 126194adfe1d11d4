/* SPDX-License-Identifier: Apache-2.0 */
/* Apart from client.c, so that a client which knows its socket does not carry the configuration
 * and all that it checks. */
#include "station/client.h"

#include "station/config.h"

bool client_socket_of_config(const char *config_path, char *out, size_t room, struct err *e)
{
	AUTO(bytes) struct bytes mistakes = {0};
	struct config *c;
	if (!config_load(config_path, &c, &mistakes, e))
		return false;
	bool ok = config_state_path(c, "station.sock", out, room, e);
	config_free(c);
	return ok;
}
