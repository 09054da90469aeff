/*
 * order.c - the order of records, computed and not remembered.
 */
#include "runtime/order.h"
#include "base/integer.h"
#include "base/map.h"
#include "base/philox.h"

static const char site[] = "data.order";

void order_epoch(uint64_t seed, int64_t epoch, int64_t rows, uint32_t *out)
{
    uint64_t key = philox_key(seed, ptl_hash(site, sizeof site - 1));
    for (int64_t i = 0; i < rows; i++)
        out[i] = (uint32_t)i;
    for (int64_t i = 0; i + 1 < rows; i++) {
        uint32_t w[4];
        philox_words(key, (uint64_t)epoch, (uint64_t)i, w);
        uint64_t word = (uint64_t)w[1] << 32 | w[0];
        unsigned __int128 product =
            (unsigned __int128)word * (uint64_t)(rows - i);
        int64_t j = i + (int64_t)(product >> 64);
        uint32_t kept = out[i];
        out[i] = out[j];
        out[j] = kept;
    }
}

int64_t order_steps(int64_t rows, int64_t batch)
{
    return int_ceil_div(rows, batch);
}

order_place order_at(int64_t rows, int64_t batch, int64_t done)
{
    int64_t steps = order_steps(rows, batch);
    int64_t first = done % steps * batch;
    int64_t left = rows - first;
    return (order_place){.epoch = done / steps,
                         .first = first,
                         .rows = left < batch ? left : batch};
}

order_part order_cut(int64_t rows, int64_t count, int64_t index)
{
    int64_t least = rows / count, more = rows % count;
    int64_t before = index < more ? index : more;
    return (order_part){.first = index * least + before,
                        .rows = least + (index < more)};
}
