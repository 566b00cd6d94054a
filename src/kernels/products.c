// Matrix products with the sums of gemm.ts in their order, and so with its bits where it fuses too. Compiled once for
// each family
// of processors. B rows of a batch, K inputs, N outputs; weights lie in panels of 8 columns: P[N/8][K][8].

#include "kernels.h"
#include "vector.h"

/** Floats of a block of rows that stays in the second cache while all panels pass. */
#define BLOCK_FLOATS (96 * 1024)
/** Rows of a block of a gradient's sums. */
#define GRADIENT_ROWS 128
/** Panels that are side by side. */
#define PANEL 8

INLINE void product_tile(
  const int rows, const int panels, const float *a, size_t lda, const float *w, size_t k, const float *bias, float *c,
  size_t ldc, int accumulate
) {
  vector s[MOST_ROWS][VECTORS(MOST_PANELS)];
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int v = 0; v < VECTORS(panels); v++) s[i][v] = splat(0);
  }
  for (size_t j = 0; j < k; j++) {
    vector b[VECTORS(MOST_PANELS)];
    UNROLL for (int v = 0; v < VECTORS(panels); v++) b[v] = load(w + j * PANEL * panels, PANEL, panels, v);
    UNROLL for (int i = 0; i < rows; i++) {
      const vector x = splat(a[i * lda + j]);
      UNROLL for (int v = 0; v < VECTORS(panels); v++) s[i][v] = multiply_add(x, b[v], s[i][v]);
    }
  }
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int v = 0; v < VECTORS(panels); v++) {
      vector sum = s[i][v] + (bias ? load(bias, PANEL, panels, v) : splat(0));
      if (accumulate) sum += load(c + i * ldc, PANEL, panels, v);
      store(c + i * ldc, PANEL, panels, v, sum);
    }
  }
}

INLINE vector gradient_tile(
  const int inputs, const int panels, const float *x, size_t ldx, const float *d, size_t ldd, size_t rows, float *g,
  size_t gap, int goes_on, coming next_x, coming next_d
) {
  vector s[MOST_ROWS][VECTORS(MOST_PANELS)];
  UNROLL for (int i = 0; i < inputs; i++) {
    UNROLL for (int v = 0; v < VECTORS(panels); v++) s[i][v] = goes_on ? load(g + i * PANEL, gap, panels, v) : splat(0);
  }
  for (size_t b = 0; b < rows; b++) {
    vector y[VECTORS(MOST_PANELS)];
    ask_for(next_x, b, inputs);
    ask_for(next_d, b, panels * PANEL);
    UNROLL for (int v = 0; v < VECTORS(panels); v++) y[v] = load(d + b * ldd, PANEL, panels, v);
    UNROLL for (int i = 0; i < inputs; i++) {
      const vector q = splat(x[b * ldx + i]);
      UNROLL for (int v = 0; v < VECTORS(panels); v++) s[i][v] = multiply_add(q, y[v], s[i][v]);
    }
  }
  vector seen = splat(0);
  UNROLL for (int i = 0; i < inputs; i++) {
    UNROLL for (int v = 0; v < VECTORS(panels); v++) {
      store(g + i * PANEL, gap, panels, v, s[i][v]);
      seen = look(seen, s[i][v]);
    }
  }
  return seen;
}

// A function a size: rows or inputs, and panels.
typedef void product_function(const float *, size_t, const float *, size_t, const float *, float *, size_t, int);
typedef vector gradient_function(
  const float *, size_t, const float *, size_t, size_t, float *, size_t, int, coming, coming
);
#define SIZE(rows, panels) \
  static void product_##rows##_##panels( \
    const float *a, size_t lda, const float *w, size_t k, const float *bias, float *c, size_t ldc, int accumulate \
  ) { \
    product_tile(rows, panels, a, lda, w, k, bias, c, ldc, accumulate); \
  } \
  static vector gradient_##rows##_##panels( \
    const float *x, size_t ldx, const float *d, size_t ldd, size_t count, float *g, size_t gap, int goes_on, \
    coming next_x, coming next_d \
  ) { \
    return gradient_tile(rows, panels, x, ldx, d, ldd, count, g, gap, goes_on, next_x, next_d); \
  }
