// What NVRTC knows by itself and clang has to be told, as far as the kernels
// beside this file need it.
#define __global__ __attribute__((global))
#define __device__ __attribute__((device))
#define __shared__ __attribute__((shared))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))
#define __align__(n) __attribute__((aligned(n)))
#define threadIdx ptl_thread
#define blockIdx ptl_block
#define blockDim ptl_threads
#define gridDim ptl_blocks

struct __align__(16) float4 {
    float x, y, z, w;
};

#define PTL_INDEX(name, register)                                              \
    struct name##_type {                                                       \
        __declspec(property(get = get_x)) unsigned x;                          \
        __declspec(property(get = get_y)) unsigned y;                          \
        __device__ static unsigned get_x()                                     \
        {                                                                      \
            return __nvvm_read_ptx_sreg_##register##_x();                      \
        }                                                                      \
        __device__ static unsigned get_y()                                     \
        {                                                                      \
            return __nvvm_read_ptx_sreg_##register##_y();                      \
        }                                                                      \
    };                                                                         \
    extern const __device__ name##_type name;
PTL_INDEX(ptl_thread, tid)
PTL_INDEX(ptl_block, ctaid)
PTL_INDEX(ptl_threads, ntid)
PTL_INDEX(ptl_blocks, nctaid)

__device__ static inline float __shfl_xor_sync(unsigned mask, float v, int by)
{
    return __nvvm_shfl_sync_bfly_f32(mask, v, by, 31);
}
__device__ static inline float __shfl_down_sync(unsigned mask, float v, int by)
{
    return __nvvm_shfl_sync_down_f32(mask, v, by, 31);
}
__device__ static inline float fmaf(float a, float b, float c)
{
    return __nvvm_fma_rn_f(a, b, c);
}
__device__ static inline double fma(double a, double b, double c)
{
    return __nvvm_fma_rn_d(a, b, c);
}
__device__ static inline double sqrt(double a)
{
    return __nvvm_sqrt_rn_d(a);
}
__device__ static inline double fabs(double a)
{
    return __nvvm_fabs_d(a);
}
__device__ static inline double floor(double a)
{
    return __nvvm_floor_d(a);
}
__device__ static inline unsigned __umulhi(unsigned a, unsigned b)
{
    return __nvvm_mulhi_ui(a, b);
}
__device__ static inline int atomicAdd(int *at, int v)
{
    return __nvvm_atom_add_gen_i(at, v);
}
__device__ static inline int atomicMax(int *at, int v)
{
    return __nvvm_atom_max_gen_i(at, v);
}
