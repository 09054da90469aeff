/*
 * What every kernel made by the compiler may use. Compiled with --fmad=false:
 * each operation rounds once, as on the CPU.
 */
typedef int i32;
typedef long long i64;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef float f32;
typedef double f64;
typedef unsigned char u8;

#define INLINE static __device__ __forceinline__

/* NVRTC takes the number of trips left for some numbers it makes of an index in
 * 32 bits, and makes another number of some remainders; so it does not see what
 * they are of. */
INLINE i32 narrow(i64 a)
{
    i32 low = (i32)a;
    asm("" : "+r"(low));
    return low;
}

INLINE i32 rem(i32 a, i32 b)
{
    asm("" : "+r"(a));
    return a % b;
}

INLINE i64 rem(i64 a, i64 b)
{
    asm("" : "+l"(a));
    return a % b;
}

INLINE i32 add(i32 x, i32 y)
{
    return (i32)((u32)x + (u32)y);
}
INLINE i64 add(i64 x, i64 y)
{
    return (i64)((u64)x + (u64)y);
}
INLINE i32 sub(i32 x, i32 y)
{
    return (i32)((u32)x - (u32)y);
}
INLINE i64 sub(i64 x, i64 y)
{
    return (i64)((u64)x - (u64)y);
}
INLINE i64 sub(i32 x, i64 y)
{
    return sub((i64)x, y);
}
INLINE i32 mul(i32 x, i32 y)
{
    return (i32)((u32)x * (u32)y);
}
INLINE i64 mul(i64 x, i64 y)
{
    return (i64)((u64)x * (u64)y);
}
INLINE i32 shl(i32 x, i32 n)
{
    return (i32)((u32)x << n);
}
INLINE i64 shl(i64 x, i64 n)
{
    return (i64)((u64)x << n);
}
INLINE i32 shr(i32 x, i32 n)
{
    return (i32)((u32)x >> n);
}
INLINE i64 shr(i64 x, i64 n)
{
    return (i64)((u64)x >> n);
}
INLINE i32 mulhi(i32 x, i32 y)
{
    return (i32)__umulhi((u32)x, (u32)y);
}
INLINE i32 magnitude(i32 x)
{
    return x < 0 ? sub(0, x) : x;
}
INLINE i64 magnitude(i64 x)
{
    return x < 0 ? sub(0, x) : x;
}
INLINE f32 magnitude(f32 x)
{
    return fabsf(x);
}
INLINE f64 magnitude(f64 x)
{
    return fabs(x);
}
INLINE f32 fused(f32 x, f32 y, f32 z)
{
    return __fmaf_rn(x, y, z);
}
INLINE f64 fused(f64 x, f64 y, f64 z)
{
    return __fma_rn(x, y, z);
}
INLINE f32 root(f32 x)
{
    return __fsqrt_rn(x);
}
INLINE f64 root(f64 x)
{
    return __dsqrt_rn(x);
}
INLINE i32 bits(f32 x)
{
    return __float_as_int(x);
}
INLINE i64 bits(f64 x)
{
    return __double_as_longlong(x);
}
INLINE f32 number(i32 x)
{
    return __int_as_float(x);
}
INLINE f64 number(i64 x)
{
    return __longlong_as_double(x);
}

/* x * 2^n, rounded once: two products, the first of which is exact. */
INLINE f32 scale(f32 x, f32 n)
{
    const f32 ones = 12582912.0f; /* 1.5 * 2^23: n is in the low bits */
    i32 whole = sub(bits(n + ones), bits(ones));
    i32 half = whole >> 1, rest = sub(whole, half);
    return x * number(shl(add(half, 127), 23)) *
           number(shl(add(rest, 127), 23));
}
INLINE f64 scale(f64 x, f64 n)
{
    const f64 ones = 6755399441055744.0; /* 1.5 * 2^52 */
    i64 whole = sub(bits(n + ones), bits(ones));
    i64 half = whole >> 1, rest = sub(whole, half);
    return x * number(shl(add(half, 1023ll), 52ll)) *
           number(shl(add(rest, 1023ll), 52ll));
}

/* ---------- the lanes of a vector, a thread each ---------- */

/* A group is the LANES threads that run one task together. `members` has a bit
 * for each of them in their warp. */
INLINE u32 members_of(u32 lanes)
{
    u32 first = (threadIdx.x & 31u) & ~(lanes - 1);
    return (lanes == 32 ? ~0u : (1u << lanes) - 1) << first;
}

template <int LANES, typename T> INLINE T lane_of(u32 members, T x, int lane)
{
    return __shfl_sync(members, x, lane, LANES);
}
template <int LANES> INLINE bool lane_of(u32 members, bool x, int lane)
{
    return __shfl_sync(members, (i32)x, lane, LANES) != 0;
}

/* Lane i is lane order[i] of x, or of y where bit i of `second` is set; order
 * has four bits a lane. */
template <int LANES, typename T>
INLINE T shuffled(u32 members, int lane, T x, T y, u64 order, u32 second)
{
    int from = (int)(order >> (4 * lane)) & 15;
    T first = lane_of<LANES>(members, x, from);
    if (second == 0)
        return first;
    T other = lane_of<LANES>(members, y, from);
    return second >> lane & 1 ? other : first;
}

/* Lane i and lane i + half, halving, of the first COUNT lanes. */
template <int LANES, int COUNT> INLINE f32 summed(u32 members, f32 x)
{
    for (int half = COUNT / 2; half; half /= 2)
        x = x + __shfl_xor_sync(members, x, half, LANES);
    return lane_of<LANES>(members, x, 0);
}
template <int LANES, int COUNT> INLINE f64 summed(u32 members, f64 x)
{
    for (int half = COUNT / 2; half; half /= 2)
        x = x + __shfl_xor_sync(members, x, half, LANES);
    return lane_of<LANES>(members, x, 0);
}
template <int LANES, int COUNT, typename T> INLINE T summed(u32 members, T x)
{
    for (int half = COUNT / 2; half; half /= 2)
        x = add(x, __shfl_xor_sync(members, x, half, LANES));
    return lane_of<LANES>(members, x, 0);
}
