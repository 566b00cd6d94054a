// Kernels of small maps of numbers, and those by row or by batch besides the norms. They use the `width` columns that
// exist, since the columns that pad them to fours may have no image: 1 / 0. `accumulate` adds to the output.

#include "each.h"
#include "math.h"
#include "scalar-functions.h"
#include "sums.h"

/** y (+)= factor x + offset */
KERNEL(affine)(
  const float *x, int32_t ldx, float *y, int32_t ldy, int32_t rows, int32_t width, float factor, float offset,
  int32_t accumulate
) {
  EACH_NUMBER(rows, width) PUT_NUMBER(y, ldy, factor * NUMBER(x, ldx) + offset, accumulate);
}

/** Functions that are faster by vectors: numbers of a single column are gathered. */
#define IS_GATHERED(code) (code == MAP_EXP || code == MAP_SOFTPLUS)
#define GATHERED 16

/** y = f(x), in double precision. */
KERNEL(mapNumbers)(
  int32_t kind, const float *x, int32_t ldx, float *y, int32_t ldy, int32_t rows, int32_t width
) {
#define MAP(_, code, value, slope) \
  case code: \
    if (!IS_GATHERED(code) || width != 1) { \
      EACH_NUMBER(rows, width) { \
        const double x_ = NUMBER(x, ldx); \
        NUMBER(y, ldy) = (float)(value); \
      } \
      break; \
    } \
    for (size_t row = share_begin(rows, 4), end = share_end(rows, 4), count; row < end; row += count) { \
      float some[GATHERED] = {0}; \
      count = end - row < GATHERED ? end - row : GATHERED; \
      for (size_t i = 0; i < count; i++) some[i] = ROW(x, ldx)[i * (size_t)ldx]; \
      for (size_t i = 0; i < GATHERED; i++) { \
        const double x_ = some[i]; \
        some[i] = (float)(value); \
      } \
      for (size_t i = 0; i < count; i++) ROW(y, ldy)[i * (size_t)ldy] = some[i]; \
    } \
    break;
  switch (kind) { EACH_MAP(MAP, ) }
}

/** dx (+)= dy f'(x) */
KERNEL(mapNumbersGradient)(
  int32_t kind, const float *x, int32_t ldx, const float *dy, int32_t ldy, float *dx, int32_t rows, int32_t width,
  int32_t accumulate
) {
#define MAP_GRADIENT(_, code, value, slope) \
  case code: \
    EACH_NUMBER(rows, width) { \
      const double x_ = NUMBER(x, ldx); \
      (void)x_; \
      PUT_NUMBER(dx, ldx, (float)((double)NUMBER(dy, ldy) * (slope)), accumulate); \
    } \
    break;
  switch (kind) { EACH_MAP(MAP_GRADIENT, ) }
}

/** y = x if it is from low to high, else the nearer of these. */
KERNEL(clip)(
  const float *x, int32_t ldx, float *y, int32_t ldy, int32_t rows, int32_t width, float low, float high
) {
  EACH_NUMBER(rows, width) {
    NUMBER(y, ldy) = min_single(max_single(NUMBER(x, ldx), low), high);
  }
}

/** dx (+)= dy if x is from low to high, else 0. */
KERNEL(clipGradient)(
  const float *x, int32_t ldx, const float *dy, int32_t ldy, float *dx, int32_t rows, int32_t width, float low,
  float high, int32_t accumulate
) {
  EACH_NUMBER(rows, width) {
    const float v = NUMBER(x, ldx), d = NUMBER(dy, ldy);
    const int is_inside = (v >= low) & (v <= high);
    PUT_NUMBER(dx, ldx, is_inside ? d : 0, accumulate);
  }
}

/** y = -[t log σ(x) + (1 - t) log(1 - σ(x))] */
KERNEL(crossEntropy)(
  const float *x, int32_t ldx, const float *t, int32_t ldt, float *y, int32_t ldy, int32_t rows, int32_t width
) {
  FOR_NUMBERS(
    rows, width,
    const double v = NUMBER(x, ldx);
    NUMBER(y, ldy) = (float)(softplus(v) - (double)NUMBER(t, ldt) * v);
  )
}

