/* SPDX-License-Identifier: Apache-2.0 */
/* The operations themselves, as the rows of route.c name them; each answers into *a. */
#ifndef SIM_DPS_OPERATIONS_H
#define SIM_DPS_OPERATIONS_H

#include "service.h"

/* entries.c: enrollment groups and individual enrollments */
void group_put(struct service *svc, const struct request *r, struct answer *a);
void group_get(struct service *svc, const struct request *r, struct answer *a);
void group_delete(struct service *svc, const struct request *r, struct answer *a);
void group_query(struct service *svc, const struct request *r, struct answer *a);
void group_mechanism(struct service *svc, const struct request *r, struct answer *a);
void enrollment_put(struct service *svc, const struct request *r, struct answer *a);
void enrollment_get(struct service *svc, const struct request *r, struct answer *a);
void enrollment_delete(struct service *svc, const struct request *r, struct answer *a);
void enrollment_query(struct service *svc, const struct request *r, struct answer *a);
void enrollment_mechanism(struct service *svc, const struct request *r, struct answer *a);

/* bulk.c: up to ten entries in one call */
void group_bulk(struct service *svc, const struct request *r, struct answer *a);
void enrollment_bulk(struct service *svc, const struct request *r, struct answer *a);

/* registrations.c: registration records, as the service's owner sees them */
void registration_get(struct service *svc, const struct request *r, struct answer *a);
void registration_delete(struct service *svc, const struct request *r, struct answer *a);
void registration_query(struct service *svc, const struct request *r, struct answer *a);

/* runtime.c: what a device asks */
void runtime_register(struct service *svc, const struct request *r, struct answer *a);
void runtime_operation(struct service *svc, const struct request *r, struct answer *a);
void runtime_lookup(struct service *svc, const struct request *r, struct answer *a);

/* hubs.c: the registry of a linked IoT Hub */
void hub_device_put(struct service *svc, const struct request *r, struct answer *a);
void hub_device_get(struct service *svc, const struct request *r, struct answer *a);
void hub_device_delete(struct service *svc, const struct request *r, struct answer *a);
void hub_device_list(struct service *svc, const struct request *r, struct answer *a);
void hub_twin_get(struct service *svc, const struct request *r, struct answer *a);

/* arm.c: the resource and its CA certificates */
void arm_instance_get(struct service *svc, const struct request *r, struct answer *a);
void arm_list_keys(struct service *svc, const struct request *r, struct answer *a);
void arm_certificate_put(struct service *svc, const struct request *r, struct answer *a);
void arm_certificate_get(struct service *svc, const struct request *r, struct answer *a);
void arm_certificate_list(struct service *svc, const struct request *r, struct answer *a);
void arm_certificate_delete(struct service *svc, const struct request *r, struct answer *a);
void arm_certificate_code(struct service *svc, const struct request *r, struct answer *a);
void arm_certificate_verify(struct service *svc, const struct request *r, struct answer *a);

/* counts.c: what the emulator itself says */
void counts_get(struct service *svc, const struct request *r, struct answer *a);
void counts_delete(struct service *svc, const struct request *r, struct answer *a);

#endif
