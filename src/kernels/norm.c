// Batch norm (Ioffe & Szegedy 2015), and gradients of slopes. Workers share columns by cache lines. Some vectors of
// columns go down the rows together, so that memory is read in long pieces; the last columns go a vector at a time.

#include "activations.h"
#include "sums.h"

/** Rows that are prefetched where they are read first. */
#define AHEAD 24
/** Vectors of columns that go together: as many as leave their sums in registers. */
#if LANES == 16
#define TOGETHER 4
#else
#define TOGETHER 2
#endif
#define EACH UNROLL for (int v = 0; v < together; v++)

/** Parts of a batch norm: several processes add up their sums after each of the first two, a gradient's after SUM. */
enum { SUM = 1, SQUARE = 2, SCALE = 4, ALL = SUM | SQUARE | SCALE, GRADIENT = 8 };

/** Parameters of the kernels; doubles for the sums of each column are stored after the statistics. */
typedef struct {
  const float *x, *dy, *gain, *shift;
  float *y, *running, *statistics, *dx, *dgain, *dshift;
  size_t ldx, ldy, rows, columns;
  int32_t all_rows, accumulate, activation, slot, slots;
  float epsilon, momentum;
} norm;

INLINE size_t least(size_t a, size_t b) { return a < b ? a : b; }
/** The v-th vector of a row, of which `left` columns are left. */
INLINE vector at(const float *row, size_t left, int v) {
  return load_columns(row + v * LANES, left - (size_t)v * LANES);
}
INLINE void put(float *row, size_t left, int v, vector x) {
  store_columns(row + v * LANES, left - (size_t)v * LANES, x);
}
INLINE void add(double *sums, size_t left, int v, vector x) {
  add_columns(sums + v * LANES, left - (size_t)v * LANES, x);
}
INLINE vector mean_of(const double *sums, size_t left, int v, int32_t rows) {
  return mean_columns(sums + v * LANES, left - (size_t)v * LANES, rows);
}
INLINE vector square(vector x) { return x * x; }

// Adds `term` of each x in a row to sums.
#define ADD(to, row, term) \
  EACH { \
    const vector x = at(row, left, v); \
    to[v] += term; \
  }
// Sums `term` over rows; those of a block in two sums, of alternate rows.
#define SUM_ROWS(is_first, term) \
  memset(sums, 0, left * sizeof *sums); \
  for (size_t b = 0; b < n->rows;) { \
    const size_t stop = least(b + BLOCK, n->rows); \
    vector even[TOGETHER], odd[TOGETHER]; \
    EACH even[v] = odd[v] = splat(0); \
    const float *row = n->x + b * n->ldx + from; \
    for (; b + 2 <= stop; b += 2, row += 2 * n->ldx) { \
      if (is_first) { \
        const float *coming = n->x + least(b + AHEAD, n->rows - 1) * n->ldx + from, \
                    *after = n->x + least(b + AHEAD + 1, n->rows - 1) * n->ldx + from; \
        EACH PREFETCH(coming + v * LANES); \
        EACH PREFETCH(after + v * LANES); \
      } \
      ADD(even, row, term) \
      ADD(odd, row + n->ldx, term) \
    } \
    if (b < stop) { \
      ADD(even, row, term) \
      b = stop; \
    } \
    EACH add(sums, left, v, even[v] + odd[v]); \
  }

#define LOOPS_OF(loops, code, value, slope) \
  case code: loops(code) break;
/** Runs loops that are compiled for each activation whose slope depends on the sign alone. */
#define BY_ACTIVATION(activation, loops) \
  switch (activation) { \
    EACH_FUSED_ACTIVATION(LOOPS_OF, loops) \
    default: loops(ACTIVATION_LINEAR) \
  }

