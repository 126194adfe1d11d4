/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_EXPORT_H
#define SIM_EXPORT_H

/*
 * The bundle as files that a device's software, and tools that are not ours, can read.
 * Only a convenience: the bundle is the truth, and a bundle that can't be read as fields leaves no files behind.
 */

#include "why.h"

#include <stddef.h>
#include <stdint.h>

/* Writes leaf.pem, chain.pem (leaf excluded) and registration.json into `dir`, or removes them. */
MUST_CHECK bool export_bundle(const char *dir, const uint8_t *bundle, size_t len, struct why *w);

#endif
