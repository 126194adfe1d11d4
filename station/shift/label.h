/* SPDX-License-Identifier: Apache-2.0 */
/* Which label lies in which slot. Boards are bare: by the profile, the unit's own serial number is its label; or a label is scanned
 * and the unit then plugged into the next free slot; or a tray's barcode says which label lies in which position. Thread-safe, in
 * memory: what a power cut takes away is scanned again.
 *
 * A scanned label waits for one unit. If a unit waits for a label (it was plugged first), and it is the only one, the label goes to
 * it; where two wait, the label is refused (E_LABEL_WHICH) and both are to be pulled. A second label before the first one's unit
 * came is refused (E_LABEL_OPEN), and forgotten with the command NO. A label that stands in another slot is E_LABEL_TWICE.
 *
 * A tray is in the open lot's order, or a file [lots] trays/TRAY.json, {"tray":"T-01","positions":["SN0001",null,…]},
 * positions from 1 in the order of the configuration's slots; or the MES has said it. */
#ifndef STATION_SHIFT_LABEL_H
#define STATION_SHIFT_LABEL_H

#include "station/config.h"

#define LABEL 65

struct line;
struct labels;

WARN_UNUSED bool labels_new(const struct config *config, struct labels **ret, struct err *e);
void labels_free(struct labels *l);

/* A unit's label was scanned, and a profile binds by scanning (else the shift says E_LABEL_UNUSED). E_LABEL_OPEN, E_LABEL_WHICH,
 * E_LABEL_TWICE; E_LABEL if it is none. */
WARN_UNUSED bool labels_scan(struct labels *l, const char *label, struct err *e);
/* Forgets a scanned label whose unit did not come. */
void labels_forget(struct labels *l);
/* A tray was scanned: the positions' labels, `count` of them, "" where none lies. E_LABEL_TWICE. Binds the next units of all slots,
 * until each is gone or another tray is scanned. */
WARN_UNUSED bool labels_tray(struct labels *l, const char *tray, const char (*label)[LABEL], size_t count, struct err *e);
/* Reads a tray's file. E_TRAY. */
WARN_UNUSED bool labels_read_tray(const char *dir, const char *tray, char (*label)[LABEL], size_t *ret_count, struct err *e);

/* The label of the unit that is in this slot, as its profile binds it. True with "" for LABEL_SERIAL. False, E_LABEL_WANTED, while
 * it is still to be scanned, or E_TRAY_EMPTY where the tray says that nothing lies here. */
WARN_UNUSED bool labels_take(struct labels *l, size_t slot, enum label_source source, char ret[static LABEL], struct err *e);
/* The unit was pulled, though its worker may not have let go of it: its scanned label may be scanned again at once. */
void labels_unit_left(struct labels *l, size_t slot);
/* The unit has gone. `comes_again`: it was pulled before it was done; then its position of the tray still holds its label for it. A
 * scanned label is to be scanned again: nothing else says that it is the same unit. */
void labels_release(struct labels *l, size_t slot, bool comes_again);

/* For the screen: the label that waits for a unit, the tray; "" if none. */
struct labels_view { char waiting[LABEL], tray[LABEL]; };
void labels_look(struct labels *l, struct labels_view *ret);

#endif
