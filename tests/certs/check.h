/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka, and two checks that show the error's text when they fail. */
#ifndef TESTS_CERTS_CHECK_H
#define TESTS_CERTS_CHECK_H

#include "station/base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* The call succeeds. `e` is cleared. */
#define CHECK_OK(call, e) do { \
	bool ok_ = (call); \
	if (!ok_) \
		fail_msg("%s: %s %s", #call, err_row((e).code)->name, (e).what); \
	err_clear(&(e)); \
} while (0)

/* The call fails with this code. `e` is cleared. */
#define CHECK_FAILS(call, expected, e) do { \
	bool ok_ = (call); \
	if (ok_ || (e).code != (expected)) \
		fail_msg("%s: %s, expected %s: %s", #call, ok_ ? "success" : err_row((e).code)->name, \
			 err_row(expected)->name, (e).what); \
	err_clear(&(e)); \
} while (0)

#endif
