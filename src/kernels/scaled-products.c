// Products of items with a matrix for each row of the batch, M + diag(s) S: s is the row's scale, and S has the first
// rows of M at most. A row's matrix is computed by panels where it is needed, which takes as long as a single item.
// Row b has items offsets[b] … offsets[b + 1].

#include "single.h"
#include "sums.h"

/** Panels of a tile that each worker has memory for, on any target. */
#define WORK_PANELS 4

/** The rows b of this worker, with their items from `first` up to `stop`. */
#define EACH_SEGMENT \
  for (size_t b = share_begin(rows, 4), end = share_end(rows, 4); b < end; b++) \
    for (size_t first = offsets[b], stop = offsets[b + 1]; first < stop; first = stop)

/** Calls a function that takes the number of panels of a tile as its first argument, for a constant. */
#define WITH_PANELS(width, function, ...) \
  if (MOST_PANELS >= 4 && (width) == 4) function(4, __VA_ARGS__); \
  else if (MOST_PANELS >= 2 && (width) == 2) function(2, __VA_ARGS__); \
  else function(1, __VA_ARGS__)

/** Copies panels, which are `rows` rows apart, side by side in tiles: `width` panels in turn for each row. */
INLINE void arrange_panels(const float *from, size_t rows, size_t panels, float *to) {
  for (size_t q = 0, width; q < panels; q += width) {
    width = width_of(panels - q);
    for (size_t j = 0; j < rows; j++)
      for (size_t i = 0; i < width; i++, to += PANEL)
        memcpy(to, from + ((q + i) * rows + j) * PANEL, PANEL * sizeof *to);
  }
}

/** Computes a tile of M + diag(factors) S, of which the first `own` of `rows` rows have a factor. */
INLINE void scale_rows(
  const int panels, const float *m, const float *s, const float *factors, size_t rows, size_t own, float *to
) {
  const size_t ld = (size_t)panels * PANEL;
  for (size_t j = 0; j < own; j++) {
    const vector factor = splat(factors[j]);
    EACH_VECTOR(panels) {
      const vector x = load(m + j * ld, PANEL, panels, v) + factor * load(s + j * ld, PANEL, panels, v);
      store(to + j * ld, PANEL, panels, v, x);
    }
  }
  memcpy(to + own * ld, m + own * ld, (rows - own) * ld * sizeof *to);
}

/** Computes a tile of M + S diag(factors), with a factor for each of its columns. */
INLINE void scale_columns(
  const int panels, const float *m, const float *s, const float *factors, size_t rows, float *to
) {
  const size_t ld = (size_t)panels * PANEL;
  vector own[VECTORS(MOST_PANELS)];
  EACH_VECTOR(panels) own[v] = load(factors, PANEL, panels, v);
  for (size_t j = 0; j < rows; j++) {
    EACH_VECTOR(panels) {
      const vector x = load(m + j * ld, PANEL, panels, v) + own[v] * load(s + j * ld, PANEL, panels, v);
      store(to + j * ld, PANEL, panels, v, x);
    }
  }
}

/** Multiplies the items of a row by `width` panels that are packed: c (+)= a · packed + bias. */
INLINE void multiply_items(
  const float *a, size_t lda, const float *packed, size_t width, size_t steps, const float *bias, float *c, size_t ldc,
  size_t items, int accumulate
) {
  (void)width; // Some targets have tiles of one width.
  for (size_t i = 0, height; i < items; i += height) {
    height = height_of(items - i);
    const product tile = {a + i * lda, lda, packed, steps, bias, c + i * ldc, ldc, accumulate, ACTIVATION_LINEAR};
    CALL_TILE(product, &tile);
  }
}

/** Memory of a worker: M and S in tiles, and a tile of a row's matrix. */
typedef struct {
  float *m, *s, *tile;
} row_work;
INLINE row_work work_of(float *work, size_t rows, size_t panels) {
  const size_t all = rows * panels * PANEL;
  float *m = work + (size_t)thread * (2 * all + rows * WORK_PANELS * PANEL);
  return (row_work){m, m + all, m + 2 * all};
}

/**
 * y[item] = x[item] · (M + diag(scale[b]) S) + base[b] for the items of row b.
 * @param m, s panels of 8 outputs, of `k` and of `scaled` rows
 * @param isShared whether x has the items of one row, which all rows have
 * @param work for each worker, k · (2 panels + WORK_PANELS) rows of a panel
 */
