/* SPDX-License-Identifier: Apache-2.0 */
#include "station/runner.h"
#include "station/base/clock.h"
#include "station/base/log.h"
#include "station/journal.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define REOPENS_MAX 2		/* times a job may start again with new children */
#define FIRST_WAIT_MS 300	/* before the second try; doubles */

/* A power cut on order, for tests: the whole process stands still until somebody kills or continues it. */
static void stop_if_told(struct line *l, const struct stage *stage, const char *when)
{
	char here[40];
	snprintf(here, sizeof(here), "%s:%s", stage->name, when);
	pthread_mutex_lock(&l->lock);
	bool told = !strcmp(here, l->stop_at);
	if (told)
		l->stop_at[0] = '\0';	/* once */
	pthread_mutex_unlock(&l->lock);
	if (told)
		raise(SIGSTOP);
}

/* An error of the conversation with the device: its children are started anew, and the job begins at the top. */
static bool wants_reopening(enum err_code code)
{
	return code == E_CHILD_LOST || code == E_CHILD_SILENT || code == E_USB || code == E_BRIDGE || code == E_TTY ||
	       code == E_SERIAL_LINE;
}

static bool still_there(const struct runner_hooks *hooks, struct err *e)
{
	return hooks->present(hooks->ctx) || err_set(e, E_USB_GONE, "pulled");
}

/* One try of one stage, from its journal entry to its transaction. */
static bool try_stage(struct job *j, const struct stage *stage, const struct runner_hooks *hooks, struct err *e)
{
	bool writes = stage->touches & TOUCH_DEVICE;
	if (!line_may_go_on(j->line, e) || (!stage->may_unplug && !still_there(hooks, e)))
		return false;
	if (hooks->held(hooks->ctx))
		return err_set(e, E_HELD, "before stage %s", stage->name);
	if (writes && !journal_begin(j, stage, e))
		return false;
	int64_t began_ms = clock_steady_ms();
	int64_t limit_ms = j->line->stage_limit_ms;
	j->deadline_ms = began_ms + (limit_ms && limit_ms < stage->time_ms ? limit_ms : stage->time_ms);
	j->patience_ms = 0;
	stop_if_told(j->line, stage, "before");
	if (!stage_run(stage, j, e))
		return false;
	stop_if_told(j->line, stage, "after");
	uint32_t took_ms = (uint32_t)(clock_steady_ms() - began_ms);
	if (!journal_done(j, stage, took_ms, e))
		return false;
	j->took_ms[stage - pipeline] = took_ms;
	stop_if_told(j->line, stage, "recorded");
	return true;
}

/* Says how a lost child ended, and that a pulled unit was pulled: the symptoms come before the cause is known. */
static void find_cause(const struct job *j, const struct runner_hooks *hooks, struct err *e)
{
	if (!wants_reopening(e->code))
		return;
	hooks->wait(hooks->ctx, 50);
	if (!hooks->present(hooks->ctx)) {
		err_clear(e);
		err_set(e, E_USB_GONE, "pulled in stage %s", pipeline[j->stage].name);
		return;
	}
	if (e->code == E_CHILD_LOST)
		children_cause(&j->children, e);
}

enum outcome { STAGE_DONE, STAGE_FAILED, STAGE_REOPEN };

/* A stage with its tries. */
static enum outcome run_stage(struct job *j, const struct stage *stage, const struct runner_hooks *hooks, int *reopens)
{
	int64_t wait_ms = FIRST_WAIT_MS;
	for (int nth = 1;; nth++, wait_ms *= 2) {
		struct err e = {0}, second = {0};
		j->try = nth;
		job_enter(j, JOB_WORKING, (int)(stage - pipeline));
		hooks->changed(hooks->ctx, j);
		if (try_stage(j, stage, hooks, &e))
			return STAGE_DONE;
		find_cause(j, hooks, &e);
		j->error = e;
		log_err(LOG_LEVEL_INFO, &e, stage->name);
		/* A clone's row was never written under its own name: what is recorded is the visit. */
		if (!journal_failed(j, stage, &e, nth, &second)) {
			line_set_unfit(j->line, &second);
			return STAGE_FAILED;
		}
		if (err_row(e.code)->class != ERR_RETRY)
			return STAGE_FAILED;
		bool reopen = wants_reopening(e.code) && *reopens < REOPENS_MAX;
		/* A service that asks for more patience than the stage has gets it: the unit is BUILT and comes again. */
		if (!reopen && (nth >= stage->tries || j->patience_ms > stage->time_ms))
			return STAGE_FAILED;
		int64_t pause_ms = wait_ms > j->patience_ms ? wait_ms : j->patience_ms;
		j->next_try_ms = clock_wall_ms() + pause_ms;
		job_enter(j, JOB_WAITING, (int)(stage - pipeline));
		hooks->changed(hooks->ctx, j);
		hooks->wait(hooks->ctx, pause_ms);
		if (reopen) {
			++*reopens;
			return STAGE_REOPEN;
		}
	}
}

