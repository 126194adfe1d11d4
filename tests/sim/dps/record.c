/* SPDX-License-Identifier: Apache-2.0 */
#include "record.h"

#include "cert.h"
#include "route.h"
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define BODY_SHOWN 4096
#define RECORD_MAX ((size_t)1 << 30)

bool record_open(struct record *rec, const char *dir)
{
	AUTO_TEXT path = text_of("%s/requests.jsonl", dir);
	AUTO_TEXT old = file_read(path, RECORD_MAX, NULL);
	for (const char *c = old; c && (c = strchr(c, '\n')); c++)
		rec->seq++;
	rec->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (rec->fd < 0 || flock(rec->fd, LOCK_EX | LOCK_NB) != 0) {
		fprintf(stderr, "dps-emulator: cannot take %s: %s\n", path, strerror(errno));
		return false;
	}
	return true;
}

void record_close(struct record *rec)
{
	if (rec->fd > 0)
		close(rec->fd);
	*rec = (struct record){0};
}

static bool is_secret(const char *key)
{
	static const char *const names[] = {"primaryKey", "secondaryKey", "connectionString",
		"authenticationKey", "sharedAccessKey"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (text_same(key, names[i]))
			return true;
	return false;
}

static void mask(json_t *doc)
{
	const char *key = NULL;
	json_t *v = NULL;
	void *next = NULL;
	size_t i = 0;
	json_object_foreach_safe(doc, next, key, v) {
		if (is_secret(key))
			json_object_set_new(doc, key, json_string("****"));
		else
			mask(v);
	}
	json_array_foreach(doc, i, v)
		mask(v);
}

json_t *record_masked(const json_t *doc)
{
	json_t *copy = must(json_deep_copy(doc));
	mask(copy);
	return copy;
}

json_t *record_body(const struct request *r)
{
	if (!r->body_len)
		return json_null();
	if (!r->json) {
		AUTO_TEXT head = text_copy(r->body, r->body_len < BODY_SHOWN ? r->body_len : BODY_SHOWN);
		text_clean(head);
		return json_string(head);
	}
	return record_masked(r->json);
}

void record_write(struct record *rec, const struct request *r, const struct answer *a,
	const struct outcome *o)
{
	static const char *const cuts[] = {[CUT_CLOSE] = "close", [CUT_RESET] = "reset"};
	const struct operation *op = r->op;
	AUTO_TEXT now = time_text(clock_ms());
	X509 *leaf = request_leaf(r);
	AUTO_TEXT client = leaf ? cert_sha256(leaf) : NULL;
	json_auto_t *line = must(json_pack("{s:I, s:s, s:s, s:s?, s:s, s:s, s:i, s:I, s:b, s:s?, s:o}",
		"seq", (json_int_t)++rec->seq, "time", now, "plane", operation_plane(op),
		"operation", op ? op->name : NULL, "method", r->method, "path", r->target,
		"status", o->cut ? 0 : a->status, "errorCode", (json_int_t)a->error, "effect", o->had_effect,
		"client", client, "body", must(record_body(r))));
	if (op && op->subject && r->arg[op->subject_arg])
		json_object_set_new(line, op->subject, json_string(r->arg[op->subject_arg]));
	if (r->hub)
		json_object_set_new(line, "hub", json_string(r->hub));
	if (o->cut)
		json_object_set_new(line, "cut", json_string(cuts[o->cut]));
	if (o->chance)
		json_object_set_new(line, "chance", json_string(o->chance));
	AUTO_TEXT text = must(json_dumps(line, JSON_COMPACT));
	AUTO_TEXT whole = text_of("%s\n", text);
	if (write(rec->fd, whole, strlen(whole)) != (ssize_t)strlen(whole))
		fprintf(stderr, "dps-emulator: cannot append to requests.jsonl: %s\n", strerror(errno));
}
