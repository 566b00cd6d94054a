// Adagrad with one number per row, the sum of the mean squares of its gradients. Own constants: learning rate, ε.
// Sums are by fours.

INLINE void rowWiseAdagrad_row(float *w, float *s, size_t gap, const float *g, size_t count, const float *c) {
  (void)gap;
  four sums = splat_four(0);
  EACH_FOUR(
    count, const four gradient = gradient_of_four(g ? g + i : g, left, load_four(w + i, left), c);
    sums += gradient * gradient;
  )
  const float squares = *s + sum_of_four(sums) / (float)count;
  *s = squares;
  const vector size = splat(c[FIRST_OWN] / (__builtin_sqrtf(squares) + c[FIRST_OWN + 1]));
  EACH_COLUMNS(
    count, const vector weight = load_some(w + i, left);
    store_some(w + i, left, weight - size * gradient_of(g ? g + i : g, left, weight, c));
  )
}
