/* SPDX-License-Identifier: Apache-2.0 */
#include "service.h"

#include "arm.h"
#include "auth.h"
#include "entries.h"
#include "holders.h"
#include "route.h"
#include "util.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ALL_RIGHTS "ServiceConfig, EnrollmentRead, EnrollmentWrite, DeviceConnect, " \
	"RegistrationStatusRead, RegistrationStatusWrite"
#define HUB_RIGHTS "RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect"

/* Rows: the policies that every instance starts with. */
static const struct {
	const char *name, *rights;
} policies[] = {
	{"provisioningserviceowner", ALL_RIGHTS},
	{"line", "EnrollmentRead, EnrollmentWrite, RegistrationStatusRead"},
	{"reader", "EnrollmentRead, RegistrationStatusRead"},
};

/* Rows: the hubs that are linked. The first is the nearest one. */
static const struct {
	const char *name, *location;
	int weight;
} hubs[] = {
	{"hub-1.azure-devices.net", "westeurope", 1},
	{"hub-2.azure-devices.net", "northeurope", 1},
};

const char *instance_text(const struct service *svc, const char *field)
{
	const char *t = json_string_value(json_object_get(svc->instance, field));
	return t ? t : "";
}

json_t *instance_hub(const struct service *svc, const char *name)
{
	json_t *hub = NULL;
	size_t i = 0;
	json_array_foreach(json_object_get(svc->instance, "hubs"), i, hub)
		if (text_same(json_string_value(json_object_get(hub, "hostName")), name))
			return hub;
	return NULL;
}

static json_t *new_policy(const char *name, const char *rights, size_t key_len)
{
	AUTO_TEXT primary = random_base64(key_len);
	AUTO_TEXT secondary = random_base64(key_len);
	return must(json_pack("{s:s, s:s, s:s, s:s}", "keyName", name, "rights", rights,
		"primaryKey", primary, "secondaryKey", secondary));
}

static json_t *new_tokens(void)
{
	AUTO_TEXT reader = random_token();
	AUTO_TEXT contributor = random_token();
	return must(json_pack("{s:s, s:s}", "reader", reader, "contributor", contributor));
}

static json_t *new_hub(size_t i)
{
	json_t *list = must(json_pack("[o]", new_policy("iothubowner", HUB_RIGHTS, 32)));
	return must(json_pack("{s:s, s:s, s:i, s:b, s:o}", "hostName", hubs[i].name, "location",
		hubs[i].location, "allocationWeight", hubs[i].weight, "applyAllocationPolicy", 1,
		"policies", list));
}

static json_t *new_instance(void)
{
	uint8_t tail[4];
	random_fill(tail, sizeof tail);
	AUTO_TEXT hex = hex_of(tail, sizeof tail);
	AUTO_TEXT name_text = text_of("dps-%s", hex);
	AUTO_TEXT name = text_lower(name_text);
	AUTO_TEXT scope = text_of("0ne%s", hex);
	AUTO_TEXT subscription = uuid_new();
	AUTO_TEXT operations = text_of("%s.azure-devices-provisioning.net", name);
	json_t *doc = must(json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:i}",
		"name", name, "idScope", scope, "subscription", subscription, "resourceGroup", "factory",
		"location", "westeurope", "allocationPolicy", "Hashed",
		"serviceOperationsHostName", operations,
		"deviceProvisioningHostName", "global.azure-devices-provisioning.net",
		"bearer", new_tokens(), "arm", new_tokens(), "lastEtag", 1000));
	json_t *list = json_array();
	for (size_t i = 0; i < sizeof policies / sizeof policies[0]; i++)
		json_array_append_new(list, new_policy(policies[i].name, policies[i].rights, 64));
	json_object_set_new(doc, "policies", must(list));
	list = json_array();
	for (size_t i = 0; i < sizeof hubs / sizeof hubs[0]; i++)
		json_array_append_new(list, new_hub(i));
	json_object_set_new(doc, "hubs", must(list));
	return doc;
}

