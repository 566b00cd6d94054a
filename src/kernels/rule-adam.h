// Adam (Kingma & Ba 2015). Own constants: 1 - β1, β2, 1 - β2, step size, 1/√(1 - β2^t), ε, and the decoupled weight
// decay (Loshchilov & Hutter 2019). State: both moments.

INLINE void adam_columns(float *w, float *m, size_t gap, const float *g, size_t left, const float *c) {
  const float *own = c + FIRST_OWN;
  float *v = m + gap;
  const vector weight = load_some(w, left), raw = g ? load_some(g, left) : splat(0), before = load_some(m, left);
  vector gradient = raw * splat(c[0]) + splat(c[2]) * weight;
  // Most runs have neither λ₁ nor a limit, which is half the work.
  if (c[1] != 0 || c[3] != __builtin_inff()) gradient = penalize(raw, weight, c);
  const vector first = before + splat(own[0]) * (gradient - before),
               second = splat(own[1]) * load_some(v, left) + splat(own[2]) * (gradient * gradient);
  store_some(m, left, first);
  store_some(v, left, second);
  const vector step = splat(own[3]) * first / (square_root(second) * splat(own[4]) + splat(own[5]));
  store_some(w, left, weight * (splat(1) - splat(own[6])) - step);
}
ROW_BY_COLUMNS(adam)
