/* SPDX-License-Identifier: Apache-2.0 */
/* station cards: every command that the line takes from a scanner, as barcodes on a page to be printed and cut. */
#include "station/base/file.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/shift/barcode.h"
#include "station/shift/scan.h"

#include <stdio.h>
#include <string.h>

#define PAGE_MAX ((size_t)4 << 20)

/* Names of a configuration are letters, digits and - . _ : only. */
static bool write_card(struct bytes *page, const struct scan_command *command, const char *argument, struct err *e)
{
	char code[BARCODE_MOST + 1];
	snprintf(code, sizeof(code), "CMD:%s%s%s", command->name, *argument ? ":" : "", argument);
	return bytes_add_text(page, "<figure>", e) && barcode_svg(code, page, e) &&
	       bytes_printf(page, e, "<figcaption><b>%s</b> %s</figcaption></figure>\n", code, command->meaning);
}

static const char *digit(const struct config *c, size_t i)
{
	static const char *const digits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", NULL};
	return digits[i];
}

static const char *slot(const struct config *c, size_t i)
{
	return i < c->slot_count ? c->slot[i].name : NULL;
}

static const char *screen(const struct config *c, size_t i)
{
	return scan_screens[i];
}

/* What a command's cards say behind its name; NULL ends them. */
static const struct {
	const char *command;
	const char *(*argument)(const struct config *c, size_t i);
} arguments[] = {{"PIN", digit}, {"SLOT", slot}, {"SCREEN", screen}};

static bool write_cards(struct bytes *page, const struct config *c, const struct scan_command *command, struct err *e)
{
	bool ok = true;
	if (!command->argument)
		return write_card(page, command, "", e);
	for (size_t i = 0; i < COUNT_OF(arguments); i++)
		for (size_t n = 0; ok && !strcmp(arguments[i].command, command->name) && arguments[i].argument(c, n); n++)
			ok = write_card(page, command, arguments[i].argument(c, n), e);
	return ok;
}

static bool write_page(struct bytes *page, const struct config *c, struct err *e)
{
	bool ok = bytes_add_text(page, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Cards</title><style>\n"
				 "@page { size: A4; margin: 10mm }\n"
				 "body { font: 10pt sans-serif; display: flex; flex-wrap: wrap; gap: 4mm; color: black; background: white }\n"
				 "h1 { font-size: 12pt; width: 100% }\n"
				 "figure { margin: 0; padding: 2mm 0; border: 0.2mm dashed #888; break-inside: avoid; text-align: center }\n"
				 "figcaption { padding: 1mm 3mm 0; max-width: 84mm }\n"
				 "svg { display: block; margin: auto }\n"
				 "</style></head><body>\n", e) &&
		  bytes_printf(page, e, "<h1>Cards for %s</h1>\n", c->name);
	for (size_t i = 0; ok && i < scan_command_count; i++)
		ok = write_cards(page, c, &scan_commands[i], e);
	return ok && bytes_add_text(page, "</body></html>\n", e);
}

static int cards(int argc, char **argv, struct err *e)
{
	const char *path = NULL, *out = NULL;
	const struct command_option options[] = {{"config", &path, NULL}, {"out", &out, NULL}, {0}};
	AUTO(bytes) struct bytes page = {.max = PAGE_MAX};
	struct config *c = NULL;
	if (!command_options(&argc, argv, options, e) || !command_config(path, &c, e))
		return EXIT_FAILED;
	bool ok = write_page(&page, c, e);
	config_free(c);
	if (ok && out)
		ok = file_write_atomic(out, page.data, page.len, 0644, e);
	else if (ok && (fwrite(page.data, 1, page.len, stdout) != page.len || fflush(stdout) != 0))
		ok = err_set(e, E_FILE, "the page could not be written");
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command cards_command = {"cards", "--config FILE [--out FILE.html]",
		"a page of barcodes to print: every command", cards};