static bool run_all(struct job *j, const struct runner_hooks *hooks)
{
	int reopens = 0;
	for (int i = 0; i < pipeline_count; i++) {
		const struct stage *stage = &pipeline[i];
		if (!stage_applies(stage, j))
			continue;
		enum outcome outcome = run_stage(j, stage, hooks, &reopens);
		if (outcome == STAGE_FAILED)
			return false;
		if (outcome == STAGE_REOPEN)
			i = -1;
	}
	return true;
}

/* What an error means that ended a job: no try was left. */
static enum err_class final_class(const struct err *e)
{
	const struct err_row *row = err_row(e->code);
	return row->class == ERR_RETRY ? row->exhausted : row->class;
}

/* The four verdicts. A unit whose certificate is installed, and which only waits for the cloud, is BUILT. */
static enum job_verdict verdict_of(const struct job *j, bool complete)
{
	static const enum job_verdict by_class[] = {
		[ERR_RETRY] = VERDICT_HOLD, [ERR_DEVICE] = VERDICT_FAIL, [ERR_OPERATOR] = VERDICT_HOLD, [ERR_STATION] = VERDICT_HOLD,
	};
	if (complete)
		return VERDICT_PASS;
	enum err_class class = final_class(&j->error);
	if (class == ERR_RETRY && j->stage > pipeline_find("install"))
		return VERDICT_BUILT;
	return by_class[class];
}

/* A unit that was PASS stays PASS on record when it is looked at again; what the operator sees is what happened now.
 * What could not be put on record is no PASS. */
static void conclude(struct job *j, bool complete)
{
	struct err e = {0};
	const struct err_row *row = err_row(j->error.code);
	if (!complete && final_class(&j->error) == ERR_STATION)
		line_set_unfit(j->line, &j->error);
	if (complete)
		err_clear(&j->error);
	j->verdict = verdict_of(j, complete);
	if (complete || j->row.verdict != VERDICT_PASS) {
		j->row.verdict = j->verdict;
		snprintf(j->row.error, sizeof(j->row.error), "%s", complete ? "" : row->code);
		snprintf(j->row.error_what, sizeof(j->row.error_what), "%s", j->error.what);
	}
	if (journal_verdict(j, &e))
		return;
	line_set_unfit(j->line, &e);
	j->verdict = VERDICT_HOLD;
	j->error = complete ? e : j->error;
}

static void end(struct job *j, const struct runner_hooks *hooks, bool complete)
{
	job_enter(j, JOB_DONE, complete ? pipeline_count - 1 : j->stage);
	hooks->changed(hooks->ctx, j);
}

/* The unit has come; false if not even that could be put on record. */
static bool begin(struct job *j)
{
	struct err e = {0};
	if (journal_visit(j, &e))
		return true;
	j->error = e;
	j->verdict = VERDICT_HOLD;
	line_set_unfit(j->line, &e);
	return false;
}

void runner_run(struct job *j, const struct runner_hooks *hooks)
{
	bool complete = false;
	if (begin(j)) {
		complete = run_all(j, hooks);
		conclude(j, complete);
	}
	end(j, hooks, complete);
}

void runner_refuse(struct job *j, const struct err *why, const struct runner_hooks *hooks)
{
	if (begin(j)) {
		j->error = *why;
		conclude(j, false);
	}
	end(j, hooks, false);
}