KERNEL(scaledProduct)(
  const float *x, int32_t ldx, const float *scale, int32_t ldscale, const uint32_t *offsets, const float *m,
  const float *s, const float *base, int32_t ldbase, float *y, int32_t ldy, int32_t rows, int32_t k, int32_t scaled,
  int32_t panels, int32_t isShared, float *work
) {
  const size_t inputs = (size_t)k, own = (size_t)scaled;
  const row_work to = work_of(work, inputs, (size_t)panels);
  arrange_panels(m, inputs, (size_t)panels, to.m);
  arrange_panels(s, own, (size_t)panels, to.s);
  EACH_SEGMENT {
    const float *factors = scale + b * (size_t)ldscale, *own_items = x + (isShared ? 0 : first) * (size_t)ldx;
    for (size_t q = 0, width; q < (size_t)panels; q += width) {
      width = width_of((size_t)panels - q);
      const float *from = to.m + q * inputs * PANEL, *by = to.s + q * own * PANEL;
      WITH_PANELS(width, scale_rows, from, by, factors, inputs, own, to.tile);
      multiply_items(
        own_items, (size_t)ldx, to.tile, width, inputs,
        base ? base + b * (size_t)ldbase + q * PANEL : base, y + first * (size_t)ldy + q * PANEL, (size_t)ldy,
        stop - first, 0
      );
    }
  }
}

/**
 * dx[item] (+)= d[item] · (M + diag(scale[b]) S)ᵀ for the items of row b.
 * @param m, s the transposes, in panels of 8 inputs, of `outputs` rows
 * @param work for each worker, outputs · (2 · panels of k + WORK_PANELS) rows of a panel
 */
KERNEL(scaledProductInputs)(
  const float *d, int32_t ldd, const float *scale, int32_t ldscale, const uint32_t *offsets, const float *m,
  const float *s, float *dx, int32_t lddx, int32_t rows, int32_t k, int32_t scaled, int32_t outputs, int32_t accumulate,
  float *work
) {
  const size_t steps = (size_t)outputs, panels = ((size_t)k + PANEL - 1) / PANEL,
               own = ((size_t)scaled + PANEL - 1) / PANEL;
  const row_work to = work_of(work, steps, panels);
  // Panels with factors have tiles of their own.
  arrange_panels(m, steps, own, to.m);
  arrange_panels(m + own * steps * PANEL, steps, panels - own, to.m + own * steps * PANEL);
  arrange_panels(s, steps, own, to.s);
  EACH_SEGMENT {
    const float *factors = scale + b * (size_t)ldscale;
    for (size_t q = 0, width; q < panels; q += width) {
      const size_t begin = q * PANEL, at = begin * steps;
      width = width_of((q < own ? own : panels) - q);
      if (q < own) {
        float padded[PANEL * WORK_PANELS] = {0};
        memcpy(padded, factors + begin, least(width * PANEL, (size_t)scaled - begin) * sizeof *padded);
        WITH_PANELS(width, scale_columns, to.m + at, to.s + at, padded, steps, to.tile);
      }
      multiply_items(
        d + first * (size_t)ldd, (size_t)ldd, q < own ? to.tile : to.m + at, width, steps, NULL,
        dx + first * (size_t)lddx + begin, (size_t)lddx, stop - first, accumulate
      );
    }
  }
}

/** Sums of the columns of a panel. */
typedef float panel_sums __attribute__((vector_size(PANEL * sizeof(float))));

/** Adds the columns of so many panels to sums, panel by panel. */
INLINE void add_panels(panel_sums *sums, const vector *x, const int panels) {
  float all[VECTORS(MOST_PANELS) * LANES];
  EACH_VECTOR(panels) memcpy(all + v * LANES, x + v, sizeof *x);
  UNROLL for (int i = 0; i < panels; i++) {
    panel_sums panel;
    memcpy(&panel, all + i * PANEL, sizeof panel);
    *sums += panel;
  }
}

/** What a tile of a row's gradient reads and adds to: some inputs and panels. */
typedef struct {
  const float *x, *d, *factors, *s;
  float *gm, *gs;
  size_t ldx, ldd, items, gap, scaled_gap, scaled;
  panel_sums *dots;
} row_gradient;

/** Sums xᵀ d over the items of a row. */
INLINE void sum_items(const int inputs, const int panels, const row_gradient t, tile_sums sums) {
#if LANES == 16
  if (panels == 1) {
    panel_vector own[MOST_ROWS];
    EACH_ROW(inputs) own[i] = first_panel(splat(0));
    for (size_t item = 0; item < t.items; item++)
      EACH_ROW(inputs) own[i] = add_panel(own[i], t.x[item * t.ldx + (size_t)i], panel_operands(t.d + item * t.ldd));
    EACH_ROW(inputs) sums[i][0] = widen(own[i]);
    return;
  }
#endif
  EACH_ROW(inputs) {
    EACH_VECTOR(panels) sums[i][v] = splat(0);
  }
  for (size_t item = 0; item < t.items; item++) {
    vector d[VECTORS(MOST_PANELS)];
    EACH_VECTOR(panels) d[v] = load(t.d + item * t.ldd, PANEL, panels, v);
    EACH_ROW(inputs) {
      EACH_VECTOR(panels) sums[i][v] = multiply_add(splat(t.x[item * t.ldx + (size_t)i]), d[v], sums[i][v]);
    }
  }
}

