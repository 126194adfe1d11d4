/* SPDX-License-Identifier: Apache-2.0 */
/* The launcher: a process forked before any thread exists and before anything is open, which forks the children of the
 * line.
 *
 * It forks the signer once, and for each job a driver child and a verifier child with a socket between them. A child
 * has its own descriptors and nothing else: what the launcher holds (one socket per running job) it closes first. The
 * launcher reaps, and tells the line over the job's report socket how a child ended; when the line closes that socket,
 * the launcher kills what is left of the job; when the line ends, all. */
#ifndef STATION_LAUNCHER_H
#define STATION_LAUNCHER_H

#include "station/config.h"

#include <sys/types.h>

struct launcher {
	int fd;
	pid_t pid;
};

/* Forks the launcher; returns in the line. Call before threads, before opening anything. The config is inherited. E_FILE. */
WARN_UNUSED bool launcher_start(const struct config *config, struct launcher *ret, struct err *e);
/* Closes the socket (the launcher then kills all children and ends) and waits for it. */
void launcher_stop(struct launcher *l);

/* False with E_LAUNCHER once it has ended. */
bool launcher_lives(const struct launcher *l, struct err *e);

/* Forks a signer; *ret_fd is the line's socket to it. The signer says by itself when it is ready (certs/signer.h). */
WARN_UNUSED bool launcher_signer(const struct launcher *l, int *ret_fd, struct err *e);

/* The two children of one job, as the line holds them. */
struct children {
	int driver, verifier, report;	/* sockets; -1 where closed */
};

/* Forks both children for the device at `node` (/dev/bus/usb/BBB/DDD). Thread-safe. */
WARN_UNUSED bool launcher_job(const struct launcher *l, const char *node, const char *driver, int profile,
			      struct children *ret, struct err *e);
/* Why a child of the job was lost (*e is E_CHILD_LOST): the device could not be opened, which replaces *e (E_USB_GONE,
 * E_USB_OPEN, E_TTY, E_NO_DRIVER), or how the child ended, "driver child killed by signal 9" and the like, put before its
 * text. Waits a moment for the report. */
void children_cause(const struct children *c, struct err *e);
/* Ends the job's children. */
void children_fini(struct children *c);

#endif
