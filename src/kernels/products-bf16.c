// Products of operands that are rounded to bfloat16, with the sums of gemm-bf16.ts in their order and so with its bits,
// for processors
// with AVX-512's VDPBF16PS. It adds the products of a pair to a sum one after the other, the second of the pair first,
// each rounded once
// to the nearest, ties to even, with denormal numbers as 0 (Intel, Software Developer's Manual, volume 2, VDPBF16PS):
// there are none
// here, since operands below MIN_MAGNITUDE count as 0, so that all that is added is a multiple of 2^-126.

#include "kernels.h"
#include "vector.h"

#if defined(__AVX512BF16__)

/** Panels that are side by side. */
#define PANEL 8
/** Pairs of a block of rows that stays in the second cache while all panels pass. */
#define BLOCK_PAIRS (48 * 1024)
/**
 * Pairs of rows of a block of a gradient's sums, and inputs that are summed together at the most: a multiple of
 * MOST_ROWS.
 */
#define GRADIENT_PAIRS 64
#define GRADIENT_INPUTS 768
/** Operands that are smaller count as 0. */
#define MIN_MAGNITUDE 0x1p-56f
/** What a pair is padded with where its second number is missing. */
static const float NOTHING[PANEL * MOST_PANELS];

/** Sixteen floats as bfloat16. */
INLINE __m256i rounded(__m512 x) {
  const __mmask16 counts = _mm512_cmp_ps_mask(_mm512_abs_ps(x), _mm512_set1_ps(MIN_MAGNITUDE), _CMP_NLT_UQ);
  return (__m256i)_mm512_maskz_cvtneps_pbh(counts, x);
}
/** Pairs of the numbers of two vectors, lane by lane. */
INLINE __m512i paired(__m512 first, __m512 second) {
  return _mm512_or_si512(
    _mm512_cvtepu16_epi32(rounded(first)), _mm512_slli_epi32(_mm512_cvtepu16_epi32(rounded(second)), 16)
  );
}
INLINE __mmask16 some(size_t left) { return (__mmask16)(left >= LANES ? 0xffff : (1u << left) - 1); }

/** Pairs a row's neighbors: so many floats as half as many pairs, rounded up. */
INLINE void pair_row(const float *from, size_t count, uint32_t *to) {
  for (size_t i = 0; i < count; i += LANES) {
    const __m256i all = rounded(load_some(from + i, count - i));
    _mm256_mask_storeu_epi32(to + i / 2, (__mmask8)some((count - i + 1) / 2), all);
  }
}
/** Pairs two rows, column by column. */
INLINE void pair_rows(const float *first, const float *second, size_t count, uint32_t *to) {
  for (size_t i = 0; i < count; i += LANES) {
    const __m512i all = paired(load_some(first + i, count - i), load_some(second + i, count - i));
    _mm512_mask_storeu_epi32(to + i, some(count - i), all);
  }
}

/** The v-th vector of so many panels of pairs, which lie side by side. */
INLINE __m512i load_pairs(const uint32_t *at, const int panels, const int v) {
  return 2 * v + 1 < panels ? _mm512_loadu_si512(at + 16 * v)
                            : _mm512_zextsi256_si512(_mm256_loadu_si256((const __m256i *)(at + 16 * v)));
}
INLINE vector add_pairs(vector sums, uint32_t x, __m512i y) {
  return _mm512_dpbf16_ps(sums, (__m512bh)_mm512_set1_epi32((int)x), (__m512bh)y);
}

