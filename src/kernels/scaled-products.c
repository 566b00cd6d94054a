// Products of items with a matrix for each row of the batch, M + diag(s) S: s is the row's scale, and S has the first
// rows of M at most. A row's matrix is computed by panels where it is needed, which takes as long as a single item.
// Row b has items offsets[b] … offsets[b + 1].

#include "single.h"

/** Panels that each worker has memory for, on any target. */
#define WORK_PANELS 4

/** The rows b of this worker, with their items from `first` up to `stop`. */
#define EACH_SEGMENT \
  for (size_t b = share_begin(rows, 4), end = share_end(rows, 4); b < end; b++) \
    for (size_t first = offsets[b], stop = offsets[b + 1]; first < stop; first = stop)

/** Multiplies the items of a row by `width` panels that are packed: c (+)= a · packed + bias. */
INLINE void multiply_items(
  const float *a, size_t lda, const float *packed, size_t width, size_t steps, const float *bias, float *c, size_t ldc,
  size_t items, int accumulate
) {
  (void)width; // Some targets have tiles of one width.
  for (size_t i = 0, height; i < items; i += height) {
    height = height_of(items - i);
    const product tile = {a + i * lda, lda, packed, steps, bias, c + i * ldc, ldc, accumulate, NO_ACTIVATION};
    CALL_TILE(product, &tile);
  }
}

/**
 * y[item] = x[item] · (M + diag(scale[b]) S) + base[b] for the items of row b.
 * @param m, s panels of 8 outputs, of `k` and of `scaled` rows
 * @param work WORK_PANELS panels of `k` rows for each worker
 */
KERNEL(scaledProduct)(
  const float *x, int32_t ldx, const float *scale, int32_t ldscale, const uint32_t *offsets, const float *m,
  const float *s, const float *base, int32_t ldbase, float *y, int32_t ldy, int32_t rows, int32_t k, int32_t scaled,
  int32_t panels, float *work
) {
  const size_t inputs = (size_t)k, own = (size_t)scaled;
  float *packed = work + (size_t)thread * inputs * PANEL * WORK_PANELS;
  EACH_SEGMENT {
    const float *factors = scale + b * (size_t)ldscale;
    for (size_t q = 0, width; q < (size_t)panels; q += width) {
      width = width_of((size_t)panels - q);
      for (size_t i = 0; i < width; i++) {
        const float *from = m + (q + i) * inputs * PANEL, *by = s + (q + i) * own * PANEL;
        for (size_t j = 0; j < inputs; j++) {
          float *to = packed + (j * width + i) * PANEL;
          const float factor = j < own ? factors[j] : 0;
          for (size_t n = 0; n < PANEL; n++)
            to[n] = j < own ? from[j * PANEL + n] + factor * by[j * PANEL + n] : from[j * PANEL + n];
        }
      }
      multiply_items(
        x + first * (size_t)ldx, (size_t)ldx, packed, width, inputs,
        base ? base + b * (size_t)ldbase + q * PANEL : base, y + first * (size_t)ldy + q * PANEL, (size_t)ldy,
        stop - first, 0
      );
    }
  }
}

/**
 * dx[item] (+)= d[item] · (M + diag(scale[b]) S)ᵀ for the items of row b.
 * @param m, s the transposes, in panels of 8 inputs, of `outputs` rows
 * @param work WORK_PANELS panels of `outputs` rows for each worker
 */