static bool open_instance(struct service *svc)
{
	svc->instance = store_read_document(&svc->store, "instance.json");
	if (svc->instance)
		return true;
	svc->instance = new_instance();
	return store_write_document(&svc->store, "instance.json", svc->instance);
}

bool service_open(struct service *svc, const struct options *o)
{
	svc->options = *o;
	svc->chance = o->chance;
	throttle_open(&svc->throttle, &o->throttle);
	pthread_mutex_init(&svc->lock, NULL);
	pthread_cond_init(&svc->stop_called, NULL);
	if (!store_open(&svc->store, o->state) || !open_instance(svc) ||
		!record_open(&svc->record, o->state) || !rules_open(&svc->rules, o->rules) ||
		!traffic_open(&svc->traffic, o->traffic))
		return false;
	holders_open(svc);
	counts_open(svc);
	for (size_t i = 0; i < o->cas; i++)
		if (!arm_add_verified(svc, o->ca[i]))
			return false;
	for (size_t i = 0; i < o->groups; i++)
		if (!group_add(svc, o->group[i]))
			return false;
	AUTO_TEXT endpoint = text_of("%s/endpoint.json", o->state);
	unlink(endpoint);
	return true;
}

void service_close(struct service *svc)
{
	holders_close(svc);
	counts_close(svc);
	store_close(&svc->store);
	json_decref(svc->instance);
	rules_close(&svc->rules);
	record_close(&svc->record);
	traffic_close(&svc->traffic);
	throttle_close(&svc->throttle);
	pthread_cond_destroy(&svc->stop_called);
	pthread_mutex_destroy(&svc->lock);
}

void service_stop(struct service *svc)
{
	pthread_mutex_lock(&svc->lock);
	svc->stopping = true;
	pthread_cond_broadcast(&svc->stop_called);
	pthread_mutex_unlock(&svc->lock);
}

void service_go_on(struct service *svc)
{
	pthread_mutex_lock(&svc->lock);
	svc->stopping = false;
	pthread_mutex_unlock(&svc->lock);
}

static json_t *connection_string(const char *host, const json_t *policy)
{
	const char *name = json_string_value(json_object_get(policy, "keyName"));
	AUTO_TEXT t = text_of("HostName=%s;SharedAccessKeyName=%s;SharedAccessKey=%s", host, name,
		json_string_value(json_object_get(policy, "primaryKey")));
	return must(json_string(t));
}

static json_t *announce_hubs(const struct service *svc, const char *url)
{
	json_t *list = must(json_array()), *hub = NULL;
	size_t i = 0;
	json_array_foreach(json_object_get(svc->instance, "hubs"), i, hub) {
		const char *host = json_string_value(json_object_get(hub, "hostName"));
		AUTO_TEXT here = text_of("%s/hubs/%s", url, host);
		json_array_append_new(list, must(json_pack("{s:s, s:o, s:s, s:O}", "hostName", host,
			"connectionString",
			connection_string(host, json_array_get(json_object_get(hub, "policies"), 0)),
			"url", here, "location", json_object_get(hub, "location"))));
	}
	return list;
}

static json_t *announce_policies(const struct service *svc, const char *host)
{
	json_t *list = must(json_array()), *p = NULL;
	size_t i = 0;
	json_array_foreach(json_object_get(svc->instance, "policies"), i, p)
		json_array_append_new(list, must(json_pack("{s:O, s:O, s:o}",
			"keyName", json_object_get(p, "keyName"), "rights", json_object_get(p, "rights"),
			"connectionString", connection_string(host, p))));
	return list;
}

