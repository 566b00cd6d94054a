// Matrix products by tiles of rows and panels. B rows of a batch, K inputs, N outputs; weights are in panels of 8
// columns, P[N/8][K][8], zero beyond N. One worker computes a sum, in the order of its terms, so that results do not
// depend on the number of workers. A file that includes this defines its operands:
// - `operand` and `operands`: one, and a vector of them; STEP: inputs or rows that an operand has
// - turn(n, count): the operand that is added n-th
// - load_operands(at, panels, v): the v-th vector of panels that are adjacent
// - add_product(sums, x, y)
// - pack(row, gap, has_next, count, to, padding): packs a row, or pairs of it and the next one, `gap` floats on
// - pack_neighbors(row, count, to), if STEP is 2: pairs of a row's neighbors

#ifndef PRODUCTS_H
#define PRODUCTS_H

#include "activations.h"

/** Floats of a block of rows that remains in the second cache, which is larger with AVX-512, while all panels pass. */
#define BLOCK_FLOATS ((LANES == 16 ? 192 : 96) * 1024)
/** Rows of a block of a gradient's sums. */
#define GRADIENT_ROWS (128 * STEP)
/** Inputs of a gradient that are packed together, if inputs are packed: a multiple of MOST_ROWS. */
#define GRADIENT_INPUTS (STEP > 1 ? 768 : SIZE_MAX)
/** Panels of operands that are packed next to each other, so that a step of the sums loads whole vectors. */
#define IS_PACKED (MOST_PANELS > 1 || STEP > 1)
/** Completes a pair without changing any sum: the other operand's padding is 0, and -0 is added. */
#define MINUS_ZERO 0x80000000u

#define EACH_VECTOR(panels) UNROLL for (int v = 0; v < VECTORS(panels); v++)
#define EACH_ROW(rows) UNROLL for (int i = 0; i < (rows); i++)

INLINE size_t least(size_t a, size_t b) { return a < b ? a : b; }
/** Rows and panels of the largest tile that fits. */
INLINE size_t height_of(size_t left) { return left >= MOST_ROWS ? MOST_ROWS : left >= 4 ? 4 : 1; }
INLINE size_t width_of(size_t left) {
  return MOST_PANELS >= 4 && left >= 4 ? 4 : MOST_PANELS >= 2 && left >= 2 ? 2 : 1;
}

/** What a tile of a product multiplies, and of a gradient. */
typedef struct {
  const operand *a;
  size_t lda;
  const operand *w;
  size_t steps;
  const float *bias;
  float *c;
  size_t ldc;
  int accumulate, activation;
} product;
typedef struct {
  const operand *x;
  size_t ldx;
  const operand *d;
  size_t steps;
  float *g;
  size_t gap;
  int goes_on;
  coming next_x, next_d;
} gradient;

/** The sums of a tile, by row. */
typedef vector tile_sums[MOST_ROWS][VECTORS(MOST_PANELS)];

/** Adds products to the sums of a tile. */
INLINE void add_products(const int rows, const int panels, const product t, tile_sums s) {
#if LANES == 16
  if (panels == 1) {
    panel_vector sums[MOST_ROWS];
    EACH_ROW(rows) sums[i] = first_panel(s[i][0]);
    for (size_t n = 0; n < t.steps; n++) {
      const size_t j = turn(n, t.steps);
      EACH_ROW(rows) sums[i] = add_panel(sums[i], t.a[i * t.lda + j], panel_operands(t.w + j * PANEL));
    }
    EACH_ROW(rows) s[i][0] = widen(sums[i]);
    return;
  }
#endif
  for (size_t n = 0; n < t.steps; n++) {
    const size_t j = turn(n, t.steps);
    operands b[VECTORS(MOST_PANELS)];
    EACH_VECTOR(panels) b[v] = load_operands(t.w + j * PANEL * panels, panels, v);
    EACH_ROW(rows) {
      EACH_VECTOR(panels) s[i][v] = add_product(s[i][v], t.a[i * t.lda + j], b[v]);
    }
  }
}

INLINE void product_tile(const int rows, const int panels, const product t) {
  tile_sums s;
  EACH_ROW(rows) {
    EACH_VECTOR(panels) s[i][v] = splat(0);
  }
  add_products(rows, panels, t, s);
  EACH_ROW(rows) {
    EACH_VECTOR(panels) {
      vector sum = s[i][v] + (t.bias ? load(t.bias, PANEL, panels, v) : splat(0));
      if (t.accumulate) sum += load(t.c + i * t.ldc, PANEL, panels, v);
      if (t.activation) sum = activated(t.activation, sum);
      store(t.c + i * t.ldc, PANEL, panels, v, sum);
    }
  }
}

