/* SPDX-License-Identifier: Apache-2.0 */
/* libtss2-tcti-station.so: tpm2-tools, and whatever else loads a TCTI by name, at the TPM of a unit on this machine's bus
 * (docs/tpm-bridge.md, section 7). Its only symbol is Tss2_Tcti_Info (TCG TSS 2.0 TCTI).
 *
 * Configuration: "" for the only unit, "port=PORT" or PORT as `station devices` prints it, "serial=SERIAL" as USB says it.
 * The kernel gives an interface to one program at a time, so the line and a tool never meet in one unit. A TSS2_RC cannot say
 * what failed; stderr does. */
#include "drivers/tcti_usb.h"
#include "station/base/clock.h"
#include "station/base/log.h"

#include <string.h>

#define LOOK_MS 500	/* for a unit that has only just been plugged in */
#define OPEN_MS 5000
#define COMMAND_MS 200000	/* a TPM may take 180 s for a key (docs/tpm-bridge.md, section 2) */
#define CLOSE_MS 1000

const TSS2_TCTI_INFO *Tss2_Tcti_Info(void);

struct station {
	struct tcti_usb tcti;	/* first: a TSS2_TCTI_CONTEXT is this */
	TSS2_TCTI_CONTEXT_COMMON_V2 frames;	/* the functions of tcti_usb, beneath ours */
	struct bridge bridge;
	struct usb_link *link;
};

static struct station *ours(TSS2_TCTI_CONTEXT *context)
{
	struct station *s = (struct station *)context;
	return s && s->link && TSS2_TCTI_MAGIC(context) == TSS2_TCTI_MAGIC(&s->frames) ? s : NULL;
}

/* ---- one command ---- */

static struct station *begin(TSS2_TCTI_CONTEXT *context)
{
	struct station *s = ours(context);
	if (s)
		s->tcti.deadline_ms = clock_steady_ms() + COMMAND_MS;
	return s;
}

static TSS2_RC end(struct station *s, TSS2_RC rc)
{
	if (rc == TSS2_TCTI_RC_IO_ERROR)
		log_err(LOG_LEVEL_ERROR, &s->tcti.cause, "the unit");
	return rc;
}

static TSS2_RC station_transmit(TSS2_TCTI_CONTEXT *context, size_t size, uint8_t const *command)
{
	struct station *s = begin(context);
	return s ? end(s, TSS2_TCTI_TRANSMIT(&s->frames)(context, size, command)) : TSS2_TCTI_RC_BAD_CONTEXT;
}

static TSS2_RC station_receive(TSS2_TCTI_CONTEXT *context, size_t *size, uint8_t *response, int32_t timeout)
{
	struct station *s = begin(context);
	return s ? end(s, TSS2_TCTI_RECEIVE(&s->frames)(context, size, response, timeout)) : TSS2_TCTI_RC_BAD_CONTEXT;
}

static TSS2_RC station_cancel(TSS2_TCTI_CONTEXT *context)
{
	struct station *s = begin(context);
	return s ? end(s, TSS2_TCTI_CANCEL(&s->frames)(context)) : TSS2_TCTI_RC_BAD_CONTEXT;
}

/* Leaves no command running. The memory is the caller's. */
static void station_finalize(TSS2_TCTI_CONTEXT *context)
{
	struct station *s = ours(context);
	struct err e = {0};
	if (!s)
		return;
	if (!bridge_cancel(&s->bridge, clock_steady_ms() + CLOSE_MS, &e))
		log_err(LOG_LEVEL_DEBUG, &e, "leaving the unit");
	bridge_close(&s->bridge);
	usb_link_close(s->link);
	memset(s, 0, sizeof(*s));
}

/* ---- which unit ---- */

struct wanted {
	const struct driver *driver;
	const char *port, *serial;	/* NULL: any */
	unsigned count;
	char node[sizeof(((struct usb_facts *)0)->node)];	/* of the last that fits */
};

