/* SPDX-License-Identifier: Apache-2.0 */
/* What a TLS peer showed when it was not trusted, for the words to a person: a connection that somebody inspects shows
 * itself by who issued the certificate. Nothing is decided here. */
#ifndef CERTS_PEER_H
#define CERTS_PEER_H

#include "station/base/err.h"

struct peer_seen {
	char subject[96], issuer[96];	/* of its own certificate, printable, cut where they are longer */
	char why[96];		/* why it is not trusted; "" while nothing was wrong */
	bool is_of_time;	/* because it is not valid yet, or not any more: a wrong clock says so too */
};

/* Has the SSL_CTX (as void *, from libcurl's CURLOPT_SSL_CTX_FUNCTION) note the first thing that is wrong in `seen`,
 * which is lent for the life of the context. */
void peer_watch(void *ssl_ctx, struct peer_seen *seen);

#endif