bool service_announce(struct service *svc, uint16_t port)
{
	pthread_mutex_lock(&svc->lock);
	svc->options.port = port;
	AUTO_TEXT host = text_of("localhost:%u", port);
	AUTO_TEXT url = text_of("https://%s", host);
	AUTO_TEXT dir = must(realpath(svc->options.state, NULL));
	AUTO_TEXT ca = text_of("%s/tls-root.pem", dir);
	AUTO_TEXT id = arm_instance_id(svc);
	json_t *arm = json_object_get(svc->instance, "arm");
	json_t *first = json_array_get(json_object_get(svc->instance, "policies"), 0);
	json_auto_t *doc = must(json_pack("{s:s, s:s, s:o, s:O, s:O, s:O, s:o, s:o, s:O, s:{s:s, s:s, s:O, s:O}}",
		"url", url, "ca", ca, "serviceConnectionString", connection_string(host, first),
		"idScope", json_object_get(svc->instance, "idScope"),
		"serviceHostName", json_object_get(svc->instance, "serviceOperationsHostName"),
		"deviceHostName", json_object_get(svc->instance, "deviceProvisioningHostName"),
		"hubs", announce_hubs(svc, url), "policies", announce_policies(svc, host),
		"bearer", json_object_get(svc->instance, "bearer"),
		"arm", "url", url, "id", id, "reader", json_object_get(arm, "reader"),
		"contributor", json_object_get(arm, "contributor")));
	bool ok = store_write_document(&svc->store, "endpoint.json", doc);
	pthread_mutex_unlock(&svc->lock);
	return ok;
}

/* Waits without the lock's protection of anything; ends early when the server stops. */
static void sleep_ms(struct service *svc, int64_t ms)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += (time_t)(ms / 1000);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	while (!svc->stopping &&
		pthread_cond_timedwait(&svc->stop_called, &svc->lock, &until) != ETIMEDOUT)
		;
}

/* Versions seen in clients and specifications; a hub's are only checked for their shape. */
static bool version_is_known(enum plane plane, const char *v)
{
	static const char *const data[] = {"2017-08-31-preview", "2018-04-01", "2018-09-01-preview",
		"2018-11-01", "2019-03-31", "2021-06-01", "2021-10-01", "2025-07-01-preview", "2026-11-01",
		NULL};
	static const char *const arm[] = {"2017-11-15", "2018-01-22", "2020-01-01", "2020-03-01",
		"2021-10-15", "2022-02-05", "2022-12-12", "2025-02-01-preview", "2026-03-01-preview",
		"2026-04-01", "2026-06-01-preview", "2026-08-01", NULL};
	if (plane == PLANE_HUB)
		return strlen(v) >= 10 && v[4] == '-' && v[7] == '-';
	for (const char *const *known = plane == PLANE_ARM ? arm : data; *known; known++)
		if (strcmp(*known, v) == 0)
			return true;
	return false;
}

static bool version_fits(const struct request *r, struct answer *a)
{
	AUTO_TEXT v = request_parameter(r, "api-version");
	if (!v || !*v)
		return answer_error(a, 400000, "The query parameter api-version is required.");
	return version_is_known(r->op->plane, v) ||
		answer_error(a, 400000, "The api-version '%s' is not supported.", v);
}

static bool body_fits(const struct request *r, struct answer *a)
{
	if (r->too_long)
		return answer_error(a, 413000, "The request body is too large.");
	if (!r->body_len || strcmp(r->method, "GET") == 0)
		return true;
	if (!r->content_type || !text_starts(r->content_type, "application/json"))
		return answer_error(a, 415000, "The media type of the request is not supported.");
	return r->json || answer_error(a, 400000, "The request body is not JSON.");
}

static void run(struct service *svc, struct request *r, const struct fault *f, struct answer *a)
{
	assert(r->op && r->op->handle);
	int64_t now_s = clock_ms() / 1000 + fault_of(f, EFFECT_CLOCK_SKEW_S, 0);
	bool ours = r->op->plane == PLANE_EMULATOR;
	if ((!ours && !version_fits(r, a)) || !auth_allows(svc, r, now_s, a) || !body_fits(r, a))
		return;
	if (!throttle_allows(&svc->throttle, r, a)) {
		counts_add(svc, COUNT_THROTTLED);
		return;
	}
	r->op->handle(svc, r, a);
}

