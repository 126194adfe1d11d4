/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The resource as Azure Resource Manager shows it, and its CA certificates. A certificate counts as
 * verified when it was uploaded so, given at start, or proved: a certificate whose common name is
 * the code the service gave, signed by the CA's key.
 */
#ifndef SIM_DPS_ARM_H
#define SIM_DPS_ARM_H

#include "service.h"

/* --verified-ca FILE: stored as verified, once. Says why not on stderr. */
bool arm_add_verified(struct service *svc, const char *file);

/* /subscriptions/.../provisioningServices/NAME; the caller frees. */
char *arm_instance_id(const struct service *svc);

#endif
