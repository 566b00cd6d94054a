// Kernels of losses of a batch, from logits, and their gradients. Labels, masks and weights are columns of one float
// per row; a mask or weights at address 0 are all 1. Means are over the rows that the mask admits.

#include "each.h"
#include "math.h"

/** Weight of a loss, and the rows of all processes that its sum is divided by, or 0: then those of this batch. */
typedef struct {
  float weight, unused;
  double rows;
} scale;

INLINE double value_at(const float *column, size_t b) { return column ? (double)column[b] : 1; }

/** Rows that a mask admits: by every worker, in one order. */
static double count_of(const float *mask, int32_t rows) {
  if (!mask) return rows;
  double count = 0;
  for (size_t b = 0; b < (size_t)rows; b++) count += (double)mask[b];
  return count;
}
/** Factor of the gradient of a mean. */
static double factor_of(const scale *weight, const float *mask, int32_t rows) {
  return (double)weight->weight / (weight->rows > 0 ? weight->rows : max_double(count_of(mask, rows), 1));
}

/** out = the rows that a mask admits, by the first worker: their sum over processes divides a loss. */
KERNEL(countRows)(const float *mask, double *out, int32_t rows) {
  if (is_first()) *out = count_of(mask, rows);
}

// Computes the loss of each row and the gradient of their mean times the weight, from logit x, e = e^-|x|, label y and
// `share`, mask times weight.
#define LOSS(label, loss, gradient) \
  const double factor = factor_of(weight, mask, rows); \
  EACH_ROW(rows) { \
    const double x = *ROW(z, ldz), y = value_at(label, row), share = value_at(mask, row) * value_at(weights, row), \
                 e = exp_double(-__builtin_fabs(x)); \
    (void)y, (void)e; \
    losses[row] = (float)(loss); \
    put_number(ROW(dz, ldz), (float)(gradient), accumulate); \
  }

/** -[y log σ(z) + (1 - y) log(1 - σ(z))]: each row's loss to `losses`, its gradient times the weight to `dz`. */
KERNEL(binaryCrossEntropy)(
  const float *z, int32_t ldz, const float *label, const float *mask, const float *weights, float *losses, float *dz,
  int32_t rows, const scale *weight, int32_t accumulate
) {
  LOSS(label, share * (softplus_by(x, e) - y * x), factor * share * (sigmoid_by(x, e) - y))
}

/** (prediction - label)² */
KERNEL(squaredError)(
  const float *z, int32_t ldz, const float *label, const float *mask, const float *weights, float *losses, float *dz,
  int32_t rows, const scale *weight, int32_t accumulate
) {
  LOSS(label, share * (x - y) * (x - y), 2 * factor * share * (x - y))
}

/** x */
KERNEL(mean)(
  const float *z, int32_t ldz, const float *mask, const float *weights, float *losses, float *dz, int32_t rows,
  const scale *weight, int32_t accumulate
) {
  LOSS(NULL, share * x, factor * share)
}

/** Sets `refused` to 1 if one of `count` numbers is not finite: then, and only then, the mean of losses is not. */
KERNEL(checkFinite)(const float *numbers, uint32_t *refused, int32_t count) {
  const size_t end = share_end(count, 4);
  int is_finite = 1;
  for (size_t i = share_begin(count, 4); i < end; i++) is_finite &= numbers[i] - numbers[i] == 0;
  if (!is_finite) *refused = 1;
}

/** out = [mean loss, rows that count], by the first worker. */
KERNEL(meanLoss)(const float *losses, const float *mask, double *out, int32_t rows) {
  if (!is_first()) return;
  double sum = 0;
  for (size_t b = 0; b < (size_t)rows; b++) sum += (double)losses[b];
  const double count = count_of(mask, rows);
  out[0] = sum / max_double(count, 1);
  out[1] = count;
}
