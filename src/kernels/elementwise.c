// Kernels that work row by row: activations, dropout, copies, products. Rows are shared among workers; columns come in
// fours, zero beyond their width. `accumulate` adds to the output.

#include "activations.h"
#include "each.h"
#include "math.h"
#include "sums.h"

/** y = f(x) */
KERNEL(activate)(int32_t kind, const float *x, int32_t ldx, float *y, int32_t ldy, int32_t rows, int32_t columns) {
#define ACTIVATE(_, code, value, slope) \
  case code: \
    EACH_VECTOR(rows, columns) { \
      const vector x_ = VECTOR(x, ldx); \
      PUT_VECTOR(y, ldy, value, 0); \
    } \
    break;
  switch (kind) { EACH_ACTIVATION(ACTIVATE, ) }
}

/** dx (+)= dy f'(x), from y = f(x). */
KERNEL(activateGradient)(
  int32_t kind, const float *x, int32_t ldx, const float *y, int32_t ldy, const float *dy, float *dx, int32_t rows,
  int32_t columns, int32_t accumulate
) {
#define DERIVE(_, code, value, slope) \
  case code: \
    EACH_VECTOR(rows, columns) { \
      const vector x_ = VECTOR(x, ldx), y_ = VECTOR(y, ldy); \
      (void)x_, (void)y_; \
      PUT_VECTOR(dx, ldx, VECTOR(dy, ldy) * (slope), accumulate); \
    } \
    break;
  switch (kind) { EACH_ACTIVATION(DERIVE, ) }
}

/** y (+)= a ∘ b */
KERNEL(multiply)(
  const float *a, int32_t lda, const float *b, int32_t ldb, float *y, int32_t ldy, int32_t rows, int32_t columns,
  int32_t accumulate
) {
  EACH_VECTOR(rows, columns) PUT_VECTOR(y, ldy, VECTOR(a, lda) * VECTOR(b, ldb), accumulate);
}

/** y[b, :] (+)= scale · g[b] · x[b, :] */
KERNEL(scaleRows)(
  const float *g, int32_t ldg, const float *x, int32_t ldx, float *y, int32_t ldy, int32_t rows, int32_t columns,
  float scale, int32_t accumulate
) {
  EACH_VECTOR(rows, columns) PUT_VECTOR(y, ldy, splat(scale * *ROW(g, ldg)) * VECTOR(x, ldx), accumulate);
}

/** o[b] (+)= scale · <x[b, :], y[b, :]> */
KERNEL(dotRows)(
  const float *x, int32_t ldx, const float *y, int32_t ldy, float *o, int32_t ldo, int32_t rows, int32_t columns,
  float scale, int32_t accumulate
) {
  EACH_ROW(rows) {
    four sum = splat_four(0);
    for (size_t n = 0; n < (size_t)columns; n += 4)
      sum = multiply_add_four(load_four(ROW(x, ldx) + n, 4), load_four(ROW(y, ldy) + n, 4), sum);
    put_number(ROW(o, ldo), scale * sum_of_four(sum), accumulate);
  }
}

/** y[:, 0 … width) (+)= x[:, 0 … width), at any alignment. */
KERNEL(copyColumns)(
  const float *x, int32_t ldx, float *y, int32_t ldy, int32_t rows, int32_t width, int32_t accumulate
) {
  EACH_NUMBER(rows, width) PUT_NUMBER(y, ldy, NUMBER(x, ldx), accumulate);
}

/** Sets columns to 0. */
KERNEL(clear)(float *y, int32_t ldy, int32_t rows, int32_t columns) {
  EACH_ROW(rows) memset(ROW(y, ldy), 0, (size_t)columns * sizeof *y);
}

/** y (+)= x ∘ mask: the inverted-dropout mask of `dropoutMask` in random.ts, for a key. */
KERNEL(dropout)(
  const float *x, int32_t ldx, float *y, int32_t ldy, int32_t rows, int32_t width, const uint32_t *key,
  double threshold, float keep, int32_t accumulate
) {
  const uint32_t seed = *key;
  EACH_NUMBER(rows, width) {
    uint32_t h = seed + ((uint32_t)row * (uint32_t)width + (uint32_t)n) * 0x9e3779b1u;
    h = (h ^ (h >> 16)) * 0x7feb352du;
    h = (h ^ (h >> 15)) * 0x846ca68bu;
    h ^= h >> 16;
    const float kept = NUMBER(x, ldx) * keep;
    PUT_NUMBER(y, ldy, (double)h < threshold ? 0 : kept, accumulate);
  }
}

