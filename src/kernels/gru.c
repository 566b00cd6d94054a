// A gated recurrent unit over the items of each row of the batch, oldest to newest, as PyTorch's GRU: with the inputs
// x_i of three gates, which a product has computed, and s = h_{i-1} W + b,
//   r = σ(x_r + s_r), u = 1 - σ(x_z + s_z), n = tanh(x_n + r ∘ s_n), h_i = h_{i-1} + a_i u ∘ (n - h_{i-1}).
// a_i is 1 or the attention of an item (AUGRU, Zhou et al. 2019, https://arxiv.org/abs/1809.03672, eq. 16).
//
// Workers share the rows of the batch. Some rows at a time read each weight, one item each: a row that ends is replaced
// by the next one, so rows of different lengths leave none idle. A row's sums do not depend on the others. Gradients of
// W and b are products and sums over all items, of what these kernels store.

#include "vector.h"

/** Rows that are computed together: as many as the registers hold sums of. */
#if defined(__wasm__)
#define SLOTS 2
#else
#define SLOTS 4
#endif
#define EACH_SLOT UNROLL for (int s = 0; s < SLOTS; s++)
/** Gates in the order of their columns, and the numbers of an item in `gates`: r, u, n and s_n. */
enum { RESET, UPDATE, CANDIDATE, GATES, PRODUCT = GATES, STORED };
#define EACH_GATE UNROLL for (int g = 0; g < GATES; g++)

/** The items that are computed together, and the rows that follow. */
typedef struct {
  /** The item of each slot, and the items of its row from this one on; 0 without a row: the item is another slot's. */
  size_t item[SLOTS], left[SLOTS];
  const uint32_t *offsets;
  size_t row, end;
} items;

INLINE items items_of(const uint32_t *offsets, int32_t rows) {
  return (items){.offsets = offsets, .row = share_begin(rows, 4), .end = share_end(rows, 4)};
}

/** Goes to the next item of each slot, or the previous one; returns whether there is any. */
INLINE int advance(items *of, const int is_forward) {
  size_t any = 0, found = 0;
  EACH_SLOT {
    if (of->left[s] > 0) {
      of->left[s]--;
      of->item[s] += is_forward ? 1 : -(size_t)1;
    }
    for (; of->left[s] == 0 && of->row < of->end; of->row++) {
      const size_t first = of->offsets[of->row], stop = of->offsets[of->row + 1];
      of->left[s] = stop - first;
      of->item[s] = is_forward ? first : stop - 1;
    }
    if (of->left[s] > 0) {
      any = 1;
      found = of->item[s];
    }
  }
  EACH_SLOT if (of->left[s] == 0) of->item[s] = found;
  return (int)any;
}

/** The attention of an item: 1 without any. */
INLINE float factor_of(const float *attention, int32_t ld, size_t item) {
  return attention ? attention[item * (size_t)ld] : 1;
}

/** Some columns of the weights of each gate, in panels: what is between gates, and between adjacent panels. */
typedef struct {
  const float *at;
  size_t of_gate, of_panel, rows;
} columns;

/** sums[s][g] = Σ_k x[s][g · gap + k] · weights of the k-th row and of gate g. */
INLINE void multiply_gates(
  const int panels, const float *const x[SLOTS], const size_t gap, columns w, vector sums[SLOTS][GATES]
) {
  EACH_SLOT EACH_GATE sums[s][g] = splat(0);
  ROLLED for (size_t k = 0; k < w.rows; k++) {
    vector weights[GATES];
    EACH_GATE weights[g] = load(w.at + (size_t)g * w.of_gate + k * PANEL, w.of_panel, panels, 0);
    EACH_SLOT EACH_GATE sums[s][g] = multiply_add(splat(x[s][(size_t)g * gap + k]), weights[g], sums[s][g]);
  }
}
/** Multiplies the columns of a vector, or those that are left. */
INLINE void multiply_columns(
  const float *const x[SLOTS], const size_t gap, columns w, size_t left, vector sums[SLOTS][GATES]
) {
  if (LANES <= PANEL || left < LANES) multiply_gates(1, x, gap, w, sums);
  else multiply_gates(LANES / PANEL, x, gap, w, sums);
}

/**
 * The states h_i of the items of each row, y, and the states before them.
 * @param weights panels of W, `width` rows and 3 · width columns: r, z, n
 * @param attention NULL for none
 * @param gates STORED · width numbers per item for the gradient, or NULL
 * @param width a multiple of 8
 */
