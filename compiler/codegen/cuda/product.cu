/*
 * The contraction template. A block makes a tile of BM x BN elements of one
 * part of one batch entry; a thread TM x TN of them, in pieces of 16 bytes, so
 * that its neighbours read neighbouring pieces of shared memory. The next steps
 * of K are on their way while the present ones are multiplied: few of them to
 * the other half of shared memory; many stay in registers until all threads
 * are done with the present ones.
 *
 * F has the types and the fetches: left(b, i, k), right(b, j, k) and
 * place(b, i, j). One chain of fma to an element, k ascending from zero. Beyond
 * the end of K the factors are 0 and -0, whose product changes no sum.
 */

/* Where element `i` of a thread lies in a factor's tile of ROWS rows. Of few
 * steps along K neighbours are 8 lanes; of many it is all that fit into 128
 * bytes, and a thread has the rows of a piece at its step, which it keeps as
 * one. */
template <class T, int ROWS, int STEPS, int THREADS, bool ALONG_K>
struct tile_of {
    enum {
        PIECE = 16 / sizeof(T),
        EACH = ROWS * STEPS / THREADS,
        TOGETHER = THREADS / STEPS /* pieces at once */
    };
    INLINE int row(int thread, int i)
    {
        const int e = i * THREADS + thread;
        if (!ALONG_K)
            return e % ROWS;
        if (STEPS == 8)
            return e / STEPS;
        return (i / PIECE * TOGETHER + thread / STEPS) * PIECE + i % PIECE;
    }
    INLINE int step(int thread, int i)
    {
        return ALONG_K ? thread % STEPS : (i * THREADS + thread) / ROWS;
    }
};

/* 16 bytes at once. */
INLINE void keep_piece(f32 *to, const f32 *x)
{
    *(float4 *)to = make_float4(x[0], x[1], x[2], x[3]);
}
INLINE void keep_piece(f64 *to, const f64 *x)
{
    *(double2 *)to = make_double2(x[0], x[1]);
}

template <class F, int BM, int BN, int TM, int TN>
INLINE void product(const F &f)
{
    typedef typename F::real T;
    enum { BK = F::STEPS, HALVES = BK == 8 ? 2 : 1 };
    enum { PIECE = 16 / sizeof(T), PAD = PIECE };
    enum { TX = BN / TN, THREADS = BM / TM * TX };
    typedef tile_of<T, BM, BK, THREADS, F::LEFT_ALONG_K> of_a;
    typedef tile_of<T, BN, BK, THREADS, F::RIGHT_ALONG_K> of_b;
    __shared__ __align__(16) T a[HALVES][BK][BM + PAD];
    __shared__ __align__(16) T b[HALVES][BK][BN + PAD];

    const int thread = threadIdx.x, tx = thread % TX, ty = thread / TX;
    u32 block = blockIdx.x;
    const u32 tiles_n = (u32)((F::N + BN - 1) / BN);
    const u32 tiles_m = (u32)((F::M + BM - 1) / BM);
    const i64 n0 = (i64)(block % tiles_n) * BN;
    block /= tiles_n;
    const i64 m0 = (i64)(block % tiles_m) * BM;
    block /= tiles_m;
    const i64 batch = block % (u32)F::BATCH, part = block / (u32)F::BATCH;
    const i64 k_begin = part * F::K_PART;
    const i64 k_end = min(k_begin + F::K_PART, (i64)F::K);

    T acc[TM][TN], next_a[of_a::EACH], next_b[of_b::EACH];
#pragma unroll
    for (int i = 0; i < TM; i++)
#pragma unroll
        for (int j = 0; j < TN; j++)
            acc[i][j] = 0;

    auto fetch = [&](i64 k0) {
#pragma unroll
        for (int i = 0; i < of_a::EACH; i++) {
            const i64 m = m0 + of_a::row(thread, i);
            const i64 k = k0 + of_a::step(thread, i);
            next_a[i] = m < F::M && k < k_end ? f.left(batch, m, k) : (T)0;
        }
#pragma unroll
        for (int i = 0; i < of_b::EACH; i++) {
            const i64 n = n0 + of_b::row(thread, i);
            const i64 k = k0 + of_b::step(thread, i);
            next_b[i] = n < F::N && k < k_end ? f.right(batch, n, k) : -(T)0;
        }
    };
    auto keep = [&](int half) {
#pragma unroll
        for (int i = 0; i < of_a::EACH; i++)
            a[half][of_a::step(thread, i)][of_a::row(thread, i)] = next_a[i];
#pragma unroll
        for (int i = 0; i < of_b::EACH; i++)
            b[half][of_b::step(thread, i)][of_b::row(thread, i)] = next_b[i];
    };
    /* Row or column `i` of a thread in the tile. */
    auto own_row = [&](int i) {
        return i / PIECE * (BM / TM * PIECE) + ty * PIECE + i % PIECE;
    };
    auto own_column = [&](int j) {
        return j / PIECE * (BN / TN * PIECE) + tx * PIECE + j % PIECE;
    };

    int half = 0;
    fetch(k_begin);
    keep(half);
    __syncthreads();
    for (i64 k0 = k_begin; k0 < k_end; k0 += BK) {
        const bool more = k0 + BK < k_end;
        if (more)
            fetch(k0 + BK);
#pragma unroll 8
        for (int k = 0; k < BK; k++) {
            T x[TM], y[TN];
#pragma unroll
            for (int i = 0; i < TM; i++)
                x[i] = a[half][k][own_row(i)];
#pragma unroll
            for (int j = 0; j < TN; j++)
                y[j] = b[half][k][own_column(j)];
#pragma unroll
            for (int i = 0; i < TM; i++)
#pragma unroll
                for (int j = 0; j < TN; j++)
                    acc[i][j] = fused(x[i], y[j], acc[i][j]);
        }
        if (more) {
            if (HALVES == 1)
                __syncthreads();
            half ^= HALVES - 1;
            keep(half);
            __syncthreads();
        }
    }

    /* Through shared memory, so that neighbours store what lies together: a
     * row of threads is of one warp, and has BN elements of its own. Rows of a
     * warp begin in different banks. */
    T *const line = &b[0][0][0] + ty * BN;
    const int first = ty % (32 / TX) * TX;
    __syncthreads();
#pragma unroll
    for (int i = 0; i < TM; i++) {
#pragma unroll
        for (int j = 0; j < TN; j += PIECE)
            keep_piece(line + (own_column(j) + first) % BN, &acc[i][j]);
        __syncwarp();
#pragma unroll
        for (int j = 0; j < TN; j++) {
            const int column = j * TX + tx;
            const i64 m = m0 + own_row(i), n = n0 + column;
            if (m < F::M && n < F::N)
                f.store(f.place(batch, m, n) + part * F::C_PART,
                        line[(column + first) % BN]);
        }
        __syncwarp();
    }
}
