/*
 * The contraction template. A block makes a tile of BM x BN elements of one
 * part of one batch entry; a thread TM x TN of them, in pieces of 16 bytes, so
 * that its neighbours read neighbouring pieces of shared memory. The next steps
 * of K are on their way while the present ones are multiplied: few of them to
 * the other half of shared memory; many, or whole lines, stay in registers
 * until all threads are done with the present ones.
 *
 * F has the types and the fetches: left(b, i, k), right(b, j, k) and
 * place(b, i, j). One chain of fma to an element, k ascending from zero. Beyond
 * the end of K the factors are 0 and -0, whose product changes no sum.
 */

/* Which elements of a factor's tile of ROWS rows a thread fetches and keeps, in
 * turns. LINE 0: neighbours along the rows. Else along K, LINE steps of a row,
 * then of the next one, and then the next LINE steps. Of more than few steps a
 * thread keeps pieces of 16 bytes, rows at one step. Where these may be SPREAD
 * and a line is shorter than a request, a piece is of rows that lie apart, and
 * the rows of neighbouring threads are neighbours. 8 neighbours keep to
 * different banks: a line has slots for an odd number of steps or a multiple of
 * 8, and PAD is its inverse modulo 8. No request is of two lines of a small
 * tile. */
template <class T, int ROWS, int STEPS, int THREADS, int LINE, bool SPREAD>
struct tile_of {
    enum { PIECE = 16 / sizeof(T) };
    enum : bool {
        PIECES = LINE > 0 && STEPS != 8,
        WHOLE = LINE > 0 && LINE % 8 == 0 && THREADS % (LINE ? LINE : 1) == 0,
        APART = SPREAD && PIECES && LINE * sizeof(T) < 128
    };
    enum {
        AT_ONCE = PIECES ? PIECE : 1,
        SLOTS = LINE == 0  ? 1
                : LINE % 8 ? LINE | 1
                           : LINE,
        USED = ROWS / AT_ONCE * SLOTS, /* of the slots of LINE steps: */
        PER_LINE = USED < 32 ? 32 : USED,
        COUNT = LINE == 0 ? ROWS * STEPS : PER_LINE * (STEPS / LINE),
        TURNS = (COUNT + THREADS - 1) / THREADS,
        PAD = (PIECES && SLOTS % 8 ? SLOTS % 8 : 1) * PIECE
    };
    INLINE bool has(int thread, int turn)
    {
        const int slot = turn * THREADS + thread;
        return (COUNT % THREADS == 0 || slot < COUNT) &&
               (PER_LINE == USED || slot % PER_LINE < USED) &&
               (SLOTS <= LINE || LINE == 0 || slot % PER_LINE % SLOTS < LINE);
    }
    /* The first of AT_ONCE places in the tile. Quotients of sums, as below, are
     * left to NVRTC only where they have to be: of (64 + x) / 8 * 8 it has made
     * 64 + x. */
    INLINE int place(int thread, int turn)
    {
        const int slot = turn * THREADS + thread;
        if (LINE == 0)
            return slot % ROWS;
        const int line = turn * (THREADS / SLOTS) + thread / SLOTS;
        if (WHOLE)
            return (STEPS == LINE ? line : line % (ROWS / AT_ONCE)) * AT_ONCE;
        return slot % PER_LINE / SLOTS * AT_ONCE;
    }
    INLINE int step(int thread, int turn)
    {
        const int slot = turn * THREADS + thread;
        if (LINE == 0)
            return slot / ROWS;
        if (WHOLE && STEPS == LINE)
            return thread % SLOTS;
        return slot / PER_LINE * LINE + slot % PER_LINE % SLOTS;
    }
    /* The row at a place. */
    INLINE int row(int place)
    {
        return APART ? place % PIECE * (ROWS / PIECE) + place / PIECE : place;
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

template <class OF, class T, class GET>
INLINE void fetch_tile(T *next, int thread, const GET &get)
{
#pragma unroll
    for (int turn = 0; turn < OF::TURNS; turn++)
#pragma unroll
        for (int i = 0; i < OF::AT_ONCE; i++)
            if (OF::has(thread, turn))
                next[turn * OF::AT_ONCE + i] =
                    get(OF::row(OF::place(thread, turn) + i),
                        OF::step(thread, turn));
}

template <class OF, class T, int WIDTH>
INLINE void keep_tile(T (*tile)[WIDTH], const T *next, int thread)
{
#pragma unroll
    for (int turn = 0; turn < OF::TURNS; turn++) {
        if (!OF::has(thread, turn))
            continue;
        T *to = &tile[OF::step(thread, turn)][OF::place(thread, turn)];
        if (OF::PIECES)
            keep_piece(to, next + turn * OF::AT_ONCE);
        else
            *to = next[turn];
    }
}

template <class F, int BM, int BN, int TM, int TN>
INLINE void product(const F &f)
{
    typedef typename F::real T;
    enum { BK = F::STEPS, HALVES = BK == 8 ? 2 : 1 };
    enum { PIECE = 16 / sizeof(T) };
    enum { TX = BN / TN, THREADS = BM / TM * TX };
    enum { LINES_B = HALVES * BK < BM / TM ? BM / TM : HALVES * BK };
    typedef tile_of<T, BM, BK, THREADS, F::LEFT_LINE, true> of_a;
    typedef tile_of<T, BN, BK, THREADS, F::RIGHT_LINE, false> of_b;
    __shared__ __align__(16) T a[HALVES][BK][BM + of_a::PAD];
    __shared__ __align__(16) T b[LINES_B][BN + of_b::PAD];

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

    T acc[TM][TN], next_a[of_a::TURNS * of_a::AT_ONCE],
        next_b[of_b::TURNS * of_b::AT_ONCE];
#pragma unroll
    for (int i = 0; i < TM; i++)
#pragma unroll
        for (int j = 0; j < TN; j++)
            acc[i][j] = 0;

    auto fetch = [&](i64 k0) {
        fetch_tile<of_a>(next_a, thread, [&](int row, int step) {
            const i64 m = m0 + row, k = k0 + step;
            return m < F::M && k < k_end ? f.left(batch, m, k) : (T)0;
        });
        fetch_tile<of_b>(next_b, thread, [&](int column, int step) {
            const i64 n = n0 + column, k = k0 + step;
            return n < F::N && k < k_end ? f.right(batch, n, k) : -(T)0;
        });
    };
    auto keep = [&](int half) {
        keep_tile<of_a>(a[half], next_a, thread);
        keep_tile<of_b>(b + half * BK, next_b, thread);
    };
    /* The place in the tile of row or column `i` of a thread. */
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
                y[j] = b[half * BK + k][own_column(j)];
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
    T *const line = &b[0][0] + ty * BN;
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
            const i64 m = m0 + of_a::row(own_row(i)), n = n0 + column;
            if (m < F::M && n < F::N)
                f.store(f.place(batch, m, n) + part * F::C_PART,
                        line[(column + first) % BN]);
        }
        __syncwarp();
    }
}
