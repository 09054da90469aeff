// f64: dot products of rows in order, roots, divisions, whole numbers.
extern "C" __global__ void dots(const double *__restrict__ x,
                                const double *__restrict__ y,
                                double *__restrict__ out,
                                long long *__restrict__ whole, int rows, int n)
{
    int r = blockIdx.x * blockDim.x + threadIdx.x;
    if (r >= rows)
        return;
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        sum = fma(x[(long long)i * rows + r], y[(long long)i * rows + r], sum);
    double v = sqrt(fabs(sum)) / (1.0 + sum * sum);
    out[r] = v > 0.01 ? v : (double)(float)sum - floor(sum);
    whole[r] = (long long)(sum * 1000.0) / (r + 1) + (int)sum % 7;
}
