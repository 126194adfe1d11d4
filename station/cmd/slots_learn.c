/* SPDX-License-Identifier: Apache-2.0 */
/* station slots learn: the jig is taught place by place (station/learn.h), at the bus and a terminal or a pipe. What was learnt is
 * kept beside the configuration, in FILE.learn, until it is all there; then the new file is checked as a whole, takes the old one's
 * place in one step, and the old one stays as FILE.before-learn. */
#include "drivers/usb.h"
#include "station/base/clock.h"
#include "station/base/file.h"
#include "station/client.h"
#include "station/cmd/cmd.h"
#include "station/cmd/load.h"
#include "station/learn.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETTLE_MS 500	/* what is on the bus by then was there before */
#define LOOK_MS 100
#define PATH_ROOM (PATH_MAX + 16)

struct lesson {
	struct config *config;
	char path[PATH_MAX];
	char kept[PATH_ROOM];	/* PATH.learn */
	struct learn learn;
	struct usb_bus *bus;
	bool begun;	/* devices that come now are the engineer's answers */
	size_t before;	/* those that were there already */
	char typed[128];	/* of a line that is not whole yet */
	size_t typed_len;
};

/* ---- what was learnt so far ---- */

static bool keep(struct lesson *s, struct err *e)
{
	AUTO(bytes) struct bytes text = {0};
	AUTO(json) json_t *so_far = learn_json(&s->learn);
	return json_canonical(so_far, &text, e) && file_write_atomic(s->kept, text.data, text.len, 0644, e);
}

static void go_on(struct lesson *s)
{
	struct err ignored = {0};
	AUTO(bytes) struct bytes text = {0};
	AUTO(json) json_t *so_far = NULL;
	if (file_read(s->kept, &text, &ignored) && json_parse(bytes_text(&text), text.len, &so_far, &ignored) &&
	    learn_resume(&s->learn, so_far))
		printf("Going on where it was left. (%s; remove it to begin anew.)\n", s->kept);
}

/* ---- the file ---- */

/* Like the old file, for the same eyes. */
static bool write_like(const char *path, const struct bytes *text, const struct stat *like, struct err *e)
{
	if (!file_write_atomic(path, text->data, text->len, like->st_mode & 07777, e))
		return false;
	bool same = like->st_uid == geteuid() && like->st_gid == getegid();
	return same || chown(path, like->st_uid, like->st_gid) == 0 || err_errno(e, E_FILE, "giving %s its owner", path);
}

static bool checks(const char *path, struct err *e)
{
	AUTO(bytes) struct bytes mistakes = {0};
	struct config *c = NULL;
	bool ok = config_load(path, &c, &mistakes, e);
	fputs(bytes_text(&mistakes), stderr);
	config_free(c);
	return ok;
}

static bool sync_directory(const char *of, struct err *e)
{
	char copy[PATH_MAX];
	snprintf(copy, sizeof(copy), "%s", of);
	AUTO_FD int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return (fd >= 0 && fsync(fd) == 0) || err_errno(e, E_FILE, "syncing the directory of %s", of);
}

static bool replace(struct lesson *s, struct err *e)
{
	char new[PATH_ROOM], before[PATH_ROOM];
	struct stat like;
	AUTO(bytes) struct bytes old = {0}, text = {0};
	snprintf(new, sizeof(new), "%s.learnt", s->path);
	snprintf(before, sizeof(before), "%s.before-learn", s->path);
	if (stat(s->path, &like) < 0)
		return err_errno(e, E_FILE, "%s", s->path);
	bool ok = file_read(s->path, &old, e) && learn_text(&s->learn, &old, &text, e) && write_like(new, &text, &like, e) &&
		  checks(new, e) && write_like(before, &old, &like, e);
	if (ok && rename(new, s->path) < 0)
		ok = err_errno(e, E_FILE, "renaming %s", new);
	if (!ok) {
		unlink(new);
		return false;
	}
	unlink(s->kept);
	return sync_directory(s->path, e);
}

/* ---- the conversation ---- */

static void prompt(const struct lesson *s)
{
	char text[LEARN_SAYS];
	learn_prompt(&s->learn, text);
	if (s->learn.says[0])
		printf("%s\n", s->learn.says);
	printf("%s\n", text);
	fflush(stdout);
}

