/* SPDX-License-Identifier: Apache-2.0 */
/* What the floor needs: the kinds of value that only its sections have (scanner, MES, API), and what holds between them. */
#include "station/config_table.h"
#include "station/base/text.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>

/* One character of a text with escapes; NULL if it is none. */
static const char *take_byte(const char *p, char *ret)
{
	static const char letters[] = "rnt\\", bytes[] = "\r\n\t\\";
	struct err ignored = {0};
	char hex[3] = "";
	if (*p != '\\') {
		*ret = *p;
		return isprint((unsigned char)*p) ? p + 1 : NULL;
	}
	if (p[1] == 'x') {
		snprintf(hex, sizeof(hex), "%.2s", p + 2);
		return hex_decode(hex, (uint8_t *)ret, 1, &ignored) && *ret ? p + 4 : NULL;
	}
	const char *letter = p[1] ? strchr(letters, p[1]) : NULL;
	*ret = letter ? bytes[letter - letters] : '\0';
	return letter ? p + 2 : NULL;
}

bool value_bytes(const struct config_value *v, struct err *e)
{
	char out[64] = "";
	size_t n = 0;
	for (const char *p = v->text; *p;) {
		p = n + 1 < v->row->room && n + 1 < sizeof(out) ? take_byte(p, &out[n++]) : NULL;
		if (!p)
			return err_set(e, E_CONFIG, "%s is at most %zu characters; \\r \\n \\t \\\\ and \\xHH stand for bytes", v->row->name,
				       v->row->room - 1);
	}
	memcpy(v->to, out, n);
	((char *)v->to)[n] = '\0';
	return true;
}

bool value_pattern(const struct config_value *v, struct err *e)
{
	regex_t compiled;
	char why[128] = "";
	int rc = regcomp(&compiled, v->text, REG_EXTENDED | REG_NOSUB);
	if (rc != 0) {
		regerror(rc, &compiled, why, sizeof(why));
		return err_set(e, E_CONFIG, "%s is no regular expression (POSIX, extended): %s", v->row->name, why);
	}
	bool takes_all = regexec(&compiled, "", 0, NULL, 0) == 0;
	regfree(&compiled);
	if (takes_all)
		return err_set(e, E_CONFIG, "%s also takes an empty code; begin it with ^ and end it with $", v->row->name);
	return value_text(v, e);
}

bool value_formats(const struct config_value *v, struct err *e)
{
	static const char *const known[] = {"json", "csv", "openhtf"};
	char text[128];
	size_t found = 0;
	if (!value_text(v, e) || !TEXT_COPY(text, v->text, e))
		return false;
	for (char *save, *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save), found++) {
		size_t i = 0;
		while (i < COUNT_OF(known) && strcmp(known[i], word) != 0)
			i++;
		if (i == COUNT_OF(known))
			return err_set(e, E_CONFIG, "%s takes json, csv and openhtf, with blanks between", v->row->name);
	}
	return found > 0 || err_set(e, E_CONFIG, "%s names none", v->row->name);
}

bool value_mes_url(const struct config_value *v, struct err *e)
{
	size_t scheme = !strncmp(v->text, "https://", 8) ? 8 : !strncmp(v->text, "http://", 7) ? 7 : 0;
	size_t n = strlen(v->text);
	if (!scheme || n == scheme || strpbrk(v->text, "@?# ") || v->text[n - 1] == '/')
		return err_set(e, E_CONFIG, "%s must be https://HOST[:PORT][/PATH], without / at the end, user or query", v->row->name);
	return value_text(v, e);
}

/* The port behind the last colon, of an address that only this machine reaches. */
static bool is_loopback(const char *text)
{
	char host[64];
	uint8_t address[16];
	const char *colon = strrchr(text, ':');
	size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
	long port = digits && digits <= 5 && !colon[1 + digits] ? strtol(colon + 1, NULL, 10) : -1;
	if (port < 0 || port > 65535 || (size_t)(colon - text) >= sizeof(host))
		return false;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	return !strcmp(host, "[::1]") || (inet_pton(AF_INET, host, address) == 1 && address[0] == 127);
}

bool value_listen(const struct config_value *v, struct err *e)
{
	if (!strncmp(v->text, "unix:/", 6) ? strlen(v->text) > 105 : !is_loopback(v->text))
		return err_set(e, E_CONFIG, "%s must be 127.0.0.1:PORT, [::1]:PORT or unix:/PATH (at most 100 characters)", v->row->name);
	return value_text(v, e);
}

/* ---- what holds between values ---- */

static void check_jig(const struct config *c, const struct config_seen *seen, struct mistakes *m)
{
	const struct config_seen *jig = &seen[SECTION_JIG];
	if (!c->jig.rows != !c->jig.columns)
		mistake_add(m, jig->line, "[jig] needs rows and columns");
	if (c->jig.rows * c->jig.columns > 4 * CONFIG_SLOTS_MAX)
		mistake_add(m, jig->line, "[jig] has more than %d places", 4 * CONFIG_SLOTS_MAX);
}

void config_check_places(const struct config *c, const struct config_seen *seen_slots, struct mistakes *m)
{
	for (size_t i = 0; i < c->slot_count; i++) {
		const struct config_slot *s = &c->slot[i];
		int line = config_line_of(&seen_slots[i], "row");
		if (!s->row != !s->column)
			mistake_add(m, line, "row and column go together");
		if ((s->row || s->column) && !c->jig.rows)
			mistake_add(m, line, "row and column need [jig]");
		else if (s->row > c->jig.rows || s->column > c->jig.columns)
			mistake_add(m, line, "the jig has %u rows and %u columns", c->jig.rows, c->jig.columns);
		for (size_t k = 0; s->row && k < i; k++)
			if (c->slot[k].row == s->row && c->slot[k].column == s->column)
				mistake_add(m, line, "slot %s is at this place already", c->slot[k].name);
	}
}

static void check_mes(const struct config *c, const struct config_seen *seen, struct mistakes *m)
{
	const struct config_seen *http = &seen[SECTION_MES_HTTP], *folder = &seen[SECTION_MES_FOLDER];
	if (http->line && !c->mes_url[0])
		mistake_add(m, http->line, "url is missing");
	if (folder->line && !c->folder_out[0])
		mistake_add(m, folder->line, "out is missing");
	if (!strncmp(c->mes_url, "http://", 7) && !c->mes_hmac_key[0])
		mistake_add(m, config_line_of(http, "url"), "http:// needs hmac_key beside it");
	if (!c->mes_certificate[0] != !c->mes_key[0])
		mistake_add(m, http->line, "certificate and key go together");
	if (seen[SECTION_API].line && !c->api_listen[0])
		mistake_add(m, seen[SECTION_API].line, "listen is missing");
}

/* Directories that were not named stand below the state's. */
static void place_directories(struct config *c)
{
	const struct { char *path; const char *name; } dirs[] = {
		{c->orders_dir, "orders"}, {c->trays_dir, "trays"}, {c->handover_dir, "handover"}};
	struct err ignored = {0};
	for (size_t i = 0; i < COUNT_OF(dirs); i++)
		if (!dirs[i].path[0] && !config_state_path(c, dirs[i].name, dirs[i].path, PATH_MAX, &ignored))
			dirs[i].path[0] = '\0';
}

void config_check_floor(struct config *c, const struct config_seen *seen, struct mistakes *m)
{
	check_jig(c, seen, m);
	check_mes(c, seen, m);
	place_directories(c);
	if (!c->mes_station[0])
		snprintf(c->mes_station, sizeof(c->mes_station), "%s", c->name);
}
