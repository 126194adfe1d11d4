/* SPDX-License-Identifier: Apache-2.0 */
#include "station/shift/two.h"

#include <string.h>

void two_shown_fini(struct two_shown *shown)
{
	for (size_t i = 0; i < 2; i++) {
		bytes_fini(&shown->badge[i]);
		bytes_fini(&shown->pin[i]);
	}
}

static bool one_may(struct people *people, const struct bytes *badge, const struct bytes *pin, enum doing doing, struct person *ret,
		    struct err *e)
{
	bool has_pin = false;
	return people_by_badge(people, bytes_text(badge), ret, &has_pin, e) && people_check_pin(people, ret->id, pin, e) &&
	       (role_may(ret->role, doing) || err_set(e, E_RIGHTS, "%s, %s", ret->id, role_name(ret->role)));
}

bool two_may(struct people *people, const struct two_shown *shown, enum doing doing, struct person ret[static 2], struct err *e)
{
	for (size_t i = 0; i < 2; i++)
		if (!one_may(people, &shown->badge[i], &shown->pin[i], doing, &ret[i], e))
			return false;
	return strcmp(ret[0].id, ret[1].id) != 0 || err_set(e, E_TWO_PEOPLE, "both are %s", ret[0].id);
}
