/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/db/scratch.h"
#include "station/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

int scratch_setup(void **state)
{
	struct scratch *s = calloc(1, sizeof(*s));
	struct err e = {0};
	if (!s)
		return -1;
	snprintf(s->dir, sizeof(s->dir), "/tmp/ledger-test-XXXXXX");
	if (!mkdtemp(s->dir))
		return -1;
	snprintf(s->path, sizeof(s->path), "%s/ledger.db", s->dir);
	*state = s;
	return ledger_open(s->path, ORIGIN, &s->l, &e) ? 0 : -1;
}

void scratch_remove(struct scratch *s)
{
	static const char *const names[] = {"ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db.lock", "ledger.db-journal",
					    "copy.db", "copy.db-wal", "copy.db-shm"};
	char name[128];
	scratch_close(s);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		snprintf(name, sizeof(name), "%s/%s", s->dir, names[i]);
		unlink(name);
	}
}

int scratch_teardown(void **state)
{
	struct scratch *s = *state;
	scratch_remove(s);
	int rc = rmdir(s->dir);
	free(s);
	return rc;
}

void scratch_close(struct scratch *s)
{
	ledger_close(s->l);
	s->l = NULL;
}

void scratch_reopen(struct scratch *s)
{
	scratch_close(s);
	OK(ledger_open(s->path, ORIGIN, &s->l, &e));
}

void scratch_sql(struct scratch *s, const char *sql, char *ret, size_t room)
{
	char answer[4096] = "";
	int to[2], from[2], status;
	assert_true(pipe(to) == 0 && pipe(from) == 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		close(to[1]);
		close(from[0]);
		execlp("sqlite3", "sqlite3", "-bail", s->path, (char *)NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	assert_int_equal(write(to[1], sql, strlen(sql)), strlen(sql));
	close(to[1]);
	size_t len = 0;
	for (ssize_t n; len < sizeof(answer) - 1 && (n = read(from[0], answer + len, sizeof(answer) - 1 - len)) > 0;)
		len += (size_t)n;
	close(from[0]);
	waitpid(pid, &status, 0);
	if (ret)
		snprintf(ret, room, "%s", answer);
	else
		assert_int_equal(status, 0);
}

void scratch_append(struct scratch *s, unsigned count)
{
	uint64_t size, index;
	struct merkle_hash root;
	for (unsigned i = 0; i < count; i++) {
		OK(audit_head(s->l, &size, &root, &e));
		json_t *body = json_pack("{s:I}", "number", (json_int_t)size);
		OK(ledger_begin(s->l, &e));
		OK(audit_append(s->l, "test.entry", "j", body, 1000 + (int64_t)size, &index, &e));
		OK(ledger_commit(s->l, &e));
		json_decref(body);
		assert_int_equal(index, size);
	}
}

void scratch_checkpoint(struct scratch *s)
{
	uint64_t size;
	struct merkle_hash root;
	AUTO(bytes) struct bytes note = {0};
	OK(audit_head(s->l, &size, &root, &e));
	OK(bytes_printf(&note, &e, "%s\n%" PRIu64 "\n", ORIGIN, size));
	OK(base64_encode(root.h, sizeof(root.h), &note, &e));
	OK(bytes_add_text(&note, "\n\n\xe2\x80\x94 test AAAA\n", &e));
	OK(ledger_begin(s->l, &e));
	OK(audit_keep_checkpoint(s->l, size, &root, bytes_text(&note), 5, &e));
	OK(ledger_commit(s->l, &e));
}