INLINE void normalize_columns(const norm *n, size_t from, size_t left, const int together, const int parts) {
  double *sums = (double *)(n->statistics + 2 * n->columns) + from;
  float *means = n->statistics + from, *inverses = means + n->columns;
  vector mean[TOGETHER], scale[TOGETHER], shift[TOGETHER];
  if (parts & SUM) {
    SUM_ROWS(1, x)
  }
  if (parts & SQUARE) {
    EACH put(means, left, v, mean[v] = mean_of(sums, left, v, n->all_rows));
    SUM_ROWS(0, square(x - mean[v]))
  }
  if (!(parts & SCALE)) return;
  EACH {
    const vector variance = mean_of(sums, left, v, n->all_rows),
                 inverse = splat(1) / square_root(variance + splat(n->epsilon));
    mean[v] = at(means, left, v);
    put(inverses, left, v, inverse);
    scale[v] = inverse * at(n->gain + from, left, v);
    shift[v] = at(n->shift + from, left, v);
    // A process without rows of a batch has no statistics of them.
    if (n->momentum == 0 || n->all_rows == 0) continue;
    float *running = n->running + from, *variances = running + n->columns;
    const vector momentum = splat(n->momentum), before = at(running, left, v), wide = at(variances, left, v),
                 unbiased = variance * splat((float)n->all_rows / (float)(n->all_rows - 1));
    put(running, left, v, before + momentum * (mean[v] - before));
    // The running variance is the unbiased one, which a batch of one row does not have.
    if (n->all_rows > 1) put(variances, left, v, wide + momentum * (unbiased - wide));
  }
#define PUT_ROWS(activation) \
  for (size_t b = 0; b < n->rows; b++) { \
    const float *row = n->x + b * n->ldx + from; \
    float *to = n->y + b * n->ldy + from; \
    EACH put(to, left, v, activated(activation, (at(row, left, v) - mean[v]) * scale[v] + shift[v])); \
  }
  BY_ACTIVATION(n->activation, PUT_ROWS)
}

/** Goes over rows of x, x - mean and dy, the latter times the slope of the activation. */
#define EACH_GRADIENT(begin, stop, activation, ...) \
  for (size_t b = begin; b < (stop); b++) { \
    const float *row = n->x + b * n->ldx + from, *d_row = n->dy + b * n->ldy + from; \
    EACH { \
      const vector x = at(row, left, v) - mean[v], \
                   d = times_slope(activation, x * scale[v] + shift[v], at(d_row, left, v)); \
      __VA_ARGS__ \
    } \
  }
INLINE void gradient_columns(const norm *n, size_t from, size_t left, const int together, const int parts) {
  double *sums = (double *)(n->statistics + 2 * n->columns) + from, *products = sums + n->columns;
  vector mean[TOGETHER], inverse[TOGETHER], scale[TOGETHER], shift[TOGETHER];
  EACH mean[v] = at(n->statistics + from, left, v);
  EACH inverse[v] = at(n->statistics + n->columns + from, left, v);
  EACH scale[v] = inverse[v] * at(n->gain + from, left, v);
  EACH shift[v] = at(n->shift + from, left, v);
  if (parts & SUM) {
    memset(sums, 0, left * sizeof *sums);
    memset(products, 0, left * sizeof *products);
#define SUM_GRADIENTS(activation) \
  for (size_t first = 0, stop; first < n->rows; first = stop) { \
    stop = least(first + BLOCK, n->rows); \
    vector sum[TOGETHER], product[TOGETHER]; \
    EACH sum[v] = product[v] = splat(0); \
    EACH_GRADIENT( \
      first, stop, activation, const size_t coming = least(b + AHEAD, n->rows - 1) - b; \
      PREFETCH(row + coming * n->ldx + v * LANES); PREFETCH(d_row + coming * n->ldy + v * LANES); sum[v] += d; \
      product[v] += d * x; \
    ) \
    EACH add(sums, left, v, sum[v]); \
    EACH add(products, left, v, product[v] * inverse[v]); \
  }
    BY_ACTIVATION(n->activation, SUM_GRADIENTS)
    vector seen = splat(0);
    EACH {
      const vector dshift = mean_of(sums, left, v, 1), dgain = mean_of(products, left, v, 1);
      put(n->dshift + from, left, v, dshift);
      put(n->dgain + from, left, v, dgain);
      seen = look(look(seen, dshift), dgain);
    }
    keep(seen);
  }
  if (!(parts & SCALE)) return;
  vector mean_d[TOGETHER], share[TOGETHER];
  EACH mean_d[v] = mean_of(sums, left, v, n->all_rows);
  EACH share[v] = mean_of(products, left, v, n->all_rows);
#define PUT_GRADIENTS(activation) \
  EACH_GRADIENT( \
    0, n->rows, activation, float *to = n->dx + b * n->ldx + from; \
    vector dx = scale[v] * (d - mean_d[v] - x * inverse[v] * share[v]); if (n->accumulate) dx += at(to, left, v); \
    put(to, left, v, dx); \
  )
  BY_ACTIVATION(n->activation, PUT_GRADIENTS)
}