#if MOST_PANELS == 4
#define SIZES(rows) SIZE(rows, 1) SIZE(rows, 2) SIZE(rows, 4)
#define ALL(kind, rows) { kind##_##rows##_1, kind##_##rows##_2, kind##_##rows##_4 }
#elif MOST_PANELS == 1
#define SIZES(rows) SIZE(rows, 1)
#define ALL(kind, rows) { kind##_##rows##_1 }
#else
#define SIZES(rows) SIZE(rows, 1) SIZE(rows, 2)
#define ALL(kind, rows) { kind##_##rows##_1, kind##_##rows##_2 }
#endif
SIZES(1) SIZES(4)
#if MOST_ROWS == 12
SIZES(12)
#define OF_SIZES(kind) { ALL(kind, 1), ALL(kind, 4), ALL(kind, 12) }
#elif MOST_ROWS == 4
#define OF_SIZES(kind) { ALL(kind, 1), ALL(kind, 4), ALL(kind, 4) }
#else
SIZES(6)
#define OF_SIZES(kind) { ALL(kind, 1), ALL(kind, 4), ALL(kind, 6) }
#endif
static product_function *const products[3][3] = OF_SIZES(product);
static gradient_function *const gradients[3][3] = OF_SIZES(gradient);
#if defined(__wasm__)
// A call by address checks the function's type: the usual size is called by name.
#define PRODUCT(r, w, ...) \
  if (r == 2) product_tile(MOST_ROWS, 1, __VA_ARGS__); \
  else products[r][w](__VA_ARGS__)
#define GRADIENT(r, w, ...) (r == 2 ? gradient_tile(MOST_ROWS, 1, __VA_ARGS__) : gradients[r][w](__VA_ARGS__))
#else
#define PRODUCT(r, w, ...) products[r][w](__VA_ARGS__)
#define GRADIENT(r, w, ...) gradients[r][w](__VA_ARGS__)
#endif

INLINE size_t least(size_t a, size_t b) { return a < b ? a : b; }
/** Rows and panels of the largest tile that fits, and their places in the tables. */
INLINE size_t rows_of(size_t left, int *at) {
  *at = left >= MOST_ROWS ? 2 : left >= 4;
  return (const size_t[]){1, 4, MOST_ROWS}[*at];
}
INLINE size_t panels_of(size_t left, int *at) {
  *at = left >= MOST_PANELS ? MOST_PANELS / 2 : left >= 2;
  return (size_t)1 << *at;
}

void NAME(gemm)(
  const float *a, size_t lda, const float *p, const float *bias, float *c, size_t ldc, size_t begin, size_t end,
  size_t k, size_t panels, int accumulate
) {
  const size_t most = BLOCK_FLOATS / (k * MOST_ROWS) * MOST_ROWS, block = most > MOST_ROWS ? most : MOST_ROWS;
#if MOST_PANELS > 1
  // Panels of a tile side by side, so that a step of the sums loads whole vectors.
  float packed[k * PANEL * MOST_PANELS];
#endif
  for (size_t first = begin, last; first < end; first = last) {
    last = least(first + block, end);
    int r, w;
    for (size_t q = 0, width; q < panels; q += width) {
      width = panels_of(panels - q, &w);
#if MOST_PANELS > 1
      for (size_t i = 0; i < width; i++) {
        for (size_t j = 0; j < k; j++)
          memcpy(packed + (j * width + i) * PANEL, p + ((q + i) * k + j) * PANEL, PANEL * sizeof(float));
      }
#else
      const float *packed = p + q * k * PANEL;
#endif
      for (size_t b = first, height; b < last; b += height) {
        height = rows_of(last - b, &r);
        PRODUCT(
          r, w, a + b * lda, lda, packed, k, bias ? bias + q * PANEL : bias, c + b * ldc + q * PANEL, ldc, accumulate
        );
      }
    }
  }
}

int NAME(gemm_gradient)(
  const float *x, size_t ldx, const float *d, size_t ldd, float *g, size_t rows, size_t begin, size_t end, size_t k,
  size_t panels, int accumulate
) {
  vector seen = splat(0);
  float packed[GRADIENT_ROWS * PANEL * MOST_PANELS];
  size_t first = 0, last;
  do {
    last = least(first + GRADIENT_ROWS, rows);
    int r, w;
    for (size_t q = 0, width; q < panels; q += width) {
      width = panels_of(panels - q, &w);
      // Side by side, rows of D do not push each other out of the first cache.
      for (size_t b = first; b < last; b++) {
        memcpy(packed + (b - first) * width * PANEL, d + b * ldd + q * PANEL, width * PANEL * sizeof(float));
      }
      const int has_next = last + GRADIENT_ROWS <= rows;
      const coming nothing = {packed, 0},
                   next_panels = q + width < panels ? (coming){d + first * ldd + (q + width) * PANEL, ldd}
                     : has_next ? (coming){d + last * ldd, ldd} : nothing;
      for (size_t i = begin, height; i < end; i += height) {
        height = rows_of(end - i, &r);
        const coming next_inputs = q == 0 && has_next ? (coming){x + last * ldx + i, ldx} : nothing;
        const vector found = GRADIENT(
          r, w, x + first * ldx + i, ldx, packed, width * PANEL, last - first, g + (q * k + i) * PANEL, k * PANEL,
          accumulate || first > 0, next_inputs, i == begin ? next_panels : nothing
        );
        if (last == rows) seen += found;
      }
    }
    first = last;
  } while (first < rows);
  return saw_finite(seen);
}
