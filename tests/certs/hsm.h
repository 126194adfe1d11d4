/* SPDX-License-Identifier: Apache-2.0 */
/* A real token for one test: SoftHSM2 behind a real `p11-kit server`, in a directory that goes away with it. */
#ifndef TESTS_CERTS_HSM_H
#define TESTS_CERTS_HSM_H

#include "certs/token.h"

#include <sys/types.h>

#define HSM_PIN "1234"

struct hsm {
	char dir[64], socket[96], pin[96], tries[96];
	const char *module;	/* that is served; NULL: SoftHSM2 itself */
	pid_t server;	/* and its process group; 0 while the token is pulled */
	struct token_setup setup;	/* of the token "station" */
};

/* Tokens "station" and "other". */
void hsm_open(struct hsm *h);
void hsm_close(struct hsm *h);
/* The server and everything that it serves goes; and comes back. */
void hsm_pull(struct hsm *h);
void hsm_put_back(struct hsm *h);
/* A key of this kind ("P-256", "P-384", "RSA-2048") on a token, under a label and an id of two hex digits. */
void hsm_make_key(struct hsm *h, const char *token, const char *kind, const char *label, const char *id);
int hsm_shell(const struct hsm *h, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
