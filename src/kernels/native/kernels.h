// What every family of processors has.

#ifndef KERNELS_H
#define KERNELS_H

#include <stddef.h>

typedef void gemm_kernel(const float *a, size_t lda, const float *p, const float *bias, float *c, size_t ldc, size_t begin, size_t end, size_t k, size_t panels, int accumulate);
typedef int gemm_gradient_kernel(const float *x, size_t ldx, const float *d, size_t ldd, float *g, size_t rows, size_t begin, size_t end, size_t k, size_t panels, int accumulate);

#define DECLARE(family) extern gemm_kernel gemm_##family; extern gemm_gradient_kernel gemm_gradient_##family;
#if defined(__x86_64__)
DECLARE(avx512)
DECLARE(avx2)
#elif defined(__aarch64__)
DECLARE(neon)
#endif

#endif
