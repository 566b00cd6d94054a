// Stochastic gradient descent, with momentum as in Sutskever et al. 2013 and PyTorch. Own constants: learning rate,
// momentum, and the factors of the gradient and of the momentum in a step. State: with momentum, the sum of gradients.

INLINE void sgd_columns(float *w, float *s, size_t gap, const float *g, size_t left, const float *c) {
  (void)gap;
  const float *own = c + FIRST_OWN;
  const vector weight = load_some(w, left);
  vector step = gradient_of(g, left, weight, c);
  if (own[1] > 0) {
    const vector sum = splat(own[1]) * load_some(s, left) + step;
    store_some(s, left, sum);
    step = splat(own[2]) * step + splat(own[3]) * sum;
  }
  store_some(w, left, weight - splat(own[0]) * step);
}
ROW_BY_COLUMNS(sgd)
