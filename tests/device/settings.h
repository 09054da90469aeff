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
} device_settings;

/* Read once. */
const device_settings *settings(void);

#endif
