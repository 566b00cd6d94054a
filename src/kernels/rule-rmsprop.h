// RMSprop, as ../optimizers/rmsprop.ts has it.

INLINE void rmsprop_row(float *w, float *s, size_t width, const float *g, const float *c) {
  const float *own = c + FIRST_OWN;
  for (size_t i = 0; i < width; i += LANES) {
    const size_t left = width - i;
    const vector weight = load_some(w + i, left), gradient = penalized(load_some(g + i, left), weight, c);
    const vector second = splat(own[0]) * load_some(s + i, left) + splat(own[1]) * (gradient * gradient);
    store_some(s + i, left, second);
    vector step = gradient / (square_root(second) + splat(own[2]));
    if (own[4] > 0) {
      step = splat(own[4]) * load_some(s + width + i, left) + step;
      store_some(s + width + i, left, step);
    }
    store_some(w + i, left, weight - splat(own[3]) * step);
  }
}