/** Asks for the next rows of a gradient's operands while those of a step are multiplied. */
INLINE void ask_for_next(const int inputs, const int panels, const gradient t, size_t step) {
  UNROLL for (int i = 0; i < STEP; i++) {
    ask_for(t.next_x, STEP * step + i, inputs);
    ask_for(t.next_d, STEP * step + i, panels * PANEL);
  }
}

/** Adds the products of rows to the sums of a tile. */
INLINE void add_rows(const int inputs, const int panels, const gradient t, tile_sums s) {
#if LANES == 16
  if (panels == 1) {
    panel_vector sums[MOST_ROWS];
    EACH_ROW(inputs) sums[i] = first_panel(s[i][0]);
    for (size_t n = 0; n < t.steps; n++) {
      const size_t b = turn(n, t.steps);
      ask_for_next(inputs, panels, t, n);
      EACH_ROW(inputs) sums[i] = add_panel(sums[i], t.x[b * t.ldx + i], panel_operands(t.d + b * PANEL));
    }
    EACH_ROW(inputs) s[i][0] = widen(sums[i]);
    return;
  }
#endif
  for (size_t n = 0; n < t.steps; n++) {
    const size_t b = turn(n, t.steps);
    operands y[VECTORS(MOST_PANELS)];
    ask_for_next(inputs, panels, t, n);
    EACH_VECTOR(panels) y[v] = load_operands(t.d + b * PANEL * panels, panels, v);
    EACH_ROW(inputs) {
      EACH_VECTOR(panels) s[i][v] = add_product(s[i][v], t.x[b * t.ldx + i], y[v]);
    }
  }
}

INLINE vector gradient_tile(const int inputs, const int panels, const gradient t) {
  tile_sums s;
  vector seen = splat(0);
  EACH_ROW(inputs) {
    EACH_VECTOR(panels) s[i][v] = t.goes_on ? load(t.g + i * PANEL, t.gap, panels, v) : splat(0);
  }
  add_rows(inputs, panels, t, s);
  EACH_ROW(inputs) {
    EACH_VECTOR(panels) {
      store(t.g + i * PANEL, t.gap, panels, v, s[i][v]);
      seen = look(seen, s[i][v]);
    }
  }
  return seen;
}

// A function per size: rows or inputs, and panels. Natively, loops are fastest in functions of their own.
#if defined(__wasm__)
#define SIZED INLINE
#else
#define SIZED static __attribute__((noinline))
#endif
#define SIZE(rows, panels) \
  SIZED void product_##rows##_##panels(const product *t) { product_tile(rows, panels, *t); } \
  SIZED vector gradient_##rows##_##panels(const gradient *t) { return gradient_tile(rows, panels, *t); }
