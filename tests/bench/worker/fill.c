/*
 * fill.c - the numbers every program computes on: element i of a tensor is a
 * hash of its name and i, spread evenly over the tensor's interval.
 * tests/peers/common/fill.py makes the same.
 */
#include "worker.h"

/* FNV-1a over the name. */
static uint32_t name_hash(const char *name)
{
    uint32_t h = 2166136261u;
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * 16777619u;
    return h;
}

/* The finalizer of MurmurHash3 (Appleby). */
static uint32_t mixed(uint32_t h)
{
    h ^= h >> 16;
    h *= 0x85ebca6bu;
    h ^= h >> 13;
    h *= 0xc2b2ae35u;
    return h ^ h >> 16;
}

int64_t work_count(const work_tensor *t)
{
    int64_t count = 1;
    for (int i = 0; i < t->rank; i++)
        count *= t->dims[i];
    return count;
}

void work_fill(const work_tensor *t)
{
    uint32_t seed = name_hash(t->name);
    int64_t count = work_count(t);
    bool real = t->dtype == PTL_F32 || t->dtype == PTL_F64;
    for (int64_t i = 0; i < count; i++) {
        uint32_t h = mixed((uint32_t)i + seed);
        double u = (double)(h >> 8) * 0x1p-24;
        double x = t->low + (t->high - t->low) * u;
        dtype_put(t->dtype, t->data, i,
                  real ? x : (double)(int64_t)x);
    }
}
