/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulated bus and device as a program with libusb meets them. Runs inside the testbed, its first argument is the
 * control socket; the devices are SIM0001 and SIM0002, nothing is plugged in at the start.
 */
#include "host.h"

#include <linux/ioctl.h>
#include <linux/usbdevice_fs.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define IDENTIFY 0x01
#define TPM 0x10
#define BEGIN 0x20
#define DATA 0x21
#define COMMIT 0x22
#define READ 0x23
#define FINISH 0x30

static const char *control;
static const uint8_t get_random[] = { 0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7b, 0, 16 };

/* Who listens to the bus for all tests, as the station's main process does. */
static libusb_context *watch;
static struct {
	int arrived, left;
	uint8_t bus, address, ports[8];
	int port_count;
} seen;

static int on_hotplug(libusb_context *usb, libusb_device *device, libusb_hotplug_event event, void *arg)
{
	if (event == LIBUSB_HOTPLUG_EVENT_DEVICE_LEFT) {
		seen.left++;
		return 0;
	}
	seen.arrived++;
	seen.bus = libusb_get_bus_number(device);
	seen.address = libusb_get_device_address(device);
	seen.port_count = libusb_get_port_numbers(device, seen.ports, sizeof seen.ports);
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void wait_for(const int *count, int want)
{
	int64_t end = now_ms() + 3000;
	struct timeval slice = { 0, 20000 };
	while (*count < want && now_ms() < end)
		libusb_handle_events_timeout(watch, &slice);
	assert_int_equal(*count, want);
}

/* Plugs a device in and gives its node. */
static void plug(const char *name, unsigned port, char node[64])
{
	memset(&seen, 0, sizeof seen);
	bench(control, "plug %s %u", name, port);
	wait_for(&seen.arrived, 1);
	snprintf(node, 64, "/dev/bus/usb/%03u/%03u", seen.bus, seen.address);
}

static void plug_and_open(struct host *h, const char *name, unsigned port)
{
	char node[64];
	plug(name, port, node);
	assert_int_equal(host_open(h, node), 0);
	assert_int_equal(host_cancel(h), 0);
}

static int unplug_all(void **state)
{
	struct timeval slice = { 0, 1000 };
	bench(control, "unplug-all");
	for (int i = 0; i < 5; i++)
		libusb_handle_events_timeout(watch, &slice);
	return 0;
}

/* One exchange that must end with `want`. */
static size_t expect(struct host *h, uint8_t type, const void *payload, size_t len, unsigned want, uint8_t *answer,
	size_t room)
{
	uint16_t status = 0xffff;
	size_t answer_len = 0;
	assert_int_equal(host_exchange(h, type, payload, len, &status, answer, room, &answer_len), 0);
	assert_int_equal(status, want);
	return answer_len;
}

static void expect_random(struct host *h)
{
	uint8_t answer[64];
	assert_int_equal(expect(h, TPM, get_random, sizeof get_random, 0, answer, sizeof answer), 28);
	assert_memory_equal(answer + 2, "\0\0\0\x1c\0\0\0\0\0\x10", 10);
}

static void device_arrives_where_it_was_plugged_in(void **state)
{
	char node[64];
	plug("SIM0001", 3, node);
	assert_int_equal(seen.port_count, 2);
	assert_int_equal(seen.ports[0], 1);
	assert_int_equal(seen.ports[1], 3);
	plug("SIM0002", 9, node);
	assert_int_equal(seen.port_count, 2);
	assert_int_equal(seen.ports[0], 2);
	assert_int_equal(seen.ports[1], 1);
}

static void wrapped_descriptor_carries_the_bridge(void **state)
{
	struct host h;
	uint8_t info[16], answer[256];
	unsigned char serial[64];

	plug_and_open(&h, "SIM0001", 1);
	assert_int_equal(host_info(&h, info), 0);
	assert_memory_equal(info, "TPMB\1\0\0\0\0\0\x20\0\0\0\x40\0", 16);
	size_t n = expect(&h, IDENTIFY, NULL, 0, 0, answer, sizeof answer);
	assert_int_equal(n, 3 + 7 + 3 + 10 + 3 + 3);
	assert_memory_equal(answer, "\1\0\7SIM0001\2\0\x0aTPM-device\3\0\0031.0", n);
	for (int i = 0; i < 20; i++)
		expect_random(&h);
	struct libusb_device_descriptor d;
	assert_int_equal(libusb_get_device_descriptor(libusb_get_device(h.handle), &d), 0);
	assert_int_equal(libusb_get_string_descriptor_ascii(h.handle, d.iSerialNumber, serial, sizeof serial), 7);
	assert_string_equal((char *)serial, "SIM0001");
	host_close(&h);
}

static void *unplug_soon(void *arg)
{
	usleep(100000);
	bench(control, "unplug SIM0001");
	return NULL;
}

static void unplugged_device_ends_a_waiting_transfer_with_enodev(void **state)
{
	struct host h;
	uint16_t status;
	uint8_t answer[64];
	size_t n;
	pthread_t thread;

	plug_and_open(&h, "SIM0001", 1);
	pthread_create(&thread, NULL, unplug_soon, NULL);
	int64_t start = now_ms();
	assert_int_equal(host_receive(&h, 3000, &status, answer, sizeof answer, &n), LIBUSB_ERROR_NO_DEVICE);
	assert_true(now_ms() - start < 1000);
	pthread_join(thread, NULL);
	wait_for(&seen.left, 1);
	assert_int_equal(host_send(&h, IDENTIFY, NULL, 0), LIBUSB_ERROR_NO_DEVICE);
	assert_int_equal(host_info(&h, answer), LIBUSB_ERROR_NO_DEVICE);
	host_close(&h);
}

static void replugged_device_is_the_same_under_a_new_address(void **state)
{
	struct host h;
	uint8_t first, answer[256];

	plug_and_open(&h, "SIM0001", 1);
	first = seen.address;
	host_close(&h);
	bench(control, "unplug SIM0001");
	wait_for(&seen.left, 1);
	plug_and_open(&h, "SIM0001", 1);
	assert_int_not_equal(seen.address, first);
	expect(&h, IDENTIFY, NULL, 0, 0, answer, sizeof answer);
	expect_random(&h);
	host_close(&h);
}

static void slow_device_does_not_hold_up_its_neighbour(void **state)
{
	struct host slow, quick;
	uint16_t status;
	uint8_t answer[64];
	size_t n;

	plug_and_open(&slow, "SIM0001", 1);
	plug_and_open(&quick, "SIM0002", 2);
	bench(control, "knob SIM0001 delay_ms 600");
	assert_int_equal(host_send(&slow, TPM, get_random, sizeof get_random), 0);
	int64_t start = now_ms();
	for (int i = 0; i < 50; i++)
		expect_random(&quick);
	assert_true(now_ms() - start < 400);
	assert_int_equal(host_receive(&slow, 5000, &status, answer, sizeof answer, &n), 0);
	assert_true(now_ms() - start >= 400);
	bench(control, "knob SIM0001 delay_ms 0");
	host_close(&slow);
	host_close(&quick);
}

static void cancel_ends_a_slow_command(void **state)
{
	struct host h;
	uint16_t status;
	uint8_t answer[64];
	size_t n;

	plug_and_open(&h, "SIM0001", 1);
	bench(control, "knob SIM0001 delay_ms 5000");
	int64_t start = now_ms();
	assert_int_equal(host_send(&h, TPM, get_random, sizeof get_random), 0);
	assert_int_equal(host_cancel(&h), 0);
	assert_int_equal(host_receive(&h, 2000, &status, answer, sizeof answer, &n), 0);
	assert_int_equal(status, 7);
	assert_true(now_ms() - start < 1000);
	bench(control, "knob SIM0001 delay_ms 0");
	expect_random(&h);
	host_close(&h);
}

static void interface_has_one_owner_at_a_time(void **state)
{
	struct host first, second;
	char node[64];

	plug("SIM0001", 1, node);
	assert_int_equal(host_open(&first, node), 0);
	assert_int_equal(host_open(&second, node), LIBUSB_ERROR_BUSY);
	assert_int_equal(libusb_claim_interface(first.handle, 0), 0);
	assert_int_equal(libusb_release_interface(first.handle, 0), 0);
	host_close(&first);
	assert_int_equal(host_open(&second, node), 0);
	host_close(&second);
}

static void host_that_dropped_its_privileges_has_the_bridge_alone(void **state)
{
	struct host h;
	uint32_t bridge_only = 1u << 1;

	plug_and_open(&h, "SIM0001", 1);
	assert_int_equal(ioctl(h.fd, USBDEVFS_DROP_PRIVILEGES, &bridge_only), 0);
	expect_random(&h);
	assert_int_not_equal(libusb_claim_interface(h.handle, 0), 0);
	assert_int_not_equal(libusb_reset_device(h.handle), 0);
	host_close(&h);
}

/* A host that is killed while it waits, as a driver child may be. */
static void killed_host_leaves_the_device_to_the_next(void **state)
{
	struct host h;
	char node[64];
	int ready[2];
	char byte;

	plug("SIM0001", 1, node);
	assert_int_equal(pipe(ready), 0);
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();
		if (pid == 0) {
			uint16_t status;
			uint8_t answer[64];
			size_t n;
			/* The byte also says whether it could be opened, at once after the last one's death. */
			bool open = host_open(&h, node) == 0 && host_cancel(&h) == 0;
			if (write(ready[1], open ? "y" : "n", 1) != 1 || !open)
				_exit(1);
			host_receive(&h, 60000, &status, answer, sizeof answer, &n);
			_exit(1);
		}
		assert_int_equal(read(ready[0], &byte, 1), 1);
		assert_int_equal(byte, 'y');
		usleep(20000);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
	}
	close(ready[0]);
	close(ready[1]);
	assert_int_equal(host_open(&h, node), 0);
	assert_int_equal(host_cancel(&h), 0);
	expect_random(&h);
	host_close(&h);
}

