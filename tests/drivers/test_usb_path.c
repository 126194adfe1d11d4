/* SPDX-License-Identifier: Apache-2.0 */
/* Port paths from a folder that looks like sysfs: two PCI controllers, one of them with a SuperSpeed companion, and a
 * platform one. */
#include "drivers/usb_path.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sys/stat.h>

static char sysfs[] = "/tmp/test_usb_path.XXXXXX";

static void folder(const char *path)
{
	char whole[400];
	for (const char *slash = strchr(path, '/');; slash = strchr(slash + 1, '/')) {
		snprintf(whole, sizeof(whole), "%s/%.*s", sysfs, slash ? (int)(slash - path) : (int)strlen(path), path);
		mkdir(whole, 0755);
		if (!slash)
			return;
	}
}

static void point(const char *target, const char *path)
{
	char whole[400];
	snprintf(whole, sizeof(whole), "%s/%s", sysfs, path);
	assert_int_equal(symlink(target, whole), 0);
}

static void file(const char *path, const char *text)
{
	char whole[400];
	snprintf(whole, sizeof(whole), "%s/%s", sysfs, path);
	FILE *f = fopen(whole, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int make_sysfs(void **state)
{
	assert_non_null(mkdtemp(sysfs));
	folder("bus/pci");
	folder("bus/platform");
	folder("bus/usb/devices");
	folder("devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.3");
	folder("devices/pci0000:00/0000:00:14.0/usb10");
	folder("devices/pci0000:00/0000:00:14.0/usbmisc");
	folder("devices/pci0000:00/0000:00:1a.0/usb3");
	folder("devices/platform/xhci-hcd.0.auto/usb4");
	folder("devices/strange/usb5");
	point("../../../bus/pci", "devices/pci0000:00/0000:00:14.0/subsystem");
	point("../../../bus/pci", "devices/pci0000:00/0000:00:1a.0/subsystem");
	point("../../../bus/platform", "devices/platform/xhci-hcd.0.auto/subsystem");
	point("../../../devices/pci0000:00/0000:00:14.0/usb1", "bus/usb/devices/usb1");
	point("../../../devices/pci0000:00/0000:00:14.0/usb10", "bus/usb/devices/usb10");
	point("../../../devices/pci0000:00/0000:00:1a.0/usb3", "bus/usb/devices/usb3");
	point("../../../devices/platform/xhci-hcd.0.auto/usb4", "bus/usb/devices/usb4");
	point("../../../devices/strange/usb5", "bus/usb/devices/usb5");
	point("../../../devices/pci0000:00/0000:00:1a.0/usb3", "bus/usb/devices/usb7");
	point("../../../devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.3", "bus/usb/devices/1-1.3");
	file("devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.3/serial", "SN \x1b[31m\xc3\xa9 7\n");
	file("devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.3/product",
	     "0123456789012345678901234567890123456789012345678901234567890123456789\n");
	return 0;
}

static int remove_sysfs(void **state)
{
	char command[100];
	snprintf(command, sizeof(command), "rm -r %s", sysfs);
	return system(command);
}

static void path_is(unsigned bus, const char *ports, const char *wanted)
{
	char path[USB_PATH];
	struct err e = {0};
	if (!usb_path(sysfs, bus, (const uint8_t *)ports, strlen(ports), path, &e))
		fail_msg("bus %u: %s", bus, e.what);
	assert_string_equal(path, wanted);
}

static void path_names_controller_root_hub_and_ports(void **state)
{
	path_is(1, "\1\3", "pci-0000:00:14.0-usb-0:1.3");
	path_is(1, "\14", "pci-0000:00:14.0-usb-0:12");
	path_is(4, "\2\1\4\3\2\1\7", "platform-xhci-hcd.0.auto-usb-0:2.1.4.3.2.1.7");
	path_is(3, "", "pci-0000:00:1a.0-usb-0:0");
}

static void second_root_hub_of_a_controller_counts_by_number_not_by_spelling(void **state)
{
	path_is(10, "\1", "pci-0000:00:14.0-usb-1:1");
}

static void bus_number_does_not_show_in_the_path(void **state)
{
	path_is(3, "\5", "pci-0000:00:1a.0-usb-0:5");
}

static void bus_that_sysfs_does_not_know_has_no_path(void **state)
{
	char path[USB_PATH];
	static const unsigned unknown[] = {2, 5, 7};	/* absent; its controller of no subsystem; a link to another bus */
	for (size_t i = 0; i < COUNT_OF(unknown); i++) {
		struct err e = {0};
		assert_false(usb_path(sysfs, unknown[i], (const uint8_t *)"\1", 1, path, &e));
		assert_int_equal(e.code, E_USB_BUS);
	}
	struct err e = {0};
	assert_false(usb_path("/nowhere", 1, (const uint8_t *)"\1", 1, path, &e));
	assert_int_equal(e.code, E_USB_BUS);
}

static void texts_are_printable_and_cut_to_their_room(void **state)
{
	char text[DRIVER_TEXT];
	const uint8_t ports[] = {1, 3};
	usb_path_text(sysfs, 1, ports, 2, "serial", text);
	assert_string_equal(text, "SN ?[31m?? 7");
	usb_path_text(sysfs, 1, ports, 2, "product", text);
	assert_int_equal(strlen(text), DRIVER_TEXT - 1);
	usb_path_text(sysfs, 1, ports, 2, "manufacturer", text);
	assert_string_equal(text, "");
	usb_path_text(sysfs, 9, ports, 2, "serial", text);
	assert_string_equal(text, "");
}

static void match_takes_any_fitting_interface_of_the_driver_that_is_named(void **state)
{
	const struct driver *bridge = driver_find("tpm_bridge");
	struct usb_facts facts = {.vendor_id = 0x1209, .product_id = 0x7077, .interface_count = 2,
		.interface = {{0xff, 0, 0}, {0xff, 0x54, 1}}};
	assert_non_null(bridge);
	assert_ptr_equal(usb_match(&facts, NULL), driver_table[0]);
	assert_ptr_equal(usb_match(&facts, bridge), bridge);
	facts.interface[1].protocol = 2;
	assert_null(usb_match(&facts, NULL));
	facts.interface_count = 0;
	assert_null(usb_match(&facts, bridge));
}

static void registry_finds_drivers_by_name_and_each_is_complete(void **state)
{
	assert_null(driver_find("sandbox"));
	assert_null(driver_find(""));
	for (const struct driver *const *d = driver_table; *d; d++) {
		assert_ptr_equal(driver_find((*d)->name), *d);
		assert_true((*d)->title[0] && (*d)->state_size > 0 && (*d)->matches);
		assert_true((*d)->open && (*d)->close && (*d)->identify && (*d)->make_key);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_names_controller_root_hub_and_ports),
		cmocka_unit_test(second_root_hub_of_a_controller_counts_by_number_not_by_spelling),
		cmocka_unit_test(bus_number_does_not_show_in_the_path),
		cmocka_unit_test(bus_that_sysfs_does_not_know_has_no_path),
		cmocka_unit_test(texts_are_printable_and_cut_to_their_room),
		cmocka_unit_test(match_takes_any_fitting_interface_of_the_driver_that_is_named),
		cmocka_unit_test(registry_finds_drivers_by_name_and_each_is_complete),
	};
	return cmocka_run_group_tests(tests, make_sysfs, remove_sysfs);
}