static void seen(void *ctx, enum usb_event event, const struct usb_facts *f)
{
	struct lesson *s = ctx;
	if (!s->begun) {
		s->before += event == USB_ARRIVED;
		return;
	}
	enum learn_state was = s->learn.state;
	learn_device(&s->learn, event == USB_ARRIVED, f->port);
	if (s->learn.state != was || s->learn.says[0])
		prompt(s);
}

/* Takes what was typed; false with E_USAGE when nothing more can come. */
static bool listen(struct lesson *s, struct err *e)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
	char c;
	while (s->learn.state != LEARN_READY && poll(&in, 1, 0) > 0) {
		if (read(STDIN_FILENO, &c, 1) != 1)
			return err_set(e, E_USAGE, "nobody types any more; begin again to go on where it was left");
		if (c != '\n' && s->typed_len + 1 < sizeof(s->typed)) {
			s->typed[s->typed_len++] = c;
			continue;
		}
		if (c != '\n')
			continue;
		s->typed[s->typed_len] = '\0';
		s->typed[strcspn(s->typed, "\r")] = '\0';
		s->typed_len = 0;
		learn_typed(&s->learn, s->typed);
		prompt(s);
	}
	return true;
}

static bool settle(struct lesson *s, struct err *e)
{
	if (!usb_bus_open(seen, s, &s->bus, e))
		return false;
	for (int64_t end_ms = clock_steady_ms() + SETTLE_MS; clock_left_ms(end_ms);)
		if (!usb_bus_run(s->bus, clock_left_ms(end_ms), e))
			return false;
	s->begun = true;
	if (s->before)
		printf("Plugged in already: %zu. What is there counts only when it is pulled and plugged in again.\n", s->before);
	return true;
}

static bool converse(struct lesson *s, struct err *e)
{
	size_t at = s->learn.at;
	prompt(s);
	while (s->learn.state != LEARN_READY) {
		if (!usb_bus_run(s->bus, LOOK_MS, e) || !listen(s, e))
			return false;
		if (s->learn.at != at && !keep(s, e))
			return false;
		at = s->learn.at;
	}
	return true;
}

/* ---- the verb ---- */

/* Units that are plugged in here would be worked on by a line that runs. */
static bool no_line_runs(const struct config *c, struct err *e)
{
	char path[PATH_MAX];
	struct err none = {0};
	struct client *line = NULL;
	if (!config_state_path(c, "station.sock", path, sizeof(path), e))
		return false;
	bool runs = client_open(path, &line, &none);
	client_close(line);
	return !runs || err_set(e, E_LINE_RUNS, "the line of this configuration answers at %s", path);
}

static bool take_count(const char *option, const char *text, uint32_t *ret, struct err *e)
{
	char *end = NULL;
	unsigned long n = text ? strtoul(text, &end, 10) : 0;
	*ret = (uint32_t)n;
	return !text || (*text >= '1' && *text <= '9' && !*end && n <= LEARN_PLACES) || err_set(e, E_USAGE, "--%s wants a number", option);
}

static bool teach(struct lesson *s, uint32_t rows, uint32_t columns, struct err *e)
{
	if (!no_line_runs(s->config, e) || !learn_init(&s->learn, s->config, rows, columns, e))
		return false;
	snprintf(s->kept, sizeof(s->kept), "%s.learn", s->path);
	go_on(s);
	return settle(s, e) && converse(s, e) && replace(s, e);
}

static int learn(int argc, char **argv, struct err *e)
{
	const char *path = NULL, *rows_text = NULL, *columns_text = NULL;
	uint32_t rows = 0, columns = 0;
	const struct command_option options[] = {
		{"config", &path, NULL}, {"rows", &rows_text, NULL}, {"columns", &columns_text, NULL}, {0},
	};
	struct lesson *s = calloc(1, sizeof(*s));
	bool ok = s || err_set(e, E_NOMEM, "slots learn");
	ok = ok && command_options(&argc, argv, options, e) && take_count("rows", rows_text, &rows, e) &&
	     take_count("columns", columns_text, &columns, e) && command_config(path, &s->config, e) &&
	     (realpath(path, s->path) || err_errno(e, E_FILE, "%s", path)) && teach(s, rows, columns, e);
	if (ok)
		printf("%s has the new slots; what it was before is in %s.before-learn.\n", s->path, s->path);
	if (s) {
		usb_bus_close(s->bus);
		config_free(s->config);
	}
	free(s);
	return ok ? EXIT_OK : EXIT_FAILED;
}

const struct command slots_learn_command = {"slots learn", "--config FILE [--rows R --columns C]",
					    "teach the station its jig: plug in place by place", learn};