KERNEL(scaledProductInputs)(
  const float *d, int32_t ldd, const float *scale, int32_t ldscale, const uint32_t *offsets, const float *m,
  const float *s, float *dx, int32_t lddx, int32_t rows, int32_t k, int32_t scaled, int32_t outputs, int32_t accumulate,
  float *work
) {
  const size_t steps = (size_t)outputs, panels = ((size_t)k + PANEL - 1) / PANEL;
  float *packed = work + (size_t)thread * steps * PANEL * WORK_PANELS;
  EACH_SEGMENT {
    const float *factors = scale + b * (size_t)ldscale;
    for (size_t q = 0, width; q < panels; q += width) {
      width = width_of(panels - q);
      for (size_t i = 0; i < width; i++) {
        const float *from = m + (q + i) * steps * PANEL, *by = s + (q + i) * steps * PANEL;
        float own[PANEL];
        const size_t begin = (q + i) * PANEL;
        for (size_t j = 0; j < PANEL; j++) own[j] = begin + j < (size_t)scaled ? factors[begin + j] : 0;
        const int is_scaled = begin < (size_t)scaled;
        for (size_t n = 0; n < steps; n++) {
          float *to = packed + (n * width + i) * PANEL;
          for (size_t j = 0; j < PANEL; j++)
            to[j] = is_scaled ? from[n * PANEL + j] + own[j] * by[n * PANEL + j] : from[n * PANEL + j];
        }
      }
      multiply_items(
        d + first * (size_t)ldd, (size_t)ldd, packed, width, steps, NULL, dx + first * (size_t)lddx + q * PANEL,
        (size_t)lddx, stop - first, accumulate
      );
    }
  }
}

/** What a tile of a row's gradient reads and adds to: some inputs and panels. */
typedef struct {
  const float *x, *d, *factors, *s;
  float *gm, *gs;
  size_t ldx, ldd, items, gap, scaled_gap, scaled;
  four *dots;
} row_gradient;

/** Sums xᵀ d over the items of a row; adds it to M's gradient, its products to S's, and its products with S to dots. */
INLINE void row_gradient_tile(const int inputs, const int panels, const row_gradient t) {
  vector sums[MOST_ROWS][VECTORS(MOST_PANELS)];
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
  EACH_ROW(inputs) {
    float *gm = t.gm + i * PANEL, *gs = t.gs + i * PANEL;
    EACH_VECTOR(panels) {
      store(gm, t.gap, panels, v, load(gm, t.gap, panels, v) + sums[i][v]);
      if ((size_t)i >= t.scaled) continue;
      store(gs, t.scaled_gap, panels, v, load(gs, t.scaled_gap, panels, v) + splat(t.factors[i]) * sums[i][v]);
      t.dots[i] = add_fours(t.dots[i], load(t.s + i * PANEL, t.scaled_gap, panels, v) * sums[i][v]);
    }
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
 * The gradients of M and S, in their layout, and of the scale: dscale[b] (+)= the sums over outputs of S ∘ the gradient
 * of the row's matrix. Inputs are shared among workers.
 */
KERNEL(scaledProductGradient)(
  const float *x, int32_t ldx, const float *d, int32_t ldd, const float *scale, int32_t ldscale,
  const uint32_t *offsets, const float *s, float *gm, float *gs, float *dscale, int32_t lddscale, int32_t rows,
  int32_t k, int32_t scaled, int32_t panels, int32_t accumulate
) {
  const size_t begin = share_begin(k, 4), end = share_end(k, 4), inputs = (size_t)k, own = (size_t)scaled;
  if (begin == end) return;
  for (size_t q = 0; q < (size_t)panels; q++) {
    memset(gm + (q * inputs + begin) * PANEL, 0, (end - begin) * PANEL * sizeof *gm);
    if (begin < own) memset(gs + (q * own + begin) * PANEL, 0, (least(end, own) - begin) * PANEL * sizeof *gs);
  }
  for (size_t b = 0; b < (size_t)rows; b++) {
    const size_t first = offsets[b], items = offsets[b + 1] - first;
    float *to = dscale + b * (size_t)lddscale;
    for (size_t i = begin, height; i < end; i += height) {
      height = height_of(end - i);
      four dots[MOST_ROWS];
      for (size_t j = 0; j < height; j++) dots[j] = splat_four(0);
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
        const float sum = sum_of_four(dots[j]);
        to[i + j] = accumulate ? to[i + j] + sum : sum;
      }
    }
  }
  vector seen = splat(0);
  for (size_t q = 0; q < (size_t)panels; q++) {
    EACH_COLUMNS((end - begin) * PANEL, seen = look(seen, load_some(gm + (q * inputs + begin) * PANEL + i, left));)
    if (begin < own)
      EACH_COLUMNS(
        (least(end, own) - begin) * PANEL, seen = look(seen, load_some(gs + (q * own + begin) * PANEL + i, left));
      )
  }
  keep(seen);
}
