// LAMB, as ../optimizers/lamb.ts has it: its sums are in double precision, by twos.

typedef double two __attribute__((vector_size(16)));

/** The corrected first moment by the root of the second, and decay. */
INLINE four lamb_step(four first, four second, four weight, const float *own) {
  return first * splat_four(own[3]) / (root_four(second) * splat_four(own[4]) + splat_four(own[5])) +
    splat_four(own[6]) * weight;
}

INLINE two add_squares(two sums, four x) {
  const two low = {x[0], x[1]}, high = {x[2], x[3]};
  return sums + (low * low + high * high);
}

INLINE void lamb_row(float *w, float *s, size_t width, const float *g, const float *c) {
  const float *own = c + FIRST_OWN;
  float *m = s, *v = s + width;
  two weights = {0, 0}, steps = {0, 0};
  for (size_t i = 0; i < width; i += 4) {
    const size_t left = width - i;
    const four weight = load_four(w + i, left), gradient = penalized_four(load_four(g + i, left), weight, c),
               before = load_four(m + i, left);
    const four first = before + splat_four(own[0]) * (gradient - before);
    const four second = splat_four(own[1]) * load_four(v + i, left) + splat_four(own[2]) * (gradient * gradient);
    store_four(m + i, left, first);
    store_four(v + i, left, second);
    weights = add_squares(weights, weight);
    steps = add_squares(steps, lamb_step(first, second, weight, own));
  }
  const double of_weights = __builtin_sqrt(weights[0] + weights[1]), of_steps = __builtin_sqrt(steps[0] + steps[1]);
  const double ratio = of_weights > 0 && of_steps > 0 ? of_weights / of_steps : 1;
  const four size = splat_four((float)((double)own[7] * ratio));
  for (size_t i = 0; i < width; i += 4) {
    const size_t left = width - i;
    const four weight = load_four(w + i, left);
    store_four(w + i, left, weight - size * lamb_step(load_four(m + i, left), load_four(v + i, left), weight, own));
  }
}
