/*
 * order.h - which work is before which, by what was asked for alone.
 *
 * A clock says of each stream up to which operation all is before. Operations
 * of which neither is before the other may run in any order; if they touch the
 * same word and one writes, a wait is missing, whatever order was drawn.
 */
#ifndef DEVICE_ORDER_H
#define DEVICE_ORDER_H

#include "memory.h"

enum { ORDER_STREAMS = 64 };

typedef struct {
    uint64_t at[ORDER_STREAMS];
} order_clock;

void order_join(order_clock *to, const order_clock *from);

/* Records that operation `number` touched a range; false when one of those in
 * `unordered` (a flag for each number modulo RACE_LAUNCHES, or NULL) did. */
bool order_touch(device_memory *d, uint64_t offset, uint64_t bytes,
                 uint64_t number, const uint8_t *unordered, bool write);
/* Whether one of those wrote the words, or with `write` read them. */
bool order_meets(const device_memory *d, uint64_t word, unsigned words,
                 const uint8_t *unordered, bool write);

#endif
