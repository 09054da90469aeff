/*
 * The contraction template. A block makes a tile of BM x BN elements of one
 * part of one batch entry; a thread TM x TN of them, in quarters of four, so
 * that its neighbours read neighbouring words of shared memory. The next steps
 * of K are on their way while the present ones are multiplied.
 *
 * F has the types and the fetches: left(b, i, k), right(b, j, k) and
 * place(b, i, j). One chain of fma to an element, k ascending from zero. Beyond
 * the end of K the factors are 0 and -0, whose product changes no sum.
 */
template <class F, int BM, int BN, int TM, int TN>
INLINE void product(const F &f)
{
    typedef typename F::real T;
    enum { BK = 8, PAD = 4, TX = BN / TN, THREADS = BM / TM * TX };
    enum { A_EACH = BM * BK / THREADS, B_EACH = BN * BK / THREADS };
    __shared__ __align__(16) T a[2][BK][BM + PAD];
    __shared__ __align__(16) T b[2][BK][BN + PAD];

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

    T acc[TM][TN], next_a[A_EACH], next_b[B_EACH];
#pragma unroll
    for (int i = 0; i < TM; i++)
#pragma unroll
        for (int j = 0; j < TN; j++)
            acc[i][j] = 0;

            /* Element `e` of a factor's tile: threads go along K or along the
             * rows, whichever lies together in memory. */
#define A_ROW(e) (F::LEFT_ALONG_K ? (e) / BK : (e) % BM)
#define A_STEP(e) (F::LEFT_ALONG_K ? (e) % BK : (e) / BM)
#define B_ROW(e) (F::RIGHT_ALONG_K ? (e) / BK : (e) % BN)
#define B_STEP(e) (F::RIGHT_ALONG_K ? (e) % BK : (e) / BN)

    auto fetch = [&](i64 k0) {
#pragma unroll
        for (int i = 0; i < A_EACH; i++) {
            const int e = i * THREADS + thread;
            const i64 m = m0 + A_ROW(e), k = k0 + A_STEP(e);
            next_a[i] = m < F::M && k < k_end ? f.left(batch, m, k) : (T)0;
        }
#pragma unroll
        for (int i = 0; i < B_EACH; i++) {
            const int e = i * THREADS + thread;
            const i64 n = n0 + B_ROW(e), k = k0 + B_STEP(e);
            next_b[i] = n < F::N && k < k_end ? f.right(batch, n, k) : -(T)0;
        }
    };
    auto keep = [&](int half) {
#pragma unroll
        for (int i = 0; i < A_EACH; i++) {
            const int e = i * THREADS + thread;
            a[half][A_STEP(e)][A_ROW(e)] = next_a[i];
        }
#pragma unroll
        for (int i = 0; i < B_EACH; i++) {
            const int e = i * THREADS + thread;
            b[half][B_STEP(e)][B_ROW(e)] = next_b[i];
        }
    };

    int half = 0;
    fetch(k_begin);
    keep(half);
    __syncthreads();
    for (i64 k0 = k_begin; k0 < k_end; k0 += BK) {
        const bool more = k0 + BK < k_end;
        if (more)
            fetch(k0 + BK);
#pragma unroll
        for (int k = 0; k < BK; k++) {
            T x[TM], y[TN];
#pragma unroll
            for (int i = 0; i < TM; i++)
                x[i] = a[half][k][i / 4 * (BM / TM * 4) + ty * 4 + i % 4];
#pragma unroll
            for (int j = 0; j < TN; j++)
                y[j] = b[half][k][j / 4 * (BN / TN * 4) + tx * 4 + j % 4];
#pragma unroll
            for (int i = 0; i < TM; i++)
#pragma unroll
                for (int j = 0; j < TN; j++)
                    acc[i][j] = fused(x[i], y[j], acc[i][j]);
        }
        if (more) {
            keep(half ^ 1);
            __syncthreads();
            half ^= 1;
        }
    }
#pragma unroll
    for (int i = 0; i < TM; i++)
#pragma unroll
        for (int j = 0; j < TN; j++) {
            const i64 m = m0 + i / 4 * (BM / TM * 4) + ty * 4 + i % 4;
            const i64 n = n0 + j / 4 * (BN / TN * 4) + tx * 4 + j % 4;
            if (m < F::M && n < F::N)
                f.store(f.place(batch, m, n) + part * F::C_PART, acc[i][j]);
        }
#undef A_ROW
#undef A_STEP
#undef B_ROW
#undef B_STEP
}
