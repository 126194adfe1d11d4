/* SPDX-License-Identifier: Apache-2.0 */
#include "route.h"

#include "operations.h"
#include "util.h"

#include <string.h>
#include <strings.h>

#define DPS "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Devices/provisioningServices/{}"
#define CERT DPS "/certificates/{}"
#define REGISTRATION "registrationId"
#define GROUP "enrollmentGroupId"
#define DEVICE "deviceId"
#define NAME "certificateName"

/* First row that fits decides: a word of the API stands before a variable in its place. */
static const struct operation operations[] = {
	/* service.json; rights as a policy of the instance spells them. Who may read keys could write them. */
	{"EnrollmentGroup_Query", PLANE_SERVICE, "POST",
		"/enrollmentGroups/query", "EnrollmentRead", NULL, 0, group_query},
	{"EnrollmentGroup_CreateOrUpdate", PLANE_SERVICE, "PUT",
		"/enrollmentGroups/{}", "EnrollmentWrite", GROUP, 0, group_put},
	{"EnrollmentGroup_Get", PLANE_SERVICE, "GET",
		"/enrollmentGroups/{}", "EnrollmentRead", GROUP, 0, group_get},
	{"EnrollmentGroup_Delete", PLANE_SERVICE, "DELETE",
		"/enrollmentGroups/{}", "EnrollmentWrite", GROUP, 0, group_delete},
	{"EnrollmentGroup_RunBulkOperation", PLANE_SERVICE, "POST",
		"/enrollmentGroups", "EnrollmentWrite", NULL, 0, group_bulk},
	{"EnrollmentGroup_GetAttestationMechanism", PLANE_SERVICE, "POST",
		"/enrollmentGroups/{}/attestationmechanism", "EnrollmentWrite", GROUP, 0, group_mechanism},
	{"IndividualEnrollment_Query", PLANE_SERVICE, "POST",
		"/enrollments/query", "EnrollmentRead", NULL, 0, enrollment_query},
	{"IndividualEnrollment_CreateOrUpdate", PLANE_SERVICE, "PUT",
		"/enrollments/{}", "EnrollmentWrite", REGISTRATION, 0, enrollment_put},
	{"IndividualEnrollment_Get", PLANE_SERVICE, "GET",
		"/enrollments/{}", "EnrollmentRead", REGISTRATION, 0, enrollment_get},
	{"IndividualEnrollment_Delete", PLANE_SERVICE, "DELETE",
		"/enrollments/{}", "EnrollmentWrite", REGISTRATION, 0, enrollment_delete},
	{"IndividualEnrollment_RunBulkOperation", PLANE_SERVICE, "POST",
		"/enrollments", "EnrollmentWrite", NULL, 0, enrollment_bulk},
	{"IndividualEnrollment_GetAttestationMechanism", PLANE_SERVICE, "POST",
		"/enrollments/{}/attestationmechanism", "EnrollmentWrite", REGISTRATION, 0, enrollment_mechanism},
	{"DeviceRegistrationState_Query", PLANE_SERVICE, "POST",
		"/registrations/{}/query", "RegistrationStatusRead", GROUP, 0, registration_query},
	{"DeviceRegistrationState_Get", PLANE_SERVICE, "GET",
		"/registrations/{}", "RegistrationStatusRead", REGISTRATION, 0, registration_get},
	{"DeviceRegistrationState_Delete", PLANE_SERVICE, "DELETE",
		"/registrations/{}", "RegistrationStatusWrite", REGISTRATION, 0, registration_delete},

	/* device.json; the device proves itself by certificate or token */
	{"RuntimeRegistration_RegisterDevice", PLANE_DEVICE, "PUT",
		"/{}/registrations/{}/register", NULL, REGISTRATION, 1, runtime_register},
	{"RuntimeRegistration_OperationStatusLookup", PLANE_DEVICE, "GET",
		"/{}/registrations/{}/operations/{}", NULL, REGISTRATION, 1, runtime_operation},
	{"RuntimeRegistration_DeviceRegistrationStatusLookup", PLANE_DEVICE, "POST",
		"/{}/registrations/{}", NULL, REGISTRATION, 1, runtime_lookup},

	/* IoT Hub registry */
	{"Devices_CreateOrUpdateIdentity", PLANE_HUB, "PUT",
		"/devices/{}", "RegistryWrite", DEVICE, 0, hub_device_put},
	{"Devices_GetIdentity", PLANE_HUB, "GET",
		"/devices/{}", "RegistryRead", DEVICE, 0, hub_device_get},
	{"Devices_DeleteIdentity", PLANE_HUB, "DELETE",
		"/devices/{}", "RegistryWrite", DEVICE, 0, hub_device_delete},
	{"Devices_GetDevices", PLANE_HUB, "GET",
		"/devices", "RegistryRead", NULL, 0, hub_device_list},
	{"BulkRegistry_UpdateRegistry", PLANE_HUB, "POST",
		"/devices", "RegistryWrite", NULL, 0, NULL},
	{"Query_GetTwins", PLANE_HUB, "POST",
		"/devices/query", "RegistryRead", NULL, 0, NULL},
	{"Devices_GetTwin", PLANE_HUB, "GET",
		"/twins/{}", "RegistryRead", DEVICE, 0, hub_twin_get},
	{"Statistics_GetDeviceStatistics", PLANE_HUB, "GET",
		"/statistics/devices", "RegistryRead", NULL, 0, NULL},

	/* iotdps.json; "read" and "write" are the roles of the bearer token */
	{"IotDpsResource_Get", PLANE_ARM, "GET",
		DPS, "read", NULL, 0, arm_instance_get},
	{"IotDpsResource_CreateOrUpdate", PLANE_ARM, "PUT",
		DPS, "write", NULL, 0, NULL},
	{"IotDpsResource_Update", PLANE_ARM, "PATCH",
		DPS, "write", NULL, 0, NULL},
	{"IotDpsResource_Delete", PLANE_ARM, "DELETE",
		DPS, "write", NULL, 0, NULL},
	{"IotDpsResource_ListKeys", PLANE_ARM, "POST",
		DPS "/listkeys", "write", NULL, 0, arm_list_keys},
	{"IotDpsResource_ListKeysForKeyName", PLANE_ARM, "POST",
		DPS "/keys/{}/listkeys", "write", NULL, 0, arm_list_keys},
	{"DpsCertificate_List", PLANE_ARM, "GET",
		DPS "/certificates", "read", NULL, 0, arm_certificate_list},
	{"DpsCertificate_CreateOrUpdate", PLANE_ARM, "PUT",
		CERT, "write", NAME, 3, arm_certificate_put},
	{"DpsCertificate_Get", PLANE_ARM, "GET",
		CERT, "read", NAME, 3, arm_certificate_get},
	{"DpsCertificate_Delete", PLANE_ARM, "DELETE",
		CERT, "write", NAME, 3, arm_certificate_delete},
	{"DpsCertificate_GenerateVerificationCode", PLANE_ARM, "POST",
		CERT "/generateVerificationCode", "write", NAME, 3, arm_certificate_code},
	{"DpsCertificate_VerifyCertificate", PLANE_ARM, "POST",
		CERT "/verify", "write", NAME, 3, arm_certificate_verify},

	/* The emulator's own; no client of the service knows them. */
	{"Emulator_GetCounts", PLANE_EMULATOR, "GET",
		"/_emulator/counts", NULL, NULL, 0, counts_get},
	{"Emulator_ResetCounts", PLANE_EMULATOR, "DELETE",
		"/_emulator/counts", NULL, NULL, 0, counts_delete},
};

