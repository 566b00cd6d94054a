// Adagrad, as ../optimizers/adagrad.ts has it.

INLINE void adagrad_row(float *w, float *s, size_t width, const float *g, const float *c) {
  for (size_t i = 0; i < width; i += LANES) {
    const size_t left = width - i;
    const vector weight = load_some(w + i, left), gradient = penalized(load_some(g + i, left), weight, c);
    const vector squares = load_some(s + i, left) + gradient * gradient;
    store_some(s + i, left, squares);
    store_some(w + i, left, weight - splat(c[FIRST_OWN]) * gradient / (square_root(squares) + splat(c[FIRST_OWN + 1])));
  }
}