/** Sums a row; adds the sums to M's gradient, their products to S's, and their products with S to dots. */
INLINE void row_gradient_tile(const int inputs, const int panels, const row_gradient t) {
  tile_sums sums;
  sum_items(inputs, panels, t, sums);
  EACH_ROW(inputs) {
    float *gm = t.gm + i * PANEL, *gs = t.gs + i * PANEL;
    EACH_VECTOR(panels) store(gm, t.gap, panels, v, load(gm, t.gap, panels, v) + sums[i][v]);
    if ((size_t)i >= t.scaled) continue;
    const vector factor = splat(t.factors[i]);
    vector products[VECTORS(MOST_PANELS)];
    EACH_VECTOR(panels) {
      store(gs, t.scaled_gap, panels, v, load(gs, t.scaled_gap, panels, v) + factor * sums[i][v]);
      products[v] = load(t.s + i * PANEL, t.scaled_gap, panels, v) * sums[i][v];
    }
    add_panels(t.dots + i, products, panels);
  }
}
#define ROW_SIZE(inputs, panels) \
  SIZED void row_##inputs##_##panels(const row_gradient *t) { row_gradient_tile(inputs, panels, *t); }
#if MOST_PANELS == 4
#define ROW_SIZES(inputs) ROW_SIZE(inputs, 1) ROW_SIZE(inputs, 2) ROW_SIZE(inputs, 4)
#elif MOST_PANELS == 2
#define ROW_SIZES(inputs) ROW_SIZE(inputs, 1) ROW_SIZE(inputs, 2)
#else
#define ROW_SIZES(inputs) ROW_SIZE(inputs, 1)
#endif
ROW_SIZES(1)
ROW_SIZES(4)
#if MOST_ROWS == 12
ROW_SIZES(12)
#elif MOST_ROWS == 6
ROW_SIZES(6)
#endif

/**
 * The gradient of the scale: dscale[b] (+)= the sums over outputs of S ∘ the gradient of the row's matrix. For each part
 * of the rows, the sums of the gradients of M and then of S, in their layout, which `partSums` adds. A worker has whole
 * parts, in one block or more.
 */
KERNEL(scaledProductGradient)(
  const float *x, int32_t ldx, const float *d, int32_t ldd, const float *scale, int32_t ldscale,
  const uint32_t *offsets, const float *s, float *sums, float *dscale, int32_t lddscale, int32_t rows, int32_t k,
  int32_t scaled, int32_t panels, int32_t parts, int32_t accumulate
) {
  const size_t inputs = (size_t)k, own = (size_t)scaled, each = part_rows((size_t)rows, (size_t)parts),
               count = (inputs + own) * (size_t)panels * PANEL;
  for (size_t b = share_begin(rows, 4), end = share_end(rows, 4); b < end; b++) {
    const size_t first = offsets[b], items = offsets[b + 1] - first;
    float *to = dscale + b * (size_t)lddscale, *gm = sums + b / each * count,
          *gs = gm + inputs * (size_t)panels * PANEL;
    if (b % each == 0) memset(gm, 0, count * sizeof *gm);
    for (size_t i = 0, height; i < inputs; i += height) {
      height = height_of(inputs - i);
      panel_sums dots[MOST_ROWS] = {0};
      for (size_t q = 0, width; items > 0 && q < (size_t)panels; q += width) {
        width = width_of((size_t)panels - q);
        const row_gradient tile = {
          .x = x + first * (size_t)ldx + i, .d = d + first * (size_t)ldd + q * PANEL,
          .factors = scale + b * (size_t)ldscale + i, .s = s + (q * own + i) * PANEL,
          .gm = gm + (q * inputs + i) * PANEL, .gs = gs + (q * own + i) * PANEL, .ldx = (size_t)ldx,
          .ldd = (size_t)ldd, .items = items, .gap = inputs * PANEL, .scaled_gap = own * PANEL,
          .scaled = own > i ? own - i : 0, .dots = dots,
        };
        CALL_TILE(row, &tile);
      }
      for (size_t j = 0; j < height && i + j < own; j++) {
        float sum = 0;
        UNROLL for (size_t n = 0; n < PANEL; n++) sum += dots[j][n];
        to[i + j] = accumulate ? to[i + j] + sum : sum;
      }
    }
  }
}
