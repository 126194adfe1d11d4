/* SPDX-License-Identifier: Apache-2.0 */
/* One way to say that something failed.
 *
 * A function that can fail returns bool and takes `struct err *e` last. Where the knowledge is, it says
 * `return err_set(e, E_USB_GONE, "reading frame header")`; callers only put words in front with err_in().
 * The first cause wins: err_set on an error that is already set keeps the first code.
 * The catalogue is err.def: code, class, class once the tries are used up, and the three sentences for a person. */
#ifndef STATION_BASE_ERR_H
#define STATION_BASE_ERR_H

#include "station/base/auto.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum err_class {
	ERR_RETRY,	/* may pass next time: again, within tries and deadline */
	ERR_DEVICE,	/* this unit is bad: ends the job, keeps the evidence */
	ERR_OPERATOR,	/* a person must do something: parks the job */
	ERR_STATION,	/* the line is not fit: stops all slots */
};

enum err_code {
	E_NONE = 0,
#define ERR(name, ...) name,
#include "station/base/err.def"
#undef ERR
	E_COUNT
};

struct err_row {
	const char *name;	/* "E_USB_GONE" */
	const char *code;	/* "E-USB-001", stable for ever */
	enum err_class class;
	enum err_class exhausted;	/* the class when the tries are used up */
	const char *happened;
	const char *todo;
	const char *whom;
};

struct err {
	enum err_code code;
	int64_t native;		/* errno, libusb, TSS2_RC, HTTP status … of the first cause; 0 if none */
	char what[256];		/* for engineers; truncated at a whole character, never holds a secret */
};

/* Sets the error unless one is set already. Always returns false, so that a function can end with it. */
bool err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The same with the foreign library's number. */
bool err_native(struct err *e, enum err_code code, int64_t native, const char *fmt, ...) PRINTF_LIKE(4, 5);

/* The same with errno: appends its text. */
bool err_errno(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "words: " in front of what is there. Always returns false. */
bool err_in(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

#ifdef __clang_analyzer__
/* Static analysis sees one file at a time, and cannot know that these never say true. */
#define err_set(...) ((err_set)(__VA_ARGS__), false)
#define err_native(...) ((err_native)(__VA_ARGS__), false)
#define err_errno(...) ((err_errno)(__VA_ARGS__), false)
#define err_in(...) ((err_in)(__VA_ARGS__), false)
#endif

/* Forgets the error, for a second try. */
void err_clear(struct err *e);

/* The row of a code; never NULL (E_NONE has a row of its own). */
const struct err_row *err_row(enum err_code code);

/* The code of a text such as "E-USB-001"; E_NONE if there is none. */
enum err_code err_find(const char *code);

const char *err_class_name(enum err_class class);

#endif
