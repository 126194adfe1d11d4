/* SPDX-License-Identifier: Apache-2.0 */
#include "station/job.h"
#include "station/base/clock.h"
#include "station/base/log.h"
#include "station/base/text.h"

#include <string.h>
#include <sys/random.h>

void job_init(struct job *j, struct line *line, const struct config_slot *slot, const struct ticket *ticket,
	      const struct usb_facts *usb)
{
	uint8_t visit[16];
	memset(j, 0, sizeof(*j));
	atomic_fetch_add(&line->jobs, 1);
	j->line = line;
	j->slot = slot;
	j->ticket = *ticket;
	j->begun_ms = clock_wall_ms();
	j->profile = &line->config->profile[ticket->profile];
	j->driver = driver_real(j->profile->driver);
	j->usb = *usb;
	j->device.fd = -1;
	j->children = (struct children){-1, -1, -1};
	j->row.intent_index = -1;
	if (getrandom(visit, sizeof(visit), 0) != (ssize_t)sizeof(visit))
		memset(visit, 0, sizeof(visit));
	hex_encode(visit, sizeof(visit), j->visit);
}

void job_fini(struct job *j)
{
	if (!j || !j->line)
		return;
	sandbox_driver.close(&j->device);
	children_fini(&j->children);
	job_row_fini(&j->row);
	atomic_fetch_sub(&j->line->jobs, 1);
	memset(j, 0, sizeof(*j));
}

void job_enter(struct job *j, enum job_state state, int stage)
{
	log_debug("slot %s: %s, stage %d → %s, stage %d", j->slot->name, job_state_name(j->state), j->stage, job_state_name(state),
		  stage);
	j->state = state;
	j->stage = stage;
}

struct driver_call job_call(const struct job *j)
{
	return (struct driver_call){.deadline_ms = j->deadline_ms};
}

const char *job_state_name(enum job_state state)
{
	static const char *const names[] = {"new", "working", "waiting", "done"};
	return names[state];
}

bool job_is_open(const struct job *j)
{
	return !j->identity.factory_closed;
}

const char *job_audit_name(const struct job *j)
{
	return j->row.id[0] ? j->row.id : j->visit;
}
