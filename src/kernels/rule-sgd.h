// Stochastic gradient descent, as ../optimizers/sgd.ts has it.

INLINE void sgd_row(float *w, float *s, size_t width, const float *g, const float *c) {
  const float *own = c + FIRST_OWN;
  for (size_t i = 0; i < width; i += LANES) {
    const size_t left = width - i;
    const vector weight = load_some(w + i, left);
    vector step = penalized(load_some(g + i, left), weight, c);
    if (own[1] > 0) {
      const vector sum = splat(own[1]) * load_some(s + i, left) + step;
      store_some(s + i, left, sum);
      step = splat(own[2]) * step + splat(own[3]) * sum;
    }
    store_some(w + i, left, weight - splat(own[0]) * step);
  }
}
