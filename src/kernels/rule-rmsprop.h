// RMSprop (Tieleman & Hinton 2012) as in PyTorch. Own constants: α, 1 - α, ε, learning rate, momentum. State: the
// second moment and, with momentum, the step.

INLINE void rmsprop_columns(float *w, float *s, size_t gap, const float *g, size_t left, const float *c) {
  const float *own = c + FIRST_OWN;
  const vector weight = load_some(w, left), gradient = gradient_of(g, left, weight, c);
  const vector second = splat(own[0]) * load_some(s, left) + splat(own[1]) * (gradient * gradient);
  store_some(s, left, second);
  vector step = gradient / (square_root(second) + splat(own[2]));
  if (own[4] > 0) {
    step = splat(own[4]) * load_some(s + gap, left) + step;
    store_some(s + gap, left, step);
  }
  store_some(w, left, weight - splat(own[3]) * step);
}
ROW_BY_COLUMNS(rmsprop)
