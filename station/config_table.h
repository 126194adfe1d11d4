/* SPDX-License-Identifier: Apache-2.0 */
/* station.conf as data: one row per name that may stand in it. The reader, the defaults, "did
 * you mean" and the test that holds docs/configuration.md in step all work from this table; a
 * new setting is one row, one field and one line of the page.
 *
 * Private to station/config*.c and their tests. */
#ifndef STATION_CONFIG_TABLE_H
#define STATION_CONFIG_TABLE_H

#include "station/config.h"

enum config_section {
	SECTION_STATION, SECTION_CA, SECTION_DPS,	/* must be there */
	SECTION_JIG, SECTION_CUSTODY, SECTION_HUB, SECTION_PEOPLE, SECTION_SCANNER, SECTION_LOTS, SECTION_MES, SECTION_MES_FOLDER,
	SECTION_MES_HTTP, SECTION_API,
	SECTION_PROFILE, SECTION_SLOT,			/* have names, and are many */
	SECTION_KINDS
};
#define SECTIONS_REQUIRED SECTION_JIG
#define SECTIONS_SINGLE SECTION_PROFILE

struct config_row;

/* A text on its way into the field of a row. */
struct config_value {
	const struct config_row *row;
	const char *text;
	const char *dir;	/* of the configuration file, without a slash at the end */
	void *to;		/* the field */
};

/* Checks the text and writes the field. E_CONFIG, E_NOMEM; the error's text is one clear
 * sentence and never holds a secret. */
struct config_row {
	enum config_section section;
	const char *name;
	bool (*take)(const struct config_value *v, struct err *e);
	size_t offset, room;	/* of the field, in struct config, config_profile or config_slot */
	const char *otherwise;	/* the text taken when the name is not there; "" leaves the field zero; NULL: it must be there */
	const char *const *choices;	/* of value_choice: their order is the order of the enum; NULL at the end */
	uint32_t least, most;	/* of value_count */
};

#define CONFIG_ROWS_MAX 128
extern const struct config_row config_rows[];
extern const size_t config_row_count;

/* "station", "ca", "dps" and so on. */
extern const char *const config_section_names[SECTION_KINDS];

/* ---- the kinds of value (config_value.c) ---- */
bool value_text(const struct config_value *v, struct err *e);		/* printable ASCII */
bool value_name(const struct config_value *v, struct err *e);		/* letters, digits, - . _ : */
bool value_path(const struct config_value *v, struct err *e);		/* made absolute */
bool value_secret(const struct config_value *v, struct err *e);		/* file:PATH (made absolute) or credential:NAME */
bool value_https(const struct config_value *v, struct err *e);		/* https://HOST[:PORT] */
bool value_endpoint(const struct config_value *v, struct err *e);	/* the same, and not a hub or the devices' endpoint */
bool value_proxy(const struct config_value *v, struct err *e);		/* http:// or https://, without user and password */
bool value_choice(const struct config_value *v, struct err *e);
bool value_count(const struct config_value *v, struct err *e);
bool value_handle(const struct config_value *v, struct err *e);		/* 0x81…: a persistent handle of a TPM's owner */
bool value_last_day(const struct config_value *v, struct err *e);	/* YYYY-MM-DD: its last millisecond in UTC */
bool value_template(const struct config_value *v, struct err *e);	/* of a registration id */
bool value_device_id(const struct config_value *v, struct err *e);	/* a template of a device's id in its hub */
bool value_host(const struct config_value *v, struct err *e);		/* a host's name, without scheme and port */
bool value_port(const struct config_value *v, struct err *e);		/* as `station devices` prints it */
bool value_arm_id(const struct config_value *v, struct err *e);
bool value_driver(const struct config_value *v, struct err *e);		/* one that this build has */
bool value_profile(const struct config_value *v, struct err *e);	/* a name; the reader finds the profile once all are read */
/* config_floor.c */
bool value_bytes(const struct config_value *v, struct err *e);		/* a few bytes, with \r \n \t \\ and \xHH */
bool value_pattern(const struct config_value *v, struct err *e);	/* a POSIX extended regular expression; not of the empty text */
bool value_formats(const struct config_value *v, struct err *e);	/* words of "json csv openhtf" */
bool value_mes_url(const struct config_value *v, struct err *e);
bool value_listen(const struct config_value *v, struct err *e);		/* a loopback address with its port, or unix:/PATH */

/* config_custody.c */
bool value_key_uri(const struct config_value *v, struct err *e);	/* a path (made absolute), pkcs11:… or tpm:… */
bool value_anchor_uri(const struct config_value *v, struct err *e);	/* token:LABEL or tpm:nv=0x01… */

/* ---- what holds between values (config_check.c) ---- */

/* Adds a mistake at a line; the text is kept. */
struct mistakes;
void mistake_add(struct mistakes *m, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Where the names of one section were given. */
struct config_seen {
	enum config_section section;
	int line;			/* of "[…]"; 0: the section is not there */
	int at[CONFIG_ROWS_MAX];	/* by row; 0: not given */
	char profile_name[33];		/* a slot's, before it is an index */
};

void config_check_hub(const struct config *c, const struct config_seen *seen, struct mistakes *m);
void config_check_dps(const struct config *c, const struct config_seen *seen, struct mistakes *m);
bool config_given(const struct config_seen *seen, const char *name);
/* config_profile.c */
void config_check_profile(struct config_profile *p, const struct config_seen *seen, struct mistakes *m);
void config_check_slots(struct config *c, const struct config_seen *seen_slots, struct mistakes *m);

/* config_custody.c */
void config_check_custody(const struct config *c, const struct config_seen *seen, struct mistakes *m);
/* config_floor.c; `seen` as in struct reading, or its slots */
void config_check_floor(struct config *c, const struct config_seen *seen, struct mistakes *m);
void config_check_places(const struct config *c, const struct config_seen *seen_slots, struct mistakes *m);

/* The line of a name, or of its section where the name is not given. */
int config_line_of(const struct config_seen *seen, const char *name);

#endif
