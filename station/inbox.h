/* SPDX-License-Identifier: Apache-2.0 */
/* Orders that the MES leaves in the folder: [mes-folder] in/orders/ORDER.json becomes [lots] orders/ORDER.json. An order is written
 * there whole and then removed here, so that after a power cut it is in one of the two places, or in both with the same bytes. What
 * is no order, has another name than its number, or belongs to a lot that was opened with another content goes to in/refused/,
 * with the reason beside it in NAME.txt. A name that begins with a dot or ends in ".tmp" is still being written, and left.
 *
 * In a thread of its own: a share that hangs must hold up neither the line nor what is told to the MES. */
#ifndef STATION_INBOX_H
#define STATION_INBOX_H

#include "station/line.h"

/* Looks once at all that lies there. E_FILE where that can neither be read nor moved; what was not reached is left. */
WARN_UNUSED bool inbox_look(struct line *l, struct err *e);

struct inbox;

/* Looks every few seconds. *ret is NULL where no folder is configured, and where a line only re-checks. E_NOMEM. */
WARN_UNUSED bool inbox_start(struct line *l, struct inbox **ret, struct err *e);
/* Waits for the look that runs. */
void inbox_stop(struct inbox *in);

#endif
