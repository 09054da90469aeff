/*
 * stream.c - see stream.h.
 */
#include "base/stream.h"
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>

enum { LINE = 64, AHEAD = 16 * LINE };

/* `to` begins a line. */
static void copy_line(char *to, const char *from)
{
    const __m128i *in = (const void *)from;
    __m128i *out = (void *)to;
    __m128i a = _mm_loadu_si128(in), b = _mm_loadu_si128(in + 1),
            c = _mm_loadu_si128(in + 2), d = _mm_loadu_si128(in + 3);
    _mm_stream_si128(out, a);
    _mm_stream_si128(out + 1, b);
    _mm_stream_si128(out + 2, c);
    _mm_stream_si128(out + 3, d);
}

static size_t to_line(const void *at, size_t bytes)
{
    size_t left = -(uintptr_t)at % LINE;
    return left < bytes ? left : bytes;
}

void stream_copy(void *to, const void *from, size_t bytes)
{
    char *out = to;
    const char *in = from;
    size_t head = to_line(out, bytes), at = head;
    memcpy(out, in, head);
    for (; bytes - at >= LINE; at += LINE) {
        _mm_prefetch(in + at + AHEAD, _MM_HINT_NTA);
        copy_line(out + at, in + at);
    }
    memcpy(out + at, in + at, bytes - at);
    _mm_sfence();
}

#else

void stream_copy(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
}

#endif