/** y = softmax(x) over the first `width` columns of each row; 0 in the columns that pad them. */
KERNEL(softmax)(
  const float *x, int32_t ldx, float *y, int32_t ldy, int32_t rows, int32_t width, int32_t columns
) {
  // A row of negative infinities is NaN unless it is padded.
  const vector lowest = splat(width % 4 == 0 ? -__builtin_inff() : -__FLT_MAX__);
  EACH_ROW(rows) {
    const float *from = ROW(x, ldx);
    float *to = ROW(y, ldy);
    vector most = lowest;
    EACH_SPAN(columns) {
      most = max_of(most, select_of(first_lanes(width - (int32_t)n), load_columns(from + n, left), lowest));
    }
    const vector largest = splat(largest_of(most));
    four sum = splat_four(0);
    EACH_SPAN(columns) {
      const vector e = exp_of(load_columns(from + n, left) - largest),
                   real = select_of(first_lanes(width - (int32_t)n), e, splat(0));
      store_columns(to + n, left, real);
      sum = add_fours(sum, real);
    }
    const vector all = splat(sum_of_four(sum));
    EACH_SPAN(columns) store_columns(to + n, left, load_columns(to + n, left) / all);
  }
}

/** dx (+)= y ∘ (dy - <dy, y>) */
KERNEL(softmaxGradient)(
  const float *y, int32_t ldy, const float *dy, float *dx, int32_t ldx, int32_t rows, int32_t width, int32_t accumulate
) {
  EACH_ROW(rows) {
    float dot = 0;
    EACH_COLUMN(width) dot += NUMBER(y, ldy) * NUMBER(dy, ldy);
    EACH_COLUMN(width) PUT_NUMBER(dx, ldx, NUMBER(y, ldy) * (NUMBER(dy, ldy) - dot), accumulate);
  }
}

/** y = x if x > 0, else slope · x, with one slope for all columns. */
KERNEL(prelu)(
  const float *x, int32_t ldx, const float *slope, float *y, int32_t ldy, int32_t rows, int32_t columns
) {
  const vector factor = splat(*slope);
  EACH_VECTOR(rows, columns) {
    const vector v = VECTOR(x, ldx);
    PUT_VECTOR(y, ldy, select_of(v > splat(0), v, factor * v), 0);
  }
}

/** dx (+)= dy ∘ (1 or slope), and sums[b] = Σ dy min(x, 0) over columns. */
KERNEL(preluGradient)(
  const float *x, int32_t ldx, const float *slope, const float *dy, int32_t ldy, float *dx, float *sums, int32_t rows,
  int32_t columns, int32_t accumulate
) {
  const vector factor = splat(*slope);
  EACH_ROW(rows) {
    four sum = splat_four(0);
    EACH_SPAN(columns) {
      const vector v = VECTOR(x, ldx), d = VECTOR(dy, ldy);
      const bits is_positive = (bits)(v > splat(0));
      PUT_VECTOR(dx, ldx, select_of(is_positive, d, factor * d), accumulate);
      sum = add_fours(sum, d * (vector)((bits)v & ~is_positive));
    }
    sums[row] = sum_of_four(sum);
  }
}

/** g = Σ sums[b] over rows: the gradient of one slope for all columns, by the first worker. */
KERNEL(preluSlope)(const float *sums, float *g, int32_t rows) {
  if (!is_first()) return;
  double all[4] = {0};
  for (size_t row = 0; row < (size_t)rows; row += 4) add_block(all, load_four(sums + row, (size_t)rows - row));
  *g = (float)(all[0] + all[1] + all[2] + all[3]);
  watch(splat(*g));
}

/** y = x (p + (1 - p) slope[n]) with p = σ(z), for the normalized x as z. */
KERNEL(dice)(
  const float *x, int32_t ldx, const float *z, int32_t ldz, const float *slope, float *y, int32_t ldy, int32_t rows,
  int32_t columns
) {
  EACH_VECTOR(rows, columns) {
    const vector p = sigmoid_of(VECTOR(z, ldz)), share = p + (splat(1) - p) * load_columns(slope + n, left);
    PUT_VECTOR(y, ldy, VECTOR(x, ldx) * share, 0);
  }
}

/** dx (+)= dy (p + (1 - p) slope) and dz = dy x (1 - slope) p (1 - p). */
KERNEL(diceGradient)(
  const float *x, int32_t ldx, const float *z, int32_t ldz, const float *slope, const float *dy, int32_t ldy,
  float *dx, float *dz, int32_t rows, int32_t columns, int32_t accumulate
) {
  EACH_VECTOR(rows, columns) {
    const vector p = sigmoid_of(VECTOR(z, ldz)), q = splat(1) - p, s = load_columns(slope + n, left),
                 d = VECTOR(dy, ldy);
    PUT_VECTOR(dx, ldx, d * (p + q * s), accumulate);
    PUT_VECTOR(dz, ldz, d * VECTOR(x, ldx) * (splat(1) - s) * (p * q), 0);
  }
}
