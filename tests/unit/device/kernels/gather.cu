// Rows by their numbers, with a mask; and counts of integers.
extern "C" __global__ void gather(const float *__restrict__ table,
                                  const long long *__restrict__ which,
                                  float *__restrict__ y, int rows, int columns,
                                  int count)
{
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count * columns;
         i += gridDim.x * blockDim.x) {
        int r = i / columns, c = i % columns;
        long long from = which[r];
        y[i] = from >= 0 && from < rows ? table[from * columns + c] : -1.0f;
    }
}

extern "C" __global__ void scatter(const int *__restrict__ which,
                                   const int *__restrict__ values,
                                   int *__restrict__ sums,
                                   int *__restrict__ greatest, int bins, int n)
{
    extern __shared__ int local[];
    for (int b = threadIdx.x; b < bins; b += blockDim.x)
        local[b] = 0;
    __syncthreads();
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        atomicAdd(&local[which[i]], values[i]);
        atomicMax(&greatest[which[i]], values[i]);
    }
    __syncthreads();
    for (int b = threadIdx.x; b < bins; b += blockDim.x)
        if (local[b])
            atomicAdd(&sums[b], local[b]);
}
