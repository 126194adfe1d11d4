/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of this room share: assertions on functions that say their failure in a struct err. */
#ifndef TESTS_BASE_CHECK_H
#define TESTS_BASE_CHECK_H

#include "station/base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* Asserts that the call, which uses &e, succeeds, showing the error if not. */
#define OK(call) do { struct err e = {0}; bool ok_ = (call); if (!ok_) fail_msg("%s: %s", err_row(e.code)->name, e.what); } while (0)
/* Asserts that it fails with this code. */
#define REFUSED(expected, call) do { struct err e = {0}; assert_false(call); if (e.code != (expected)) \
	fail_msg("%s: %s", err_row(e.code)->name, e.what); } while (0)

#endif
