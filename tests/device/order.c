/*
 * order.c - which work is before which.
 */
#include "order.h"
#include "race.h"

void order_join(order_clock *to, const order_clock *from)
{
    for (int s = 0; s < ORDER_STREAMS; s++)
        if (from->at[s] > to->at[s])
            to->at[s] = from->at[s];
}

bool order_meets(const device_memory *d, uint64_t word, unsigned words,
                 const uint8_t *unordered, bool write)
{
    bool meets = false;
    for (uint64_t k = word; k < word + words; k++) {
        meets |= unordered[d->writers[k] >> RACE_LAUNCH_SHIFT];
        meets |= write && unordered[d->readers[k] >> RACE_LAUNCH_SHIFT];
    }
    return meets;
}

bool order_touch(device_memory *d, uint64_t offset, uint64_t bytes,
                 uint64_t number, const uint8_t *unordered, bool write)
{
    uint64_t first = offset / 4, end = (offset + bytes + 3) / 4;
    uint64_t mark = race_mark(number, 0, 0, 0);
    for (uint64_t k = first; k < end; k++) {
        if (unordered && order_meets(d, k, 1, unordered, write))
            return false;
        if (write)
            d->writers[k] = mark;
        else if (!unordered || !order_meets(d, k, 1, unordered, true))
            d->readers[k] = mark; /* else that of others stays, for writers */
    }
    return true;
}
