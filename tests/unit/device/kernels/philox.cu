// Philox 4x32-10, a uniform number of each word.
extern "C" __global__ void philox(unsigned *__restrict__ words,
                                  float *__restrict__ uniform,
                                  unsigned long long seed, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n)
        return;
    unsigned c[4] = {(unsigned)i, 0, 7, 9};
    unsigned k0 = (unsigned)seed, k1 = (unsigned)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        unsigned h0 = __umulhi(0xd2511f53u, c[0]), l0 = 0xd2511f53u * c[0];
        unsigned long long p = (unsigned long long)0xcd9e8d57u * c[2];
        unsigned n0 = (unsigned)(p >> 32) ^ c[1] ^ k0;
        unsigned n2 = h0 ^ c[3] ^ k1;
        c[0] = n0, c[1] = (unsigned)p, c[2] = n2, c[3] = l0;
        k0 += 0x9e3779b9u, k1 += 0xbb67ae85u;
    }
    for (int w = 0; w < 4; w++) {
        words[i * 4 + w] = c[w];
        uniform[i * 4 + w] = (float)(c[w] >> 8) * 0x1p-24f;
    }
}
