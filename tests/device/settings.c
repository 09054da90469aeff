/*
 * settings.c - PTL_VIRTUAL_* of the environment.
 */
#include "settings.h"
#include "memory.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static device_settings read_once;

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static bool is(const char *name, const char *value)
{
    const char *text = getenv(name);
    return text && strcmp(text, value) == 0;
}

static int clamp(uint64_t value, int most)
{
    return value > (uint64_t)most ? most : (int)value;
}

static void read_environment(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    read_once = (device_settings){
        .devices = clamp(number("PTL_VIRTUAL_DEVICES", 1), MAX_DEVICES),
        .arch = clamp(number("PTL_VIRTUAL_ARCH", 80), 999),
        .seed = number("PTL_VIRTUAL_SEED", 1),
        .memory = number("PTL_VIRTUAL_MEMORY", UINT64_C(8) << 30),
        .report = getenv("PTL_VIRTUAL_REPORT"),
        .limit = (int64_t)number("PTL_VIRTUAL_LIMIT", UINT64_C(1) << 32),
        .checks = !is("PTL_VIRTUAL_CHECKS", "off"),
        .abort = is("PTL_VIRTUAL_ABORT", "1"),
        .threads = clamp(
            number("PTL_VIRTUAL_THREADS", cores > 0 ? (uint64_t)cores : 1), 32),
    };
}

const device_settings *settings(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_environment);
    return &read_once;
}
