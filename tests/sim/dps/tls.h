/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The emulator's own TLS identity. A root is made once and kept in DIR (tls-root.pem, for clients to
 * trust); the server's certificate is made anew at each start and names localhost, 127.0.0.1 and
 * the host names of the real service.
 */
#ifndef SIM_DPS_TLS_H
#define SIM_DPS_TLS_H

#include <stdbool.h>

struct tls_identity {
	char *cert_pem, *key_pem;
};

/* Says why not on stderr. */
bool tls_identity_open(struct tls_identity *t, const char *dir);
void tls_identity_close(struct tls_identity *t);

#endif