static void send_bundle(struct host *h, const uint8_t *bundle, size_t len)
{
	uint8_t begin[36] = { 0, 0, (uint8_t)(len >> 8), (uint8_t)len }, piece[4 + 1000], answer[16];

	SHA256(bundle, len, begin + 4);
	expect(h, BEGIN, begin, sizeof begin, 0, answer, sizeof answer);
	for (size_t at = 0; at < len;) {
		size_t n = len - at < 1000 ? len - at : 1000;
		memcpy(piece, (const uint8_t[]){ 0, 0, (uint8_t)(at >> 8), (uint8_t)at }, 4);
		memcpy(piece + 4, bundle + at, n);
		expect(h, DATA, piece, 4 + n, 0, answer, sizeof answer);
		at += n;
	}
}

static void committed_bundle_survives_the_plug(void **state)
{
	struct host h;
	uint8_t bundle[3000], answer[8192];
	const uint8_t whole[8] = { 0, 0, 0, 0, 0, 0, 0x10, 0 };

	for (size_t i = 0; i < sizeof bundle; i++)
		bundle[i] = (uint8_t)(i * 7);
	plug_and_open(&h, "SIM0001", 1);
	send_bundle(&h, bundle, sizeof bundle);
	expect(&h, COMMIT, NULL, 0, 0, answer, sizeof answer);
	host_close(&h);
	bench(control, "unplug SIM0001");
	plug_and_open(&h, "SIM0001", 1);
	assert_int_equal(expect(&h, READ, whole, sizeof whole, 0, answer, sizeof answer), 4 + sizeof bundle);
	assert_memory_equal(answer, "\0\0\x0b\xb8", 4);
	assert_memory_equal(answer + 4, bundle, sizeof bundle);
	host_close(&h);
}