/** dx (+)= dy (σ(x) - t) */
KERNEL(crossEntropyGradient)(
  const float *x, int32_t ldx, const float *t, int32_t ldt, const float *dy, int32_t ldy, float *dx, int32_t rows,
  int32_t width, int32_t accumulate
) {
  FOR_NUMBERS(
    rows, width,
    const double slope = sigmoid_double(NUMBER(x, ldx)) - (double)NUMBER(t, ldt);
    PUT_NUMBER(dx, ldx, (float)((double)NUMBER(dy, ldy) * slope), accumulate);
  )
}

/** y = 1 / x */
KERNEL(reciprocal)(const float *x, int32_t ldx, float *y, int32_t ldy, int32_t rows, int32_t width) {
  EACH_NUMBER(rows, width) NUMBER(y, ldy) = 1 / NUMBER(x, ldx);
}

/** dx (+)= -dy y² */
KERNEL(reciprocalGradient)(
  const float *y, int32_t ldy, const float *dy, float *dx, int32_t ldx, int32_t rows, int32_t width, int32_t accumulate
) {
  EACH_NUMBER(rows, width) {
    const float v = NUMBER(y, ldy);
    PUT_NUMBER(dx, ldx, -NUMBER(dy, ldy) * v * v, accumulate);
  }
}

/** e^-a, e^-c and e^-(a + c), divided by e^largest. */
typedef struct {
  double largest, left, right, both;
} odds;
INLINE odds odds_of(double a, double c) {
  const double u = -a, v = -c, largest = max_double(max_double(u, v), u + v);
  return (odds){largest, exp_double(u - largest), exp_double(v - largest), exp_double(u + v - largest)};
}

/**
 * y = the logit of σ(a) σ(c) = -log(e^-a + e^-c + e^-(a + c)), in double precision, so that it is right even if the
 * product rounds to 0 or 1.
 */
KERNEL(productLogit)(
  const float *a, int32_t lda, const float *c, int32_t ldc, float *y, int32_t ldy, int32_t rows, int32_t width
) {
  EACH_NUMBER(rows, width) {
    const odds o = odds_of(NUMBER(a, lda), NUMBER(c, ldc));
    NUMBER(y, ldy) = (float)-(o.largest + log_double(o.left + o.right + o.both));
  }
}

/** da (+)= dy (1 - σ(a)) / (1 - σ(a) σ(c)); for dc, a and c are exchanged. */
KERNEL(productLogitGradient)(
  const float *a, int32_t lda, const float *c, int32_t ldc, const float *dy, int32_t ldy, float *da, int32_t rows,
  int32_t width, int32_t accumulate
) {
  EACH_NUMBER(rows, width) {
    const odds o = odds_of(NUMBER(a, lda), NUMBER(c, ldc));
    const double own = o.left + o.both;
    PUT_NUMBER(da, lda, (float)((double)NUMBER(dy, ldy) * (own / (own + o.right))), accumulate);
  }
}

/**
 * z = (x - mean) / √(variance + ε) by the statistics of each row (Ba, Kiros & Hinton 2016), and y = z · gain + shift.
 * `inverses` has 1/√(variance + ε) of each row for the gradient.
 */
KERNEL(layerNorm)(
  const float *x, int32_t ldx, float *z, float *y, int32_t ldy, const float *gain, const float *shift, float *inverses,
  int32_t rows, int32_t width, float epsilon
) {
  EACH_ROW(rows) {
    double sum = 0, squares = 0;
    EACH_COLUMN(width) sum += (double)NUMBER(x, ldx);
    const float mean = (float)(sum / width);
    EACH_COLUMN(width) {
      const float d = NUMBER(x, ldx) - mean;
      squares += (double)(d * d);
    }
    const float inverse = (float)(1 / __builtin_sqrt(squares / width + (double)epsilon));
    inverses[row] = inverse;
    EACH_COLUMN(width) {
      const float v = (NUMBER(x, ldx) - mean) * inverse;
      NUMBER(z, ldy) = v;
      NUMBER(y, ldy) = v * gain[n] + shift[n];
    }
  }
}

/** dx (+)= (d - mean(d) - z mean(d z)) / √(variance + ε), with d = dy · gain. */
KERNEL(layerNormGradient)(
  const float *z, const float *dy, int32_t ldy, const float *gain, const float *inverses, float *dx, int32_t ldx,
  int32_t rows, int32_t width, int32_t accumulate
) {
  EACH_ROW(rows) {
    double sum = 0, product = 0;
    EACH_COLUMN(width) {
      const float d = NUMBER(dy, ldy) * gain[n];
      sum += (double)d;
      product += (double)(d * NUMBER(z, ldy));
    }
    const float mean = (float)(sum / width), slope = (float)(product / width);
    EACH_COLUMN(width) {
      const float d = NUMBER(dy, ldy) * gain[n];
      PUT_NUMBER(dx, ldx, (d - mean - NUMBER(z, ldy) * slope) * inverses[row], accumulate);
    }
  }
}

