/* SPDX-License-Identifier: Apache-2.0 */
/* sim-ctl SOCK WORDS...: one command to simulated devices; prints the answer, exit 0 when it is ok. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const char *what)
{
	perror(what);
	return 2;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	static char answer[16400];
	size_t len = 0;
	ssize_t n;

	if (argc < 3 || strlen(argv[1]) >= sizeof address.sun_path) {
		fputs("sim-ctl SOCK plug NAME PORT | unplug NAME | unplug-all | list | stats NAME |"
			" knob NAME KNOB VALUE | quit\n", stderr);
		return 2;
	}
	strcpy(address.sun_path, argv[1]);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
		return fail(argv[1]);
	for (int i = 2; i < argc; i++)
		if (dprintf(fd, "%s%c", argv[i], i + 1 < argc ? ' ' : '\n') < 0)
			return fail(argv[1]);
	while (len < sizeof answer - 1 && !memchr(answer, '\n', len)
			&& (n = read(fd, answer + len, sizeof answer - 1 - len)) > 0)
		len += (size_t)n;
	fputs(answer, stdout);
	return strncmp(answer, "ok", 2) == 0 ? 0 : 1;
}