static void power_cut_is_an_unplugging(void **state)
{
	struct host h;
	uint16_t status;
	uint8_t answer[64];
	size_t n;

	plug_and_open(&h, "SIM0001", 1);
	bench(control, "knob SIM0001 cut_before TPM:2");
	expect_random(&h);
	assert_int_equal(host_exchange(&h, TPM, get_random, sizeof get_random, &status, answer, sizeof answer, &n),
		LIBUSB_ERROR_NO_DEVICE);
	wait_for(&seen.left, 1);
	assert_non_null(strstr(bench(control, "list"), "SIM0001:0:-:"));
	host_close(&h);
	plug_and_open(&h, "SIM0001", 1);
	expect_random(&h);
	host_close(&h);
}

static void finished_device_only_answers_who_it_is(void **state)
{
	struct host h;
	uint8_t bundle[100] = { 1 }, hash[32], info[16], answer[256];
	const uint8_t capability[] = { 0x80, 0x01, 0, 0, 0, 22, 0, 0, 0x01, 0x7a, 0, 0, 0, 6, 0, 0, 1, 0, 0, 0, 0, 1 };

	plug_and_open(&h, "SIM0002", 1);
	send_bundle(&h, bundle, sizeof bundle);
	expect(&h, COMMIT, NULL, 0, 0, answer, sizeof answer);
	memset(hash, 0, sizeof hash);
	expect(&h, FINISH, hash, sizeof hash, 9, answer, sizeof answer);
	SHA256(bundle, sizeof bundle, hash);
	expect(&h, FINISH, hash, sizeof hash, 0, answer, sizeof answer);
	host_close(&h);
	bench(control, "unplug SIM0002");

	plug_and_open(&h, "SIM0002", 1);
	assert_int_equal(host_info(&h, info), 0);
	assert_int_equal(info[5], 3);
	expect(&h, IDENTIFY, NULL, 0, 0, answer, sizeof answer);
	expect(&h, TPM, get_random, sizeof get_random, 5, answer, sizeof answer);
	assert_true(expect(&h, TPM, capability, sizeof capability, 0, answer, sizeof answer) > 10);
	expect(&h, BEGIN, answer, 36, 5, answer, sizeof answer);
	expect(&h, FINISH, hash, sizeof hash, 0, answer, sizeof answer);
	assert_non_null(strstr(bench(control, "list"), "SIM0002:1:1-1.1:closed"));
	host_close(&h);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(device_arrives_where_it_was_plugged_in, unplug_all),
		cmocka_unit_test_teardown(wrapped_descriptor_carries_the_bridge, unplug_all),
		cmocka_unit_test_teardown(unplugged_device_ends_a_waiting_transfer_with_enodev, unplug_all),
		cmocka_unit_test_teardown(replugged_device_is_the_same_under_a_new_address, unplug_all),
		cmocka_unit_test_teardown(slow_device_does_not_hold_up_its_neighbour, unplug_all),
		cmocka_unit_test_teardown(cancel_ends_a_slow_command, unplug_all),
		cmocka_unit_test_teardown(interface_has_one_owner_at_a_time, unplug_all),
		cmocka_unit_test_teardown(host_that_dropped_its_privileges_has_the_bridge_alone, unplug_all),
		cmocka_unit_test_teardown(killed_host_leaves_the_device_to_the_next, unplug_all),
		cmocka_unit_test_teardown(committed_bundle_survives_the_plug, unplug_all),
		cmocka_unit_test_teardown(power_cut_is_an_unplugging, unplug_all),
		cmocka_unit_test_teardown(finished_device_only_answers_who_it_is, unplug_all),
	};

	if (argc != 2)
		return 2;
	control = argv[1];
	if (libusb_init(&watch) != 0 || libusb_hotplug_register_callback(watch,
			LIBUSB_HOTPLUG_EVENT_DEVICE_ARRIVED | LIBUSB_HOTPLUG_EVENT_DEVICE_LEFT, 0, 0x1209, 0x7077,
			LIBUSB_HOTPLUG_MATCH_ANY, on_hotplug, NULL, NULL) != 0)
		return 2;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	libusb_exit(watch);
	return failed;
}