INLINE void do_columns(const norm *n, size_t from, size_t left, const int together, const int parts) {
  if (parts & GRADIENT) gradient_columns(n, from, left, together, parts);
  else normalize_columns(n, from, left, together, parts);
}
/** Does parts for the columns of this worker: as many vectors as go together, then vector by vector. */
INLINE void do_share(const norm *n, const int parts) {
  const size_t end = slot_end((int32_t)n->columns, n->slot, n->slots);
  size_t from = slot_begin((int32_t)n->columns, n->slot, n->slots);
  for (; from + TOGETHER * LANES <= end; from += TOGETHER * LANES)
    do_columns(n, from, TOGETHER * LANES, TOGETHER, parts);
  for (; from + LANES <= end; from += LANES) do_columns(n, from, LANES, 1, parts);
  if (LANES > 4 && from < end) do_columns(n, from, end - from, 1, parts);
}

// What all kernels of parts have: x, statistics, rows and columns, shared by slots.
#define DO_SHARE(parts, all, ...) \
  do_share( \
    &(norm){ \
      .x = x, .ldx = (size_t)ldx, .statistics = statistics, .rows = (size_t)rows, .columns = (size_t)columns, \
      .slot = slot, .slots = slots, .all_rows = all, __VA_ARGS__ \
    }, \
    parts \
  )
#define OUTPUT \
  .y = y, .ldy = (size_t)ldy, .gain = gain, .shift = shift, .running = running, .epsilon = epsilon, .momentum = momentum, \
  .activation = activation

/**
 * y = (x - mean) / √(variance + ε) · gain + shift by the batch's own statistics, which are stored at `statistics`
 * (mean, then 1/√, `columns` each) for the gradient; running statistics move by `momentum` (the variance is the
 * unbiased one).
 * @param statistics with memory for two doubles a column after them
 * @param activation code of one that is applied to y, 0 for none
 * @param slot, slots which lines of columns these are among all that share the phase
 */
KERNEL(normalize)(
  const float *x, int32_t ldx, float *y, int32_t ldy, const float *gain, const float *shift, float *running,
  float *statistics, int32_t rows, int32_t columns, float epsilon, float momentum, int32_t activation, int32_t slot,
  int32_t slots
) {
  DO_SHARE(ALL, rows, OUTPUT);
}

/**
 * The first third of `normalize` for a batch that several processes have parts of: Σ x of this one's rows, in doubles
 * after the statistics.
 */
KERNEL(normalizeSums)(
  const float *x, int32_t ldx, float *statistics, int32_t rows, int32_t columns, int32_t slot, int32_t slots
) {
  DO_SHARE(SUM, rows);
}

/**
 * The second: the mean from the Σ x of all processes, and Σ (x - mean)² of this one's rows.
 * @param allRows the number of rows of all processes
 */
KERNEL(normalizeSquares)(
  const float *x, int32_t ldx, float *statistics, int32_t rows, int32_t columns, const double *allRows, int32_t slot,
  int32_t slots
) {
  DO_SHARE(SQUARE, (int32_t)*allRows);
}

/** The last: by the Σ (x - mean)² of all processes. */
KERNEL(normalizeTogether)(
  const float *x, int32_t ldx, float *y, int32_t ldy, const float *gain, const float *shift, float *running,
  float *statistics, int32_t rows, int32_t columns, float epsilon, float momentum, const double *allRows,
  int32_t activation, int32_t slot, int32_t slots
) {
  DO_SHARE(SCALE, (int32_t)*allRows, OUTPUT);
}

/** The same as `normalize` by the running statistics (mean, then variance), for evaluation; rows are shared. */
KERNEL(normalizeRunning)(
  const float *x, int32_t ldx, float *y, int32_t ldy, const float *gain, const float *shift, const float *running,
  int32_t rows, int32_t columns, float epsilon, int32_t activation
) {
  const size_t end = share_end(rows, 4);
  for (int32_t n = 0; n < columns; n += LANES) {
    const size_t left = (size_t)(columns - n);
    const vector mean = load_columns(running + n, left), variance = load_columns(running + columns + n, left),
                 inverse = splat(1) / square_root(variance + splat(epsilon)),
                 scale = inverse * load_columns(gain + n, left), offset = load_columns(shift + n, left);
    for (size_t b = share_begin(rows, 4); b < end; b++) {
      const vector centered = load_columns(x + b * (size_t)ldx + n, left) - mean;
      store_columns(y + b * (size_t)ldy + n, left, activated(activation, centered * scale + offset));
    }
  }
}

