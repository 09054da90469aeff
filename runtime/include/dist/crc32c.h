/*
 * crc32c.h - the checksum of messages: CRC-32C (Castagnoli; RFC 3720, B.4).
 */
#ifndef PTL_DIST_CRC32C_H
#define PTL_DIST_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* `crc` is 0, or what the bytes before gave. By the processor's instruction
 * where it has one. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t size);
/* The same by tables, on any machine. */
uint32_t crc32c_portable(uint32_t crc, const void *bytes, size_t size);

#endif
