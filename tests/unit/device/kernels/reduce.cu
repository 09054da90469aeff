// A sum of each row: strides, then shuffles, then a tree of warps.
extern "C" __global__ void reduce(const float *__restrict__ x,
                                  float *__restrict__ sums, int columns)
{
    __shared__ float part[32];
    const float *row = x + (long long)blockIdx.x * columns;
    float sum = 0.0f;
    for (int c = threadIdx.x; c < columns; c += blockDim.x)
        sum += row[c];
    for (int by = 16; by > 0; by >>= 1)
        sum += __shfl_xor_sync(0xffffffffu, sum, by);
    if ((threadIdx.x & 31) == 0)
        part[threadIdx.x >> 5] = sum;
    __syncthreads();
    if (threadIdx.x < 32) {
        sum = threadIdx.x < blockDim.x / 32 ? part[threadIdx.x] : 0.0f;
        for (int by = 16; by > 0; by >>= 1)
            sum += __shfl_down_sync(0xffffffffu, sum, by);
        if (threadIdx.x == 0)
            sums[blockIdx.x] = sum;
    }
}

// The same in dynamic shared memory, a barrier for each halving.
extern "C" __global__ void reduce_tree(const float *__restrict__ x,
                                       float *__restrict__ sums, int columns)
{
    extern __shared__ float tree[];
    const float *row = x + (long long)blockIdx.x * columns;
    float sum = 0.0f;
    for (int c = threadIdx.x; c < columns; c += blockDim.x)
        sum += row[c];
    tree[threadIdx.x] = sum;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half >>= 1) {
        if (threadIdx.x < half)
            tree[threadIdx.x] += tree[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0)
        sums[blockIdx.x] = tree[0];
}