static void look(void *ctx, enum usb_event event, const struct usb_facts *f)
{
	struct wanted *w = ctx;
	if (event != USB_ARRIVED || !usb_match(f, w->driver) || (w->port && strcmp(w->port, f->port) != 0)
	    || (w->serial && strcmp(w->serial, f->serial) != 0))
		return;
	w->count++;
	memcpy(w->node, f->node, sizeof(w->node));
}

static bool wanted_parse(const char *config, struct wanted *ret, struct err *e)
{
	*ret = (struct wanted){.driver = driver_find("tpm_bridge")};
	if (!config || !*config)
		return true;
	if (!strncmp(config, "serial=", 7))
		ret->serial = config + 7;
	else if (!strncmp(config, "port=", 5))
		ret->port = config + 5;
	else if (!strchr(config, '='))
		ret->port = config;
	else
		return err_set(e, E_USAGE, "port=PORT, serial=SERIAL or nothing");
	return true;
}

/* What is on the bus already is seen in the first round. */
static bool wanted_find(struct wanted *w, struct err *e)
{
	struct usb_bus *bus = NULL;
	if (!usb_bus_open(look, w, &bus, e))
		return false;
	int64_t end_ms = clock_steady_ms() + LOOK_MS;
	bool ok = true;
	do
		ok = usb_bus_run(bus, clock_left_ms(end_ms), e);
	while (ok && !w->count && clock_left_ms(end_ms));
	usb_bus_close(bus);
	if (ok && !w->count)
		return err_set(e, E_USB_GONE, "no such unit is plugged in");
	if (ok && w->count > 1)
		return err_set(e, E_USAGE, "%u such units are plugged in: say which, by port=PORT or serial=SERIAL", w->count);
	return ok;
}

static bool station_open(struct station *s, const char *config, struct err *e)
{
	struct wanted w;
	if (!wanted_parse(config, &w, e) || !wanted_find(&w, e) || !usb_link_open_node(w.node, w.driver->matches, &s->link, e))
		return false;
	const struct bridge_wire wire = bridge_wire_usb(s->link);
	if (bridge_open(&s->bridge, &wire, clock_steady_ms() + OPEN_MS, e))
		return true;
	usb_link_close(s->link);
	return false;
}

static TSS2_RC station_init(TSS2_TCTI_CONTEXT *context, size_t *size, const char *config)
{
	struct station *s = (struct station *)context;
	struct err e = {0};
	if (!size)
		return TSS2_TCTI_RC_BAD_REFERENCE;
	if (!s) {
		*size = sizeof(*s);
		return TSS2_RC_SUCCESS;
	}
	if (*size < sizeof(*s))
		return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
	memset(s, 0, sizeof(*s));
	if (!station_open(s, config, &e)) {
		memset(s, 0, sizeof(*s));
		log_err(LOG_LEVEL_ERROR, &e, config && *config ? config : "the unit");
		return e.code == E_USAGE ? TSS2_TCTI_RC_BAD_VALUE : e.code == E_USB_GONE ? TSS2_TCTI_RC_NO_CONNECTION : TSS2_TCTI_RC_IO_ERROR;
	}
	tcti_usb_init(&s->tcti, &s->bridge);
	s->frames = s->tcti.common;
	TSS2_TCTI_TRANSMIT(context) = station_transmit;
	TSS2_TCTI_RECEIVE(context) = station_receive;
	TSS2_TCTI_CANCEL(context) = station_cancel;
	TSS2_TCTI_FINALIZE(context) = station_finalize;
	return TSS2_RC_SUCCESS;
}

const TSS2_TCTI_INFO *Tss2_Tcti_Info(void)
{
	static const TSS2_TCTI_INFO info = {
		.version = 2,
		.name = "station",
		.description = "The TPM of a unit on the enrollment station's USB bus",
		.config_help = "port=PORT as `station devices` prints it, serial=SERIAL, or nothing where one unit is plugged in",
		.init = station_init,
	};
	return &info;
}
