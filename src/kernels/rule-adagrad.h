// Adagrad (Duchi et al. 2011). Own constants: learning rate, ε. State: sum of squares.

INLINE void adagrad_columns(float *w, float *s, size_t gap, const float *g, size_t left, const float *c) {
  (void)gap;
  const float *own = c + FIRST_OWN;
  const vector weight = load_some(w, left), gradient = gradient_of(g, left, weight, c),
               squares = load_some(s, left) + gradient * gradient;
  store_some(s, left, squares);
  store_some(w, left, weight - splat(own[0]) * gradient / (square_root(squares) + splat(own[1])));
}
ROW_BY_COLUMNS(adagrad)
