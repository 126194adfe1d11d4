/* SPDX-License-Identifier: Apache-2.0 */
/* The schema's versions as they are embedded: db/schema/NNN_*.sql, in order, by db/embed.py at build time. */
#ifndef DB_SCHEMA_H
#define DB_SCHEMA_H

struct migration {
	int version;	/* of the ledger once this was run; the first is 1 */
	const char *name;
	const char *sql;
};

extern const struct migration schema[];
extern const int schema_version;	/* the newest; also the number of rows */

#endif
