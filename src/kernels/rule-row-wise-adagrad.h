// Adagrad with one number a row, as ../optimizers/row-wise-adagrad.ts has it: its sums are by fours.

INLINE void row_wise_adagrad_row(float *w, float *s, size_t width, const float *g, const float *c) {
  four sums = splat_four(0);
  for (size_t i = 0; i < width; i += 4) {
    const four gradient = penalized_four(load_four(g + i, width - i), load_four(w + i, width - i), c);
    sums += gradient * gradient;
  }
  const float squares = *s + (sums[0] + sums[1] + sums[2] + sums[3]) / (float)width;
  *s = squares;
  const vector size = splat(c[FIRST_OWN] / (__builtin_sqrtf(squares) + c[FIRST_OWN + 1]));
  for (size_t i = 0; i < width; i += LANES) {
    const size_t left = width - i;
    const vector weight = load_some(w + i, left);
    store_some(w + i, left, weight - size * penalized(load_some(g + i, left), weight, c));
  }
}
