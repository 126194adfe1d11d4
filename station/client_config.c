/* SPDX-License-Identifier: Apache-2.0 */
/* Apart from client.c, so that a client which knows its socket does not carry the configuration
 * and all that it checks. */
#include "station/client.h"
#include "station/base/clock.h"

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

bool client_ask_line(const char *config_path, const char *what, int64_t answer_ms, json_t **ret, struct err *e)
{
	char path[PATH_MAX];
	struct client *c;
	AUTO(json) json_t *request = json_pack("{s:s}", "do", what);
	if (!client_socket_of_config(config_path, path, sizeof(path), e) || !client_open(path, &c, e))
		return false;
	bool ok = client_ask(c, request, clock_steady_ms() + answer_ms, ret, e);
	client_close(c);
	return ok;
}
