/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SIM_FRAME_H
#define SIM_FRAME_H

/*
 * The numbers of the TPM bridge, version 1, as the device reads docs/tpm-bridge.md.
 * Written from that page alone: the host's half has its own reading, and the two meet only on the wire.
 */

#include <stdint.h>

#define BRIDGE_VERSION 1
#define FRAME_HEADER 12
#define FRAME_MAGIC 0x5442
#define TPM_COMMAND_MAX 4096
#define HASH_SIZE 32

enum frame_type {
	FRAME_IDENTIFY = 0x01,
	FRAME_TPM = 0x10,
	FRAME_BUNDLE_BEGIN = 0x20,
	FRAME_BUNDLE_DATA = 0x21,
	FRAME_BUNDLE_COMMIT = 0x22,
	FRAME_BUNDLE_READ = 0x23,
	FRAME_FINISH = 0x30,
};

enum frame_status {
	STATUS_OK = 0,
	STATUS_BUSY = 1,
	STATUS_BAD_FRAME = 2,
	STATUS_TOO_LONG = 3,
	STATUS_UNSUPPORTED = 4,
	STATUS_CLOSED = 5,
	STATUS_STORAGE = 6,
	STATUS_CANCELLED = 7,
	STATUS_NO_BUNDLE = 8,
	STATUS_BAD_BUNDLE = 9,
	STATUS_TPM_FAILED = 10,
};

/* Control requests to the interface. */
enum { REQUEST_GET_INFO = 0x01, REQUEST_CANCEL = 0x02 };
#define INFO_SIZE 16
#define INFO_CLOSED 0x01
#define INFO_BUNDLE 0x02

static inline uint16_t get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)get_u16(p) << 16 | get_u16(p + 2);
}

static inline void put_u16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_u32(uint8_t *p, uint32_t v)
{
	put_u16(p, (uint16_t)(v >> 16));
	put_u16(p + 2, (uint16_t)v);
}

#endif
