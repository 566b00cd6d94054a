// FTRL-proximal (McMahan et al. 2013, algorithm 1). Own constants: α, β, λ1, λ2. State: z and the sum of squares, from
// which the weight follows; it is 0 if |z| is at most λ1.

INLINE void ftrl_columns(float *w, float *s, size_t gap, const float *g, size_t left, const float *c) {
  const float *own = c + FIRST_OWN;
  // The rule divides by the learning rate; at 0 nothing may change.
  if (own[0] == 0) return;
  const vector rate = splat(own[0]), bound = splat(own[2]);
  const bits sign = (bits)splat(-0.0f);
  const vector weight = load_some(w, left), gradient = gradient_of(g, left, weight, c),
               before = load_some(s + gap, left);
  const vector squares = before + gradient * gradient, root = square_root(squares);
  const vector z = load_some(s, left) + gradient - (root - square_root(before)) / rate * weight;
  store_some(s, left, z);
  store_some(s + gap, left, squares);
  const vector near = (vector)((bits)bound | ((bits)z & sign)), size = (vector)((bits)z & ~sign);
  const vector moved = (near - z) / ((splat(own[1]) + root) / rate + splat(own[3]));
  store_some(w, left, (vector)((bits)moved & (bits)(size > bound)));
}
ROW_BY_COLUMNS(ftrl)
