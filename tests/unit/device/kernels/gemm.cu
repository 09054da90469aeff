// c = a b: tiles of 64 x 64 in shared memory, 4 x 4 of them in registers of each
// of 256 threads. m and n are multiples of 64, k of 16.
extern "C" __global__ __launch_bounds__(256) void gemm(
    const float *__restrict__ a, const float *__restrict__ b,
    float *__restrict__ c, int m, int n, int k)
{
    __shared__ __align__(16) float at[16][68];
    __shared__ __align__(16) float bt[16][64];
    int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
    int row = blockIdx.y * 64, column = blockIdx.x * 64;
    int ar = threadIdx.x / 4, ac = threadIdx.x % 4 * 4;
    int br = threadIdx.x / 16, bc = threadIdx.x % 16 * 4;
    float acc[4][4] = {};
    for (int k0 = 0; k0 < k; k0 += 16) {
        float4 av = *(const float4 *)&a[(long long)(row + ar) * k + k0 + ac];
        float4 bv = *(const float4 *)&b[(long long)(k0 + br) * n + column + bc];
        at[ac][ar] = av.x, at[ac + 1][ar] = av.y;
        at[ac + 2][ar] = av.z, at[ac + 3][ar] = av.w;
        *(float4 *)&bt[br][bc] = bv;
        __syncthreads();
#pragma unroll
        for (int p = 0; p < 16; p++) {
            float4 x = *(const float4 *)&at[p][ty * 4];
            float4 y = *(const float4 *)&bt[p][tx * 4];
            float xs[4] = {x.x, x.y, x.z, x.w}, ys[4] = {y.x, y.y, y.z, y.w};
#pragma unroll
            for (int i = 0; i < 4; i++)
#pragma unroll
                for (int j = 0; j < 4; j++)
                    acc[i][j] = fmaf(xs[i], ys[j], acc[i][j]);
        }
        __syncthreads();
    }
    for (int i = 0; i < 4; i++) {
        float4 v = {acc[i][0], acc[i][1], acc[i][2], acc[i][3]};
        *(float4 *)&c[(long long)(row + ty * 4 + i) * n + column + tx * 4] = v;
    }
}
