/* SPDX-License-Identifier: Apache-2.0 */
#include "station/admission.h"
#include "station/relay.h"
#include "station/shift/shift.h"

#include <string.h>

static bool label_fits(const struct job *j, const char *label, struct err *e)
{
	if (j->profile->label_check == LABEL_LISTED || !strcmp(label, j->identity.serial))
		return true;
	return err_set(e, E_LABEL, "the label says \"%s\", the unit \"%s\"", label, j->identity.serial);
}

/* Whether it has its place already is asked by the serial number that the unit says: which unit it is will be proved, and the place
 * itself is taken with the intent. */
static bool lot_has_room(const struct job *j, const char *label, struct err *e)
{
	AUTO(job_row) struct job_row row = {0};
	bool found = false;
	if (!j->ticket.lot[0])
		return true;
	return jobs_find(j->line->ledger, JOB_BY_SERIAL, j->identity.serial, &row, &found, e) &&
	       lot_admits(j->line, j->ticket.lot, label, row.id, e);
}

bool admission(struct job *j, struct err *e)
{
	const char *label = j->ticket.label[0] ? j->ticket.label : j->identity.serial;
	j->ticket.override = shift_overrides(j->line, j->identity.serial);
	return label_fits(j, label, e) && lot_has_room(j, label, e) && relay_check_in(j, e);
}
