/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wire: HTTPS on one port, a thread per connection (so a rule may simply sleep). A certificate
 * is asked from every client and demanded from none; what was presented is judged by the operation.
 */
#ifndef SIM_DPS_SERVER_H
#define SIM_DPS_SERVER_H

#include "service.h"
#include "tls.h"

#include <stdbool.h>
#include <stdint.h>

struct MHD_Daemon;

struct server {
	struct MHD_Daemon *daemon;
	uint16_t port;
};

/* Binds svc->options.listen_host and .port. Says why not on stderr. */
bool server_open(struct server *s, struct service *svc, const struct tls_identity *tls);

/* Ends every connection and joins its thread; service_stop() must have been called. */
void server_close(struct server *s);

#endif