#define GRADIENTS .dy = dy, .ldy = (size_t)ldy, .gain = gain, .shift = shift, .activation = activation

/**
 * dx (+)= gain/√ (dy - mean(dy) - x̂ mean(dy x̂)), dgain = Σ dy x̂, dshift = Σ dy.
 * @param activation code of one that was applied to the result, whose slope dy is multiplied by first; 0 for none
 */
KERNEL(normalizeGradient)(
  const float *x, int32_t ldx, const float *dy, int32_t ldy, const float *gain, const float *shift,
  float *statistics, float *dx, float *dgain, float *dshift, int32_t rows, int32_t columns, int32_t accumulate,
  int32_t activation, int32_t slot, int32_t slots
) {
  DO_SHARE(
    GRADIENT | SUM | SCALE, rows, GRADIENTS, .dx = dx, .dgain = dgain, .dshift = dshift, .accumulate = accumulate
  );
}

/**
 * The first half of `normalizeGradient` for a batch that several processes have parts of: the sums over this one's
 * rows, also in doubles after the statistics.
 */
KERNEL(normalizeGradientSums)(
  const float *x, int32_t ldx, const float *dy, int32_t ldy, const float *gain, const float *shift,
  float *statistics, float *dgain, float *dshift, int32_t rows, int32_t columns, int32_t activation, int32_t slot,
  int32_t slots
) {
  DO_SHARE(GRADIENT | SUM, rows, GRADIENTS, .dgain = dgain, .dshift = dshift);
}

/** The second: by the sums of all processes. */
KERNEL(normalizeGradientTogether)(
  const float *x, int32_t ldx, const float *dy, int32_t ldy, const float *gain, const float *shift,
  float *statistics, float *dx, int32_t rows, int32_t columns, const double *allRows, int32_t accumulate,
  int32_t activation, int32_t slot, int32_t slots
) {
  DO_SHARE(GRADIENT | SCALE, (int32_t)*allRows, GRADIENTS, .dx = dx, .accumulate = accumulate);
}

typedef double doubles __attribute__((vector_size(2 * sizeof(vector))));
typedef int64_t double_bits __attribute__((vector_size(2 * sizeof(vector))));
/** e^x, rounded from double precision: less than 0.6 units in the last place. */
INLINE vector exp_rounded(vector x) {
  const doubles all = __builtin_convertvector(clamp(x, splat(-150), splat(150)), doubles),
                n = all * 0x1.71547652b82fep0 + 0x1.8p52, r = all - (n - 0x1.8p52) * 0x1.62e42fefa39efp-1;
  // The series of e^r, and n, an integer in the last bits of a large number, added to its exponent.
  doubles y = r * (1 / 40320.0) + 1 / 5040.0;
  y = y * r + 1 / 720.0;
  y = y * r + 1 / 120.0;
  y = y * r + 1 / 24.0;
  y = y * r + 1 / 6.0;
  y = (y * r + 0.5) * r * r + r + 1;
  return __builtin_convertvector((doubles)((double_bits)y + ((double_bits)n << 52)), vector);
}

/** g[n] = Σ dy x (1 - σ(z)): the gradient of the slopes of dice; columns are shared. */
KERNEL(diceSlopes)(
  const float *x, int32_t ldx, const float *z, int32_t ldz, const float *dy, int32_t ldy, float *g, int32_t rows,
  int32_t width
) {
  const size_t end = share_end(width, 4);
  vector seen = splat(0);
  for (size_t n = share_begin(width, 4); n < end; n += LANES) {
    const size_t left = end - n;
    doubles sum = {0};
    for (size_t b = 0; b < (size_t)rows; b++) {
      const vector share = splat(1) - splat(1) / (splat(1) + exp_rounded(-load_some(z + b * (size_t)ldz + n, left)));
      const vector product = load_some(dy + b * (size_t)ldy + n, left) * load_some(x + b * (size_t)ldx + n, left);
      sum += __builtin_convertvector(product * share, doubles);
    }
    const vector slopes = __builtin_convertvector(sum, vector);
    store_some(g + n, left, slopes);
    seen = look(seen, slopes);
  }
  keep(seen);
}
