// Adam, as ../optimizers/adam.ts has it.

INLINE void adam_row(float *w, float *s, size_t width, const float *g, const float *c) {
  const float *own = c + FIRST_OWN;
  float *m = s, *v = s + width;
  const int is_usual = c[1] == 0 && c[3] == __builtin_inff();
  const vector kept = splat(1) - splat(own[6]);
  for (size_t i = 0; i < width; i += LANES) {
    const size_t left = width - i;
    const vector weight = load_some(w + i, left), raw = load_some(g + i, left), before = load_some(m + i, left);
    vector gradient = raw * splat(c[0]) + splat(c[2]) * weight;
    if (!is_usual) gradient = penalized(raw, weight, c);
    const vector first = before + splat(own[0]) * (gradient - before);
    const vector second = splat(own[1]) * load_some(v + i, left) + splat(own[2]) * (gradient * gradient);
    store_some(m + i, left, first);
    store_some(v + i, left, second);
    store_some(
      w + i, left, weight * kept - splat(own[3]) * first / (square_root(second) * splat(own[4]) + splat(own[5]))
    );
  }
}
