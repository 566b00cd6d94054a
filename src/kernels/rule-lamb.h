// LAMB (You et al. 2020, algorithm 2, with φ(z) = z); a row is a tensor. Own constants: 1 - β1, β2, 1 - β2,
// 1/(1 - β1^t), 1/√(1 - β2^t), ε, weight decay, learning rate. State: both moments. Sums are in double precision, by
// twos.

/** Divides the corrected first moment by the root of the second, and adds decay. */
INLINE four lamb_step(four first, four second, four weight, const float *own) {
  return first * splat_four(own[3]) / (root_four(second) * splat_four(own[4]) + splat_four(own[5])) +
    splat_four(own[6]) * weight;
}

INLINE two add_squares(two sums, four x) {
  const two low = low_half(x), high = high_half(x);
  return sums + (low * low + high * high);
}

/** Updates four moments, and adds the squares of the weights and of their step to two sums. */
INLINE void lamb_moments(
  const float *w, float *m, float *v, const float *g, size_t left, const float *c, two *weights, two *steps
) {
  const float *own = c + FIRST_OWN;
  const four weight = load_four(w, left), gradient = gradient_of_four(g, left, weight, c), before = load_four(m, left);
  const four first = before + splat_four(own[0]) * (gradient - before);
  const four second = splat_four(own[1]) * load_four(v, left) + splat_four(own[2]) * (gradient * gradient);
  store_four(m, left, first);
  store_four(v, left, second);
  *weights = add_squares(*weights, weight);
  *steps = add_squares(*steps, lamb_step(first, second, weight, own));
}

INLINE void lamb_row(float *w, float *m, size_t gap, const float *g, size_t count, const float *c) {
  const float *own = c + FIRST_OWN;
  float *v = m + gap;
  two weights = {0, 0}, steps = {0, 0};
  EACH_FOUR(count, lamb_moments(w + i, m + i, v + i, g ? g + i : g, left, c, &weights, &steps);)
  const double of_weights = __builtin_sqrt(weights[0] + weights[1]), of_steps = __builtin_sqrt(steps[0] + steps[1]);
  const double ratio = of_weights > 0 && of_steps > 0 ? of_weights / of_steps : 1;
  const four size = splat_four((float)((double)own[7] * ratio));
  EACH_FOUR(
    count, const four weight = load_four(w + i, left);
    store_four(w + i, left, weight - size * lamb_step(load_four(m + i, left), load_four(v + i, left), weight, own));
  )
}
