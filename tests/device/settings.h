/*
 * settings.h - what the environment asks of the virtual devices.
 */
#ifndef DEVICE_SETTINGS_H
#define DEVICE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int devices, arch; /* 80: compute capability 8.0 */
    uint64_t seed, memory;
    const char *report; /* NULL: none */
    bool checks, abort;
    int threads;
    int64_t limit; /* instructions of a block before it is taken to hang */
} device_settings;

/* Read once. */
const device_settings *settings(void);

#endif