#if MOST_PANELS == 4
#define SIZES(rows) SIZE(rows, 1) SIZE(rows, 2) SIZE(rows, 4)
#define CALL_WIDTH(kind, rows, t) \
  (width == 4 ? kind##_##rows##_4(t) : width == 2 ? kind##_##rows##_2(t) : kind##_##rows##_1(t))
#elif MOST_PANELS == 2
#define SIZES(rows) SIZE(rows, 1) SIZE(rows, 2)
#define CALL_WIDTH(kind, rows, t) (width == 2 ? kind##_##rows##_2(t) : kind##_##rows##_1(t))
#else
#define SIZES(rows) SIZE(rows, 1)
#define CALL_WIDTH(kind, rows, t) kind##_##rows##_1(t)
#endif
SIZES(1)
SIZES(4)
#if MOST_ROWS == 12
SIZES(12)
#define CALL_HIGHEST(kind, t) CALL_WIDTH(kind, 12, t)
#elif MOST_ROWS == 6
SIZES(6)
#define CALL_HIGHEST(kind, t) CALL_WIDTH(kind, 6, t)
#else
#define CALL_HIGHEST(kind, t) CALL_WIDTH(kind, 4, t)
#endif
/** Runs the tile of the current height and width. */
#define CALL_TILE(kind, t) \
  (height == MOST_ROWS ? CALL_HIGHEST(kind, t) : height == 4 ? CALL_WIDTH(kind, 4, t) : CALL_WIDTH(kind, 1, t))

/**
 * C[b, 8·panels] = A[b, K] · P + bias, or added to C, for rows of this worker's share; of the first `activated` panels,
 * the activation.
 */
INLINE void multiply(
  const float *a, size_t lda, const float *p, const float *bias, float *c, size_t ldc, int32_t rows, size_t k,
  size_t panels, int accumulate, int activation, size_t activated
) {
  const size_t begin = share_begin(rows, 4), end = share_end(rows, 4);
  const size_t most = BLOCK_FLOATS / (k * MOST_ROWS) * MOST_ROWS,
               block = least(most > MOST_ROWS ? most : MOST_ROWS, end - begin), steps = (k + STEP - 1) / STEP;
  if (begin == end) return;
#if IS_PACKED
  operand packed[steps * PANEL * MOST_PANELS];
#endif
#if STEP > 1
  operand x[block * steps];
#endif
  for (size_t first = begin, last; first < end; first = last) {
    last = least(first + block, end);
#if STEP > 1
    const size_t ldx = steps;
    for (size_t b = first; b < last; b++) pack_neighbors(a + b * lda, k, x + (b - first) * steps);
#else
    const float *x = a + first * lda;
    const size_t ldx = lda;
#endif
    for (size_t q = 0, width; q < panels; q += width) {
      const int is_activated = q < activated;
      width = width_of((is_activated ? activated : panels) - q);
#if IS_PACKED
      for (size_t i = 0; i < width; i++) {
        const float *panel = p + (q + i) * k * PANEL;
        for (size_t j = 0; j < steps; j++)
          pack(
            panel + STEP * j * PANEL, PANEL, STEP * j + 1 < k, PANEL, packed + (j * width + i) * PANEL, MINUS_ZERO
          );
      }
#else
      const operand *packed = p + q * k * PANEL;
#endif
      for (size_t b = first, height; b < last; b += height) {
        height = height_of(last - b);
        const product tile = {
          x + (b - first) * ldx, ldx, packed, steps, bias ? bias + q * PANEL : bias, c + b * ldc + q * PANEL, ldc,
          accumulate, is_activated ? activation : ACTIVATION_LINEAR,
        };
        CALL_TILE(product, &tile);
      }
    }
  }
}

/** G[panel][k][8] = sum over b of X[b, k] · D[b, 8 columns], or added to G, for inputs of this worker's share. */
INLINE void multiply_gradient(
  const float *x, size_t ldx, const float *d, size_t ldd, float *g, size_t rows, size_t k, size_t panels,
  int accumulate
) {
  const size_t begin = share_begin((int32_t)k, 4), end = share_end((int32_t)k, 4);
  vector seen = splat(0);
  operand packed[GRADIENT_ROWS / STEP * PANEL * MOST_PANELS];
#if STEP > 1
  operand inputs[GRADIENT_ROWS / STEP * GRADIENT_INPUTS];
#endif
  for (size_t from = begin, to; from < end; from = to) {
    to = from + least(GRADIENT_INPUTS, end - from);
    size_t first = 0, last;
    // Sums are stored in G between blocks.
    do {
      last = least(first + GRADIENT_ROWS, rows);
      const size_t steps = (last - first + STEP - 1) / STEP;
#if STEP > 1
      const size_t ld = to - from;
      for (size_t n = 0, b = first; n < steps; n++, b += STEP)
        pack(x + b * ldx + from, ldx, b + 1 < last, ld, inputs + n * ld, 0);
#else
      const size_t ld = ldx;
      const float *inputs = x + first * ldx + from;
#endif
      for (size_t q = 0, width; q < panels; q += width) {
        width = width_of(panels - q);
        // Adjacent rows of D do not evict each other from the first cache.
        for (size_t n = 0, b = first; n < steps; n++, b += STEP)
          pack(d + b * ldd + q * PANEL, ldd, b + 1 < last, width * PANEL, packed + n * width * PANEL, MINUS_ZERO);
        const int has_next = last + GRADIENT_ROWS <= rows;
        const coming nothing = {d, 0},
                     next_panels = q + width < panels ? (coming){d + first * ldd + (q + width) * PANEL, ldd}
                       : has_next ? (coming){d + last * ldd, ldd} : nothing;
        for (size_t i = from, height; i < to; i += height) {
          height = height_of(to - i);
          const coming next_inputs = q == 0 && has_next ? (coming){x + last * ldx + i, ldx} : nothing;
          const gradient tile = {
            inputs + i - from, ld, packed, steps, g + (q * k + i) * PANEL, k * PANEL, accumulate || first > 0,
            next_inputs, i == from ? next_panels : nothing,
          };
          const vector found = CALL_TILE(gradient, &tile);
          if (last == rows) seen += found;
        }
      }
      first = last;
    } while (first < rows);
  }
  keep(seen);
}

#endif
