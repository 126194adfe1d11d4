/* SPDX-License-Identifier: Apache-2.0 */
#include "rules.h"

#include "util.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows: the keys of `do`, and what their values may be. */
static const struct {
	const char *key;
	enum { VALUE_NUMBER, VALUE_FLAG, VALUE_CUT } type;
	int64_t min, max;
} effects[EFFECTS] = {
	[EFFECT_LATENCY_MS] = {"latency_ms", VALUE_NUMBER, 0, 600000},
	[EFFECT_STATUS] = {"status", VALUE_NUMBER, 400, 599},
	[EFFECT_ERROR_CODE] = {"error_code", VALUE_NUMBER, 400000, 599999},
	[EFFECT_RETRY_AFTER] = {"retry_after", VALUE_NUMBER, 0, 86400},
	[EFFECT_CUT_BEFORE] = {"cut_before", VALUE_CUT, 0, 0},
	[EFFECT_CUT_AFTER] = {"cut_after", VALUE_CUT, 0, 0},
	[EFFECT_TRUNCATE_BODY] = {"truncate_body", VALUE_FLAG, 0, 0},
	[EFFECT_CLOCK_SKEW_S] = {"clock_skew_s", VALUE_NUMBER, -4102444800, 4102444800},
	[EFFECT_ASYNC_FAILURE] = {"async_failure", VALUE_FLAG, 0, 0},
	[EFFECT_POLLS] = {"polls", VALUE_NUMBER, -1, 1000},
};

struct rule {
	char *operation, *method;
	bool has_path;
	regex_t path;
	int64_t nth, times; /* from the nth meeting on, so many times; times < 0: without end */
	int64_t met;
	struct fault fault;
};

static bool complain(const char *what, const char *which)
{
	fprintf(stderr, "dps-emulator: rules: %s%s%s\n", what, which ? ": " : "", which ? which : "");
	return false;
}

static bool read_value(enum effect e, const json_t *v, int64_t *ret)
{
	switch (effects[e].type) {
	case VALUE_FLAG:
		*ret = json_is_true(v);
		return json_is_boolean(v);
	case VALUE_CUT:
		*ret = text_same(json_string_value(v), "reset") ? CUT_RESET
			: json_is_true(v) || text_same(json_string_value(v), "close") ? CUT_CLOSE : CUT_NONE;
		return *ret != CUT_NONE || json_is_false(v);
	case VALUE_NUMBER:
		*ret = json_integer_value(v);
		return json_is_integer(v) && *ret >= effects[e].min && *ret <= effects[e].max;
	}
	return false;
}

static bool read_do(json_t *todo, struct fault *f)
{
	const char *key = NULL;
	json_t *v = NULL;
	if (!json_is_object(todo) || !json_object_size(todo))
		return complain("a rule needs an object \"do\"", NULL);
	json_object_foreach(todo, key, v) {
		enum effect e = 0;
		while (e < EFFECTS && strcmp(effects[e].key, key) != 0)
			e++;
		if (e == EFFECTS)
			return complain("unknown effect", key);
		if (!read_value(e, v, &f->value[e]))
			return complain("not a value for this effect", key);
		f->is_set[e] = true;
	}
	return true;
}

static bool read_match_key(struct rule *r, const char *key, const json_t *v)
{
	const char *text = json_string_value(v);
	if (strcmp(key, "operation") == 0 && text)
		r->operation = text_of("%s", text);
	else if (strcmp(key, "method") == 0 && text)
		r->method = text_of("%s", text);
	else if (strcmp(key, "path") == 0 && text)
		r->has_path = regcomp(&r->path, text, REG_EXTENDED | REG_ICASE | REG_NOSUB) == 0;
	else if (strcmp(key, "nth") == 0 && json_integer_value(v) > 0)
		r->nth = json_integer_value(v);
	else if (strcmp(key, "times") == 0 && json_integer_value(v) > 0)
		r->times = json_integer_value(v);
	else
		return complain("unknown or wrong in match", key);
	return strcmp(key, "path") != 0 || r->has_path || complain("not a regular expression", text);
}

static bool read_rule(struct rule *r, json_t *doc)
{
	const char *key = NULL;
	json_t *v = NULL;
	json_t *match = json_object_get(doc, "match");
	r->nth = 1;
	if (!json_is_object(doc) || (match && !json_is_object(match)))
		return complain("a rule is an object with \"match\" and \"do\"", NULL);
	json_object_foreach(doc, key, v)
		if (strcmp(key, "match") != 0 && strcmp(key, "do") != 0)
			return complain("unknown key", key);
	json_object_foreach(match, key, v)
		if (!read_match_key(r, key, v))
			return false;
	if (!r->times)
		r->times = json_object_get(match, "nth") ? 1 : -1;
	return read_do(json_object_get(doc, "do"), &r->fault);
}

static void free_rules(struct rule *rule, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(rule[i].operation);
		free(rule[i].method);
		if (rule[i].has_path)
			regfree(&rule[i].path);
	}
	free(rule);
}

static bool load(struct rules *s)
{
	json_error_t why;
	json_auto_t *doc = json_load_file(s->path, JSON_REJECT_DUPLICATES, &why);
	if (!json_is_array(doc))
		return complain("not a JSON list", why.text);
	size_t n = json_array_size(doc);
	struct rule *rule = must(calloc(n + 1, sizeof *rule));
	for (size_t i = 0; i < n; i++) {
		if (!read_rule(&rule[i], json_array_get(doc, i))) {
			free_rules(rule, n);
			return false;
		}
	}
	free_rules(s->rule, s->rules);
	s->rule = rule;
	s->rules = n;
	return true;
}

static bool has_changed(struct rules *s)
{
	struct stat st;
	if (stat(s->path, &st) != 0)
		return false;
	bool same = st.st_size == s->size && st.st_ino == s->inode &&
		st.st_mtim.tv_sec == s->changed.tv_sec && st.st_mtim.tv_nsec == s->changed.tv_nsec;
	s->size = st.st_size;
	s->inode = st.st_ino;
	s->changed = st.st_mtim;
	return !same;
}

bool rules_open(struct rules *s, const char *path)
{
	if (!path)
		return true;
	s->path = text_of("%s", path);
	has_changed(s);
	return load(s);
}

void rules_close(struct rules *s)
{
	free_rules(s->rule, s->rules);
	free(s->path);
	*s = (struct rules){0};
}

static bool rule_meets(const struct rule *r, const char *operation, const char *method,
	const char *target)
{
	return (!r->operation || text_same(r->operation, operation)) &&
		(!r->method || text_same(r->method, method)) &&
		(!r->has_path || regexec(&r->path, target, 0, NULL, 0) == 0);
}

struct fault rules_meet(struct rules *s, const char *operation, const char *method, const char *target)
{
	struct fault sum = {0};
	if (s->path && has_changed(s))
		load(s);
	for (size_t i = 0; i < s->rules; i++) {
		struct rule *r = &s->rule[i];
		if (!rule_meets(r, operation, method, target))
			continue;
		r->met++;
		if (r->met < r->nth || (r->times >= 0 && r->met >= r->nth + r->times))
			continue;
		for (enum effect e = 0; e < EFFECTS; e++) {
			if (!r->fault.is_set[e])
				continue;
			sum.is_set[e] = true;
			sum.value[e] = r->fault.value[e];
		}
	}
	return sum;
}

int64_t fault_of(const struct fault *f, enum effect effect, int64_t otherwise)
{
	return f->is_set[effect] ? f->value[effect] : otherwise;
}