const char *operation_plane(const struct operation *op)
{
	static const char *const names[PLANES] = {"none", "service", "device", "hub", "arm", "emulator"};
	return names[op ? op->plane : PLANE_NONE];
}

static bool path_fits(const char *pattern, const struct request *r, const char **arg)
{
	size_t i = 0, args = 0;
	for (; *pattern; i++) {
		pattern++;
		size_t n = strcspn(pattern, "/");
		if (i == r->segments)
			return false;
		bool variable = n == 2 && strncmp(pattern, "{}", 2) == 0;
		if (variable && *r->segment[i])
			arg[args++] = r->segment[i];
		else if (variable || strlen(r->segment[i]) != n || strncasecmp(r->segment[i], pattern, n) != 0)
			return false;
		pattern += n;
	}
	return i == r->segments;
}

bool route_find(struct request *r, struct answer *a)
{
	bool path_known = false;
	if (r->malformed)
		return answer_error(a, 400000, "The path cannot be decoded.");
	for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
		const struct operation *op = &operations[i];
		const char *arg[REQUEST_ARGS] = {0};
		if ((op->plane == PLANE_HUB) != (r->hub != NULL) || !path_fits(op->path, r, arg))
			continue;
		path_known = true;
		if (strcmp(op->method, r->method) != 0)
			continue;
		r->op = op;
		memcpy(r->arg, arg, sizeof arg);
		return op->handle || answer_error(a, 405000, "%s is not offered by this emulator.", op->name);
	}
	if (!path_known && !(r->segments == 1 && text_same(r->segment[0], "registrations")))
		return answer_error(a, 404000, "Resource not found.");
	return answer_error(a, 405000, "The resource does not support %s.", r->method);
}