KERNEL(segmentGru)(
  const float *x, int32_t ldx, const float *weights, const float *bias, const float *attention, int32_t ldattention,
  const uint32_t *offsets, float *before, float *y, int32_t ldy, float *gates, int32_t rows, int32_t width
) {
  const size_t size = (size_t)width;
  items of = items_of(offsets, rows);
  for (size_t b = of.row; b < of.end; b++)
    if (offsets[b] < offsets[b + 1]) memset(before + offsets[b] * size, 0, size * sizeof *before);
  while (advance(&of, 1)) {
    const float *states[SLOTS];
    EACH_SLOT states[s] = before + of.item[s] * size;
    EACH_SPAN(size) {
      vector sums[SLOTS][GATES];
      const columns own = {weights + n / PANEL * size * PANEL + n % PANEL, size * size, size * PANEL, size};
      multiply_columns(states, 0, own, left, sums);
      EACH_SLOT {
        const size_t item = of.item[s];
        const float *in = x + item * (size_t)ldx + n;
        vector input[GATES];
        EACH_GATE {
          sums[s][g] += load_some(bias + (size_t)g * size + n, left);
          input[g] = load_some(in + (size_t)g * size, left);
        }
        const vector reset = sigmoid_of(input[RESET] + sums[s][RESET]),
                     update = sigmoid_of(-(input[UPDATE] + sums[s][UPDATE])),
                     candidate = tanh_of(input[CANDIDATE] + reset * sums[s][CANDIDATE]),
                     share = splat(factor_of(attention, ldattention, item)) * update,
                     state = load_some(states[s] + n, left), next = state + share * (candidate - state);
        if (of.left[s] == 0) continue;
        store_some(y + item * (size_t)ldy + n, left, next);
        if (of.left[s] > 1) store_some(before + (item + 1) * size + n, left, next);
        if (!gates) continue;
        float *stored = gates + item * STORED * size + n;
        store_some(stored + RESET * size, left, reset);
        store_some(stored + UPDATE * size, left, update);
        store_some(stored + CANDIDATE * size, left, candidate);
        store_some(stored + PRODUCT * size, left, sums[s][CANDIDATE]);
      }
    }
  }
}

/** Memory that the gradient of an item reads and writes. */
typedef struct {
  const float *gates, *before;
  float attention, *dy, *older, *dgates, *dx;
  size_t width;
  int accumulate;
} item_gradient;

/** The gradients of an item's gates, and of its state without them; returns that of its attention. */
INLINE float gate_gradients(item_gradient of) {
  four sum = splat_four(0);
  const size_t size = of.width;
  EACH_SPAN(size) {
    const vector reset = load_some(of.gates + RESET * size + n, left),
                 update = load_some(of.gates + UPDATE * size + n, left),
                 candidate = load_some(of.gates + CANDIDATE * size + n, left),
                 product = load_some(of.gates + PRODUCT * size + n, left), d = load_some(of.dy + n, left),
                 share = splat(of.attention) * update, dshare = d * (candidate - load_some(of.before + n, left)),
                 dcandidate = d * share * (splat(1) - candidate * candidate),
                 dreset = dcandidate * product * reset * (splat(1) - reset),
                 dupdate = -splat(of.attention) * dshare * update * (splat(1) - update);
    sum = add_fours(sum, dshare * update);
    store_some(of.dgates + RESET * size + n, left, dreset);
    store_some(of.dgates + UPDATE * size + n, left, dupdate);
    store_some(of.dgates + CANDIDATE * size + n, left, dcandidate * reset);
    const vector inputs[GATES] = {dreset, dupdate, dcandidate};
    EACH_GATE put_columns(of.dx + (size_t)g * size + n, left, inputs[g], of.accumulate);
    if (of.older) store_some(of.older + n, left, load_some(of.older + n, left) + d - d * share);
  }
  return sum_of_four(sum);
}

/**
 * The gradients of x, of the attention, and of s for each item, `dgates`; dy becomes that of all that reads a state.
 * @param transposed panels of Wᵀ
 * @param accumulate bits: 1 adds to the gradient of x, and 2 to that of the attention
 */
KERNEL(segmentGruGradient)(
  const float *transposed, const float *attention, int32_t ldattention, const uint32_t *offsets, const float *before,
  const float *gates, float *dy, int32_t ldy, float *dgates, float *dx, int32_t ldx, float *dattention, int32_t rows,
  int32_t width, int32_t accumulate
) {
  const size_t size = (size_t)width;
  items of = items_of(offsets, rows);
  while (advance(&of, 0)) {
    const float *slopes[SLOTS];
    EACH_SLOT slopes[s] = dgates + of.item[s] * GATES * size;
    ROLLED for (int s = 0; s < SLOTS; s++) {
      const size_t item = of.item[s];
      if (of.left[s] == 0) continue;
      float *own = dy + item * (size_t)ldy;
      const float sum = gate_gradients((item_gradient){
        .gates = gates + item * STORED * size, .before = before + item * size,
        .attention = factor_of(attention, ldattention, item), .dy = own,
        .older = of.left[s] > 1 ? own - ldy : NULL, .dgates = dgates + item * GATES * size,
        .dx = dx + item * (size_t)ldx, .width = size, .accumulate = accumulate & 1,
      });
      if (!attention) continue;
      float *to = dattention + item * (size_t)ldattention;
      *to = accumulate & 2 ? *to + sum : sum;
    }
    EACH_SPAN(size) {
      vector sums[SLOTS][GATES];
      const columns own = {
        transposed + n / PANEL * GATES * size * PANEL + n % PANEL, size * PANEL, GATES * size * PANEL, size,
      };
      multiply_columns(slopes, size, own, left, sums);
      EACH_SLOT {
        if (of.left[s] <= 1) continue;
        float *to = dy + (of.item[s] - 1) * (size_t)ldy + n;
        store_some(to, left, load_some(to, left) + (sums[s][RESET] + sums[s][UPDATE] + sums[s][CANDIDATE]));
      }
    }
  }
}
