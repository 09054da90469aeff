// Elementwise work of all kinds: polynomials by fma and bits, selects, divisions,
// roots, conversions, bytes.
__device__ float my_exp(float x)
{
    float n = rintf(x * 1.44269504f);
    float r = fmaf(n, -0.693147182f, x);
    float p = 0.00833333377f;
    p = fmaf(p, r, 0.0416666679f);
    p = fmaf(p, r, 0.166666672f);
    p = fmaf(p, r, 0.5f);
    p = fmaf(p, r, 1.0f);
    p = fmaf(p, r, 1.0f);
    return p * __int_as_float(((int)n + 127) << 23);
}

extern "C" __global__ void elementwise(const float *__restrict__ x,
                                       const unsigned char *__restrict__ flags,
                                       float *__restrict__ y,
                                       unsigned char *__restrict__ positive,
                                       long long n)
{
    long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n)
        return;
    float v = x[i], e = my_exp(v);
    float s = e / (1.0f + e);
    float t = flags[i] ? s : fmaxf(v, 0.0f) + sqrtf(fabsf(v));
    t = fminf(t, 100.0f) - (float)(i % 7) / 3.0f;
    y[i] = __frcp_rn(1.0f + t * t);
    positive[i] = v > 0.0f && flags[i] != 2;
}