/* 429 and 503 say when to come again; a rule may name another time. */
static void refuse_by_rule(const struct fault *f, struct answer *a)
{
	int64_t status = f->value[EFFECT_STATUS];
	answer_error(a, fault_of(f, EFFECT_ERROR_CODE, status * 1000), "%s",
		status == 429 ? "Too many requests. Please retry after the given time."
		: status >= 500 ? "The service is not able to process the request." : "Refused by a rule.");
	a->status = (int)status;
	if (f->is_set[EFFECT_RETRY_AFTER])
		answer_header(a, "Retry-After", "%lld", (long long)f->value[EFFECT_RETRY_AFTER]);
}

/* A rule's Retry-After replaces the one of a successful answer. */
static void set_retry_after(const struct fault *f, struct answer *a)
{
	for (size_t i = 0; i < a->headers; i++) {
		if (!f->is_set[EFFECT_RETRY_AFTER] || !text_same(a->header[i].name, "Retry-After"))
			continue;
		free(a->header[i].value);
		a->header[i].value = text_of("%lld", (long long)f->value[EFFECT_RETRY_AFTER]);
	}
}

/* A service whose clock is wrong says a wrong Date. */
static void set_date(const struct fault *f, struct answer *a)
{
	char text[40];
	struct tm tm;
	time_t now_s = (time_t)(clock_ms() / 1000 + fault_of(f, EFFECT_CLOCK_SKEW_S, 0));
	if (f->is_set[EFFECT_CLOCK_SKEW_S] && gmtime_r(&now_s, &tm) && strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm))
		answer_header(a, "Date", "%s", text);
}

/* The records, and the count of what came. */
static void note(struct service *svc, const struct request *r, const struct answer *a,
	const struct outcome *o)
{
	if (r->op && r->op->plane == PLANE_EMULATOR)
		return;
	counts_add(svc, COUNT_REQUESTS);
	if (a->error && a->status != 429 && !o->chance)
		counts_add(svc, COUNT_REFUSED);
	if (o->chance)
		counts_fault(svc, o->chance);
	record_write(&svc->record, r, a, o);
	traffic_write(&svc->traffic, r, a, o->cut);
}

/* What goes wrong with this request: what the rules say, and chance where they let it pass. */
static struct fault find_fault(struct service *svc, const struct request *r, const char **ret_chance)
{
	struct fault f = {0};
	enum plane plane = r->op ? r->op->plane : PLANE_NONE;
	if (plane == PLANE_EMULATOR)
		return f;
	f = rules_meet(&svc->rules, r->op ? r->op->name : "", r->method, r->target);
	bool fails = f.is_set[EFFECT_STATUS] || f.is_set[EFFECT_CUT_BEFORE] || f.is_set[EFFECT_CUT_AFTER];
	if (!fails && (plane == PLANE_SERVICE || plane == PLANE_DEVICE))
		*ret_chance = chance_meet(&svc->chance, &f);
	return f;
}

struct verdict service_answer(struct service *svc, struct request *r, struct answer *a)
{
	pthread_mutex_lock(&svc->lock);
	struct outcome o = {0};
	bool found = route_find(r, a);
	struct fault f = find_fault(svc, r, &o.chance);
	r->fault = &f;
	if (f.is_set[EFFECT_LATENCY_MS])
		sleep_ms(svc, f.value[EFFECT_LATENCY_MS]);
	o.cut = (enum cut)fault_of(&f, EFFECT_CUT_BEFORE, CUT_NONE);
	bool runs = found && !o.cut && !f.is_set[EFFECT_STATUS];
	if (runs)
		run(svc, r, &f, a);
	else if (!o.cut && f.is_set[EFFECT_STATUS])
		refuse_by_rule(&f, a);
	set_retry_after(&f, a);
	set_date(&f, a);
	answer_finish(a, r->op ? r->op->plane : PLANE_NONE);
	o.had_effect = runs && a->status < 400;
	o.cut = o.cut ? o.cut : (enum cut)fault_of(&f, EFFECT_CUT_AFTER, CUT_NONE);
	note(svc, r, a, &o);
	counts_save(svc);
	r->fault = NULL;
	pthread_mutex_unlock(&svc->lock);
	return (struct verdict){o.cut, !o.cut && fault_of(&f, EFFECT_TRUNCATE_BODY, 0)};
}