/** The four floats of a row of a batch. */
#define FOUR(x, ld) load_four(ROW(x, ld) + n, 4)
/** sums[n - begin] = Σ term over the rows, in double precision, for each column n from `begin` to `end`. */
#define SUM_ROWS(sums, rows, begin, end, term) \
  do { \
    for (size_t n = 0; n < (end) - (begin); n++) (sums)[n] = 0; \
    for (size_t first = 0, last; first < (size_t)(rows); first = last) { \
      last = first + BLOCK < (size_t)(rows) ? first + BLOCK : (size_t)(rows); \
      for (size_t n = (begin); n < (end); n += 4) { \
        four sum = splat_four(0); \
        for (size_t row = first; row < last; row++) sum += (term); \
        add_block((sums) + n - (begin), sum); \
      } \
    } \
  } while (0)
/** Four sums in single precision. */
INLINE four sums_at(const double *sums) {
  return (four){(float)sums[0], (float)sums[1], (float)sums[2], (float)sums[3]};
}
/** Goes over the cache lines of columns from `begin` to `end`: columns `n` to `stop`. */
#define EACH_LINE(begin, end) \
  for (size_t line = (begin), line_end = (end), stop; \
       line < line_end && (stop = line + LINE < line_end ? line + LINE : line_end, 1); line += LINE)

/** g[n] = Σ over b of a[b, n] c[b, n]; columns, a multiple of 4, are shared among workers. */
KERNEL(columnProducts)(const float *a, const float *c, int32_t ld, float *g, int32_t rows, int32_t columns) {
  four seen = splat_four(0);
  EACH_LINE(share_begin(columns, LINE), share_end(columns, LINE)) {
    double sums[LINE];
    SUM_ROWS(sums, rows, line, stop, FOUR(a, ld) * FOUR(c, ld));
    for (size_t n = line; n < stop; n += 4) {
      const four sum = sums_at(sums + n - line);
      store_four(g + n, 4, sum);
      seen = look_four(seen, sum);
    }
  }
  keep_four(seen);
}

/** Stores sums of columns into every row, or adds them. */
INLINE void spread(
  const double *sums, float *y, int32_t ldy, int32_t rows, int32_t accumulate, size_t begin, size_t end
) {
  for (size_t n = begin; n < end; n += 4) {
    const four sum = sums_at(sums + n);
    for (size_t row = 0; row < (size_t)rows; row++)
      store_four(ROW(y, ldy) + n, 4, accumulate ? FOUR(y, ldy) + sum : sum);
  }
}

/**
 * y[b, n] (+)= Σ over all rows of x[:, n], the same in every row; `sums` has a double for each column. The columns have
 * the cache lines with the indices `slot` and up of all `slots` that share the phase.
 */
KERNEL(batchSum)(
  const float *x, int32_t ldx, float *y, int32_t ldy, double *sums, int32_t rows, int32_t columns, int32_t accumulate,
  int32_t slot, int32_t slots
) {
  EACH_LINE(slot_begin(columns, slot, slots), slot_end(columns, slot, slots)) {
    SUM_ROWS(sums + line, rows, line, stop, FOUR(x, ldx));
    spread(sums, y, ldy, rows, accumulate, line, stop);
  }
}

/** First half of `batchSum`, if the sums of several processes are added in between. */
KERNEL(batchSums)(
  const float *x, int32_t ldx, double *sums, int32_t rows, int32_t columns, int32_t slot, int32_t slots
) {
  EACH_LINE(slot_begin(columns, slot, slots), slot_end(columns, slot, slots))
    SUM_ROWS(sums + line, rows, line, stop, FOUR(x, ldx));
}

/** Second half. */
KERNEL(batchSumTogether)(
  float *y, int32_t ldy, const double *sums, int32_t rows, int32_t columns, int32_t accumulate, int32_t slot,
  int32_t slots
) {
  EACH_LINE(slot_begin(columns, slot, slots), slot_end(columns, slot, slots))
    spread(sums, y, ldy, rows, accumulate, line, stop);
}