INLINE void product_tile(
  const int rows, const int panels, const uint32_t *a, const uint32_t *w, size_t pairs, const float *bias, float *c,
  size_t ldc, int accumulate
) {
  vector s[MOST_ROWS][VECTORS(MOST_PANELS)];
  UNROLL for (int i = 0; i < rows; i++) {
    UNROLL for (int v = 0; v < VECTORS(panels); v++) s[i][v] = splat(0);
  }
  for (size_t j = 0; j < pairs; j++) {
    __m512i b[VECTORS(MOST_PANELS)];
    UNROLL for (int v = 0; v < VECTORS(panels); v++) b[v] = load_pairs(w + j * PANEL * panels, panels, v);
    UNROLL for (int i = 0; i < rows; i++) {
      UNROLL for (int v = 0; v < VECTORS(panels); v++) s[i][v] = add_pairs(s[i][v], a[i * pairs + j], b[v]);
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
  const int inputs, const int panels, const uint32_t *x, size_t ldx, const uint32_t *d, size_t pairs, float *g,
  size_t gap, int goes_on, coming next_x, coming next_d
) {
  vector s[MOST_ROWS][VECTORS(MOST_PANELS)];
  UNROLL for (int i = 0; i < inputs; i++) {
    UNROLL for (int v = 0; v < VECTORS(panels); v++) s[i][v] = goes_on ? load(g + i * PANEL, gap, panels, v) : splat(0);
  }
  for (size_t b = 0; b < pairs; b++) {
    __m512i y[VECTORS(MOST_PANELS)];
    UNROLL for (int i = 0; i < 2; i++) {
      ask_for(next_x, 2 * b + i, inputs);
      ask_for(next_d, 2 * b + i, panels * PANEL);
    }
    UNROLL for (int v = 0; v < VECTORS(panels); v++) y[v] = load_pairs(d + b * PANEL * panels, panels, v);
    UNROLL for (int i = 0; i < inputs; i++) {
      UNROLL for (int v = 0; v < VECTORS(panels); v++) s[i][v] = add_pairs(s[i][v], x[b * ldx + i], y[v]);
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
typedef void product_function(const uint32_t *, const uint32_t *, size_t, const float *, float *, size_t, int);
typedef vector gradient_function(
  const uint32_t *, size_t, const uint32_t *, size_t, float *, size_t, int, coming, coming
);
#define SIZE(rows, panels) \
  static void product_##rows##_##panels( \
    const uint32_t *a, const uint32_t *w, size_t pairs, const float *bias, float *c, size_t ldc, int accumulate \
  ) { \
    product_tile(rows, panels, a, w, pairs, bias, c, ldc, accumulate); \
  } \
  static vector gradient_##rows##_##panels( \
    const uint32_t *x, size_t ldx, const uint32_t *d, size_t pairs, float *g, size_t gap, int goes_on, coming next_x, \
    coming next_d \
  ) { \
    return gradient_tile(rows, panels, x, ldx, d, pairs, g, gap, goes_on, next_x, next_d); \
  }
#define SIZES(rows) SIZE(rows, 1) SIZE(rows, 2) SIZE(rows, 4)
#define ALL(kind, rows) { kind##_##rows##_1, kind##_##rows##_2, kind##_##rows##_4 }
SIZES(1) SIZES(4) SIZES(12)
static product_function *const products[3][3] = { ALL(product, 1), ALL(product, 4), ALL(product, 12) };
static gradient_function *const gradients[3][3] = { ALL(gradient, 1), ALL(gradient, 4), ALL(gradient, 12) };

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

void gemm_bf16(
  const float *a, size_t lda, const float *p, const float *bias, float *c, size_t ldc, size_t begin, size_t end,
  size_t k, size_t panels, int accumulate
) {
  const size_t pairs = (k + 1) / 2, most = BLOCK_PAIRS / (pairs * MOST_ROWS) * MOST_ROWS,
               block = least(most > MOST_ROWS ? most : MOST_ROWS, end - begin);
  if (begin == end) return;
  // Panels of a tile side by side, so that a step of the sums loads whole vectors.
  uint32_t packed[pairs * PANEL * MOST_PANELS], x[block * pairs];
  for (size_t first = begin, last; first < end; first = last) {
    last = least(first + block, end);
    for (size_t b = first; b < last; b++) pair_row(a + b * lda, k, x + (b - first) * pairs);
    int r, w;
    for (size_t q = 0, width; q < panels; q += width) {
      width = panels_of(panels - q, &w);
      for (size_t i = 0; i < width; i++) {
        const float *panel = p + (q + i) * k * PANEL;
        for (size_t j = 0; j < pairs; j++)
          pair_rows(
            panel + 2 * j * PANEL, 2 * j + 1 < k ? panel + (2 * j + 1) * PANEL : NOTHING, PANEL,
            packed + (j * width + i) * PANEL
          );
      }
      for (size_t b = first, height; b < last; b += height) {
        height = rows_of(last - b, &r);
        products[r][w](
          x + (b - first) * pairs, packed, pairs, bias ? bias + q * PANEL : bias, c + b * ldc + q * PANEL, ldc,
          accumulate
        );
      }
    }
  }
}

int gemm_gradient_bf16(
  const float *x, size_t ldx, const float *d, size_t ldd, float *g, size_t rows, size_t begin, size_t end, size_t k,
  size_t panels, int accumulate
) {
  vector seen = splat(0);
  uint32_t packed[GRADIENT_PAIRS * PANEL * MOST_PANELS], inputs[GRADIENT_PAIRS * GRADIENT_INPUTS];
  const float nothing[GRADIENT_INPUTS] = {0};
  for (size_t from = begin, to; from < end; from = to) {
    to = least(from + GRADIENT_INPUTS, end);
    size_t first = 0, last;
    do {
      last = least(first + 2 * GRADIENT_PAIRS, rows);
      const size_t pairs = (last - first + 1) / 2;
      for (size_t b = 0; b < pairs; b++) {
        const float *row = x + (first + 2 * b) * ldx + from;
        pair_rows(row, first + 2 * b + 1 < last ? row + ldx : nothing, to - from, inputs + b * (to - from));
      }
      int r, w;
      for (size_t q = 0, width; q < panels; q += width) {
        width = panels_of(panels - q, &w);
        for (size_t b = 0; b < pairs; b++) {
          const float *row = d + (first + 2 * b) * ldd + q * PANEL;
          pair_rows(row, first + 2 * b + 1 < last ? row + ldd : NOTHING, width * PANEL, packed + b * width * PANEL);
        }
        const int has_next = last + 2 * GRADIENT_PAIRS <= rows;
        const coming none = {nothing, 0},
                     next_panels = q + width < panels ? (coming){d + first * ldd + (q + width) * PANEL, ldd}
                       : has_next ? (coming){d + last * ldd, ldd} : none;
        for (size_t i = from, height; i < to; i += height) {
          height = rows_of(to - i, &r);
          const coming next_inputs = q == 0 && has_next ? (coming){x + last * ldx + i, ldx} : none;
          const vector found = gradients[r][w](
            inputs + i - from, to - from, packed, pairs, g + (q * k + i) * PANEL, k * PANEL, accumulate || first > 0,
            next_inputs, i == from ? next_panels : none
          );
          if (last == rows) seen += found;
        }
      }
      first = last;
    } while (first < rows);
  }
  return saw_finite(seen);
}
#endif
