/* SPDX-License-Identifier: Apache-2.0 */
#include "traffic.h"

#include "record.h"
#include "route.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool traffic_open(struct traffic *t, const char *dir)
{
	if (!dir)
		return true;
	AUTO_TEXT path = text_of("%s/traffic.jsonl", dir);
	if (mkdir(dir, 0700) == 0 || errno == EEXIST)
		t->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (t->fd > 0)
		return true;
	fprintf(stderr, "dps-emulator: cannot write %s: %s\n", path, strerror(errno));
	return false;
}

void traffic_close(struct traffic *t)
{
	if (t->fd > 0)
		close(t->fd);
	*t = (struct traffic){0};
}

/* Of an Authorization header only its scheme. */
static json_t *request_headers(const struct request *r)
{
	AUTO_TEXT scheme = r->authorization ? text_copy(r->authorization, strcspn(r->authorization, " ")) : NULL;
	const struct {
		const char *name, *value;
	} heads[] = {
		{"authorization", scheme}, {"if-match", r->if_match}, {"content-type", r->content_type},
		{"x-ms-max-item-count", r->max_items}, {"x-ms-continuation", r->continuation},
	};
	json_t *o = must(json_object());
	for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
		if (!heads[i].value)
			continue;
		AUTO_TEXT value = text_of("%s", heads[i].value);
		text_clean(value);
		json_object_set_new(o, heads[i].name, json_string(value));
	}
	return o;
}

static json_t *answer_headers(const struct answer *a)
{
	json_t *o = must(json_object());
	for (size_t i = 0; i < a->headers; i++) {
		AUTO_TEXT name = text_lower(a->header[i].name);
		json_object_set_new(o, name, json_string(a->header[i].value));
	}
	return o;
}

void traffic_write(struct traffic *t, const struct request *r, const struct answer *a, enum cut cut)
{
	if (!t->fd)
		return;
	json_auto_t *line = must(json_pack("{s:s, s:s?, s:s, s:s, s:o, s:o, s:i, s:b, s:o, s:o}",
		"plane", operation_plane(r->op), "operation", r->op ? r->op->name : NULL, "method", r->method,
		"path", r->target, "headers", request_headers(r), "body", record_body(r),
		"status", a->status, "cut", cut != CUT_NONE, "answerHeaders", answer_headers(a),
		"answer", a->body ? record_masked(a->body) : json_null()));
	AUTO_TEXT text = must(json_dumps(line, JSON_COMPACT));
	AUTO_TEXT whole = text_of("%s\n", text);
	if (write(t->fd, whole, strlen(whole)) != (ssize_t)strlen(whole))
		fprintf(stderr, "dps-emulator: cannot append to traffic.jsonl: %s\n", strerror(errno));
}
