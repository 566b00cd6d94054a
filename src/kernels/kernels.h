// What every family of processors has.

#ifndef KERNELS_H
#define KERNELS_H

#include <stddef.h>
#include <stdint.h>

typedef void gemm_kernel(
  const float *a, size_t lda, const float *p, const float *bias, float *c, size_t ldc, size_t begin, size_t end,
  size_t k, size_t panels, int accumulate
);
typedef int gemm_gradient_kernel(
  const float *x, size_t ldx, const float *d, size_t ldd, float *g, size_t rows, size_t begin, size_t end, size_t k,
  size_t panels, int accumulate
);

// Of rows of tables, which have `most` rows at the most: those that are given a row beyond do nothing and return 0.
typedef int lookup_kernel(
  const uint32_t *ids, const float *table, size_t most, size_t stride, size_t width, float *y, size_t ldy, size_t begin,
  size_t end
);
typedef int lookup_bags_kernel(
  const uint32_t *ids, const float *factors, const uint32_t *offsets, const float *table, size_t most, size_t stride,
  size_t width, float *y, size_t ldy, size_t begin, size_t end
);
typedef int update_kernel(
  float *table, size_t most, size_t stride, size_t width, const uint32_t *distinct, const float *gradients,
  size_t begin, size_t end, const float *constants
);
/** What gathering comes to. */
enum { ROWS_FINE, ROWS_NOT_FINITE, ROWS_TOO_MANY };
typedef int gather_kernel(
  const uint32_t *ids, const float *d, size_t ldd, size_t width, uint32_t *hash, uint32_t *distinct, float *gradients,
  size_t areas, size_t area_floats, uint32_t *count_at, size_t rows, int is_fresh
);
typedef int gather_bags_kernel(
  const uint32_t *ids, const float *factors, const uint32_t *offsets, const float *d, size_t ldd, size_t width,
  uint32_t *hash, uint32_t *distinct, float *gradients, size_t areas, size_t area_floats, uint32_t *count_at,
  size_t rows, int is_fresh
);

/** Every rule of optimizers for tables, with what its kernel in WebAssembly is called. */
#define RULES(each) \
  each(adagrad, "adagradTable") each(adam, "adamTable") each(ftrl, "ftrlTable") each(lamb, "lambTable") \
  each(rmsprop, "rmspropTable") each(row_wise_adagrad, "rowWiseAdagradTable") each(sgd, "sgdTable")
/** Words that a rule's constants have at the most, with those that all rules have. */
#define RULE_CONSTANTS 12
enum {
#define NUMBER(rule, name) RULE_##rule,
  RULES(NUMBER) NUM_RULES
#undef NUMBER
};

/** The kernels of a family of processors. */
typedef struct {
  gemm_kernel *gemm;
  gemm_gradient_kernel *gemm_gradient;
  lookup_kernel *lookup;
  lookup_bags_kernel *lookup_bags;
  gather_kernel *gather;
  gather_bags_kernel *gather_bags;
  update_kernel *updates[NUM_RULES];
} kernels;

/** Products of operands that are rounded to bfloat16, of processors of the family AVX-512 that have them. */
extern gemm_kernel gemm_bf16;
extern gemm_gradient_kernel gemm_gradient_bf16;

#if defined(__x86_64__)
#define EACH_FAMILY(each) each(avx512) each(avx2)
#elif defined(__wasm__)
#define EACH_FAMILY(each) each(wasm)
#elif defined(__aarch64__)
#define EACH_FAMILY(each) each(neon)
#endif

#define DECLARE(family) \
  extern gemm_kernel gemm_##family; \
  extern gemm_gradient_kernel gemm_gradient_##family; \
  extern lookup_kernel lookup_##family; \
  extern lookup_bags_kernel lookup_bags_##family; \
  extern gather_kernel gather_##family; \
  extern gather_bags_kernel gather_bags_##family; \
  extern update_kernel adagrad_rows_##family, adam_rows_##family, ftrl_rows_##family, lamb_rows_##family, \
    rmsprop_rows_##family, row_wise_adagrad_rows_##family, sgd_rows_##family;
EACH_FAMILY(DECLARE)
#undef DECLARE

#define KERNELS_OF(family) { \
  gemm_##family, gemm_gradient_##family, lookup_##family, lookup_bags_##family, gather_##family, gather_bags_##family, \
  { \
    adagrad_rows_##family, adam_rows_##family, ftrl_rows_##family, lamb_rows_##family, rmsprop_rows_##family, \
    row_wise_adagrad_rows_##family, sgd_rows_##family \
  } \
}

#endif
