/* SPDX-License-Identifier: Apache-2.0 */
#include "certs/signer_clock.h"
#include "station/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>

static int64_t boot_ms(void)
{
	struct timespec t = {0};
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool is_synchronised(void)
{
	struct timex t = {0};
	int state = adjtimex(&t);
	return state >= 0 && state != TIME_ERROR;
}

void signer_clock_init(struct signer_clock *c)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	*c = (struct signer_clock){0};
	if (!f)
		return;
	if (!fgets(c->boot_id, sizeof(c->boot_id), f))
		c->boot_id[0] = '\0';
	c->boot_id[strcspn(c->boot_id, "\n")] = '\0';
	fclose(f);
}

bool signer_clock_holds(const struct signer_clock *c, int64_t now_ms, int64_t latest_ms, bool production, struct err *e)
{
	if (c->accepted_until_ms > boot_ms())
		return true;
	if (now_ms + CLOCK_STEP_MS < latest_ms)
		return err_set(e, E_CLOCK_REFUSED, "it is %lld s earlier than at the last signature", (long long)(latest_ms - now_ms) / 1000);
	return !production || is_synchronised() || err_set(e, E_CLOCK_REFUSED, "the kernel says that it is not synchronised");
}

void signer_clock_accept(struct signer_clock *c, int64_t for_ms)
{
	c->accepted_until_ms = boot_ms() + for_ms;
}

void signer_clock_lines(const struct signer_clock *c, int64_t now_ms, char ret[static SIGNER_CLOCK_LINES])
{
	char when[CLOCK_TEXT];
	clock_text(now_ms, when);
	snprintf(ret, SIGNER_CLOCK_LINES, "time %s\nboot-ms %lld\nboot-id %s\nclock %s\n", when, (long long)boot_ms(),
		 c->boot_id[0] ? c->boot_id : "unknown", is_synchronised() ? "synchronised" : "unsynchronised");
}
