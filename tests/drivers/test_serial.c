/* SPDX-License-Identifier: Apache-2.0 */
#include "drivers/serial.h"
#include "station/base/clock.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define NODE "/dev/bus/usb/001/007"

/* ---- which tty ---- */

static char sysfs[64];

static void run(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void run(const char *fmt, ...)
{
	char line[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	assert_int_equal(system(line), 0);
}

static int sysfs_make(void **state)
{
	strcpy(sysfs, "/tmp/test-serial.XXXXXX");
	return mkdtemp(sysfs) ? 0 : -1;
}

static int sysfs_remove(void **state)
{
	run("rm -rf %s", sysfs);
	return 0;
}

/* A device of this name and number, with `below` as the directory of a tty ("" for none). */
static void device_make(const char *name, int bus, int number, const char *below)
{
	run("d=%s/bus/usb/devices/%s; mkdir -p $d/power $d/%s; echo %d >$d/busnum; echo %d >$d/devnum", sysfs, name, below, bus, number);
}

static void finds(const char *wanted)
{
	char name[SERIAL_NAME];
	struct err e = {0};
	if (!serial_find(sysfs, NODE, name, &e))
		fail_msg("%s", e.what);
	assert_string_equal(name, wanted);
}

static void tty_is_found_beneath_its_own_device(void **state)
{
	device_make("1-2", 1, 6, "1-2:1.0/tty/ttyACM8");
	device_make("2-1", 2, 7, "2-1:1.0/tty/ttyACM9");
	device_make("1-1.1", 1, 7, "1-1.1:1.0/tty/ttyACM0");
	finds("ttyACM0");
}

static void tty_of_a_bridge_lies_one_level_deeper(void **state)
{
	device_make("1-1.1", 1, 7, "1-1.1:1.0/ttyUSB3/tty/ttyUSB3");
	finds("ttyUSB3");
}

static void first_of_several_ttys_is_taken(void **state)
{
	device_make("1-1.1", 1, 7, "1-1.1:1.2/tty/ttyACM1");
	device_make("1-1.1", 1, 7, "1-1.1:1.0/tty/ttyACM0");
	device_make("1-1.1", 1, 7, "1-1.1:1.4/tty/ttyACM2");
	finds("ttyACM0");
}

static void device_without_a_tty_has_none_yet(void **state)
{
	device_make("1-1.1", 1, 7, "1-1.1:1.0/net/eth0");
	finds("");
}

static void device_that_sysfs_does_not_know_is_gone(void **state)
{
	char name[SERIAL_NAME];
	struct err e = {0};
	device_make("1-1.1", 1, 8, "1-1.1:1.0/tty/ttyACM0");
	assert_false(serial_find(sysfs, NODE, name, &e));
	assert_int_equal(e.code, E_USB_GONE);
}

static void path_that_is_no_devices_node_is_refused(void **state)
{
	static const char *const paths[] = {"", "/dev/ttyACM0", "/dev/bus/usb/001/007/..", "/dev/bus/usb/0001/007", "/dev/bus/usb/001"};
	char name[SERIAL_NAME];
	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		struct err e = {0};
		assert_false(serial_find(sysfs, paths[i], name, &e));
		assert_int_equal(e.code, E_TTY);
	}
}

/* ---- an open one ---- */

struct pair {
	int master, slave;
	struct serial serial;
};

static void pair_open(struct pair *p)
{
	char name[64];
	struct err e = {0};
	p->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_true(p->master >= 0 && grantpt(p->master) == 0 && unlockpt(p->master) == 0);
	assert_int_equal(ptsname_r(p->master, name, sizeof(name)), 0);
	p->slave = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
	assert_true(p->slave >= 0);
	if (!serial_setup(p->slave, &e))
		fail_msg("%s", e.what);
	serial_init(&p->serial, p->slave);
}

static void pair_close(struct pair *p)
{
	close(p->slave);
	if (p->master >= 0)
		close(p->master);
}

static void tty_is_set_up_raw_and_taken_alone(void **state)
{
	struct pair p;
	struct termios t;
	int alone = 0;
	pair_open(&p);
	assert_int_equal(tcgetattr(p.slave, &t), 0);
	assert_int_equal(cfgetispeed(&t), B115200);
	assert_int_equal(cfgetospeed(&t), B115200);
	assert_int_equal(t.c_cflag & (CSIZE | PARENB | CSTOPB | CRTSCTS | CLOCAL | CREAD), CS8 | CLOCAL | CREAD);
	assert_int_equal(t.c_lflag & (ECHO | ICANON | ISIG | IEXTEN), 0);
	assert_int_equal(t.c_iflag & (IXON | ICRNL | INLCR | IGNCR | ISTRIP), 0);
	assert_int_equal(t.c_oflag & OPOST, 0);
	assert_int_equal(ioctl(p.slave, TIOCGEXCL, &alone), 0);
	assert_int_equal(alone, 1);
	pair_close(&p);
}

static void what_is_no_tty_cannot_be_set_up(void **state)
{
	struct err e = {0};
	AUTO_FD int fd = open("/dev/null", O_RDWR);
	assert_false(serial_setup(fd, &e));
	assert_int_equal(e.code, E_TTY);
}

static void what_came_before_is_forgotten(void **state)
{
	struct pair p;
	struct err e = {0};
	char data[16];
	size_t len = 0;
	pair_open(&p);
	assert_int_equal(write(p.master, "old", 3), 3);
	assert_true(serial_setup(p.slave, &e));
	assert_int_equal(write(p.master, "new", 3), 3);
	assert_true(serial_read(&p.serial, data, sizeof(data), &len, clock_steady_ms() + 5000, &e));
	assert_int_equal(len, 3);
	assert_memory_equal(data, "new", 3);
	pair_close(&p);
}

static void bytes_pass_unchanged_both_ways(void **state)
{
	struct pair p;
	struct err e = {0};
	static const char all[] = "\r\n\x03\x04\x11\x13\x1a\x7f\xff x";
	char data[32];
	size_t len = 0;
	pair_open(&p);
	assert_true(serial_write(&p.serial, all, sizeof(all), clock_steady_ms() + 5000, &e));
	assert_int_equal(read(p.master, data, sizeof(data)), sizeof(all));
	assert_memory_equal(data, all, sizeof(all));
	assert_int_equal(write(p.master, all, sizeof(all)), sizeof(all));
	assert_true(serial_read(&p.serial, data, sizeof(data), &len, clock_steady_ms() + 5000, &e));
	assert_int_equal(len, sizeof(all));
	assert_memory_equal(data, all, sizeof(all));
	pair_close(&p);
}

static void tty_that_hung_up_is_gone(void **state)
{
	struct pair p;
	struct err reading = {0}, writing = {0};
	char data[16];
	size_t len = 0;
	pair_open(&p);
	close(p.master);
	p.master = -1;
	assert_false(serial_read(&p.serial, data, sizeof(data), &len, clock_steady_ms() + 5000, &reading));
	assert_int_equal(reading.code, E_USB_GONE);
	assert_false(serial_write(&p.serial, "x", 1, clock_steady_ms() + 5000, &writing));
	assert_int_equal(writing.code, E_USB_GONE);
	pair_close(&p);
}

static void silence_ends_at_the_deadline(void **state)
{
	struct pair p;
	struct err e = {0};
	char data[16];
	size_t len = 0;
	pair_open(&p);
	assert_false(serial_read(&p.serial, data, sizeof(data), &len, clock_steady_ms() + 30, &e));
	assert_int_equal(e.code, E_CHILD_SILENT);
	pair_close(&p);
}

static void line_that_takes_nothing_ends_at_the_deadline(void **state)
{
	static char much[256 << 10];
	struct pair p;
	struct err e = {0};
	pair_open(&p);
	assert_false(serial_write(&p.serial, much, sizeof(much), clock_steady_ms() + 30, &e));
	assert_int_equal(e.code, E_CHILD_SILENT);
	pair_close(&p);
}

static void budget_bounds_both_ways_together(void **state)
{
	struct pair p;
	struct err writing = {0}, reading = {0};
	char data[16];
	size_t len = 0;
	pair_open(&p);
	p.serial.bytes_left = 10;
	assert_true(serial_write(&p.serial, "12345678", 8, clock_steady_ms() + 5000, &writing));
	assert_false(serial_write(&p.serial, "123", 3, clock_steady_ms() + 5000, &writing));
	assert_int_equal(writing.code, E_SERIAL_LINE);
	assert_int_equal(write(p.master, "abc", 3), 3);
	assert_false(serial_read(&p.serial, data, sizeof(data), &len, clock_steady_ms() + 5000, &reading));
	assert_int_equal(reading.code, E_SERIAL_LINE);
	pair_close(&p);
}

#define ON_SYSFS(name) cmocka_unit_test_setup_teardown(name, sysfs_make, sysfs_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_SYSFS(tty_is_found_beneath_its_own_device),
		ON_SYSFS(tty_of_a_bridge_lies_one_level_deeper),
		ON_SYSFS(first_of_several_ttys_is_taken),
		ON_SYSFS(device_without_a_tty_has_none_yet),
		ON_SYSFS(device_that_sysfs_does_not_know_is_gone),
		ON_SYSFS(path_that_is_no_devices_node_is_refused),
		cmocka_unit_test(tty_is_set_up_raw_and_taken_alone),
		cmocka_unit_test(what_is_no_tty_cannot_be_set_up),
		cmocka_unit_test(what_came_before_is_forgotten),
		cmocka_unit_test(bytes_pass_unchanged_both_ways),
		cmocka_unit_test(tty_that_hung_up_is_gone),
		cmocka_unit_test(silence_ends_at_the_deadline),
		cmocka_unit_test(line_that_takes_nothing_ends_at_the_deadline),
		cmocka_unit_test(budget_bounds_both_ways_together),
	};
	return cmocka_run_group_tests_name("serial", tests, NULL, NULL);
}
