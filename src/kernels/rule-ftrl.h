// FTRL-proximal, as ../optimizers/ftrl.ts has it.

INLINE void ftrl_row(float *w, float *s, size_t width, const float *g, const float *c) {
  const float *own = c + FIRST_OWN;
  // The rule divides by the learning rate; at 0 nothing may move.
  if (own[0] == 0) return;
  const vector rate = splat(own[0]), bound = splat(own[2]);
  const bits sign = (bits)splat(-0.0f);
  for (size_t i = 0; i < width; i += LANES) {
    const size_t left = width - i;
    const vector weight = load_some(w + i, left), gradient = penalized(load_some(g + i, left), weight, c),
                 before = load_some(s + width + i, left);
    const vector squares = before + gradient * gradient, root = square_root(squares);
    const vector z = load_some(s + i, left) + gradient - (root - square_root(before)) / rate * weight;
    store_some(s + i, left, z);
    store_some(s + width + i, left, squares);
    const vector near = (vector)((bits)bound | ((bits)z & sign)), size = (vector)((bits)z & ~sign);
    const vector moved = (near - z) / ((splat(own[1]) + root) / rate + splat(own[3]));
    store_some(w + i, left, (vector)((bits)moved & (bits)(size > bound)));
  }
}
