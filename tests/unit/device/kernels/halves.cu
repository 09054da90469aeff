/* The two halves of a warp are groups of their own: they sum 16 words each,
 * and a half may have left. */
extern "C" __global__ void halves(const float *x, float *sums, int count)
{
    int group = (blockIdx.x * blockDim.x + threadIdx.x) / 16;
    unsigned members = 0xffffu << (threadIdx.x & 16);
    if (group >= count)
        return;
    float sum = x[group * 16 + threadIdx.x % 16];
    for (int half = 8; half; half /= 2)
        sum += __shfl_xor_sync(members, sum, half, 16);
    __syncwarp(members);
    if (__any_sync(members, threadIdx.x % 16 == 3 && sum == sum))
        sums[group] = sum;
}
