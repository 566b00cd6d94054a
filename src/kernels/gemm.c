// Matrix products in single precision.

#include "single.h"

/**
 * Multiplies: C[b, 8·panels] = A[b, K] · P + bias. The bias is added last, since small products would lose digits to a
 * large one. Rows are shared among workers.
 * @param bias 8·panels floats, or NULL
 * @param accumulate whether the product is added to C
 * @param activation code of the activation of the first `activatedPanels`, 0 for none
 */
KERNEL(gemm)(
  const float *a, int32_t lda, const float *panelsAt, const float *bias, float *c, int32_t ldc, int32_t rows,
  int32_t k, int32_t panels, int32_t accumulate, int32_t activation, int32_t activatedPanels
) {
  multiply(a, lda, panelsAt, bias, c, ldc, rows, k, panels, accumulate, activation, (size_t)activatedPanels);
}

/**
 * Computes the gradient of weights, in their layout: G[panel][k][8] = sum over b of X[b, k] · D[b, 8 columns]. Inputs k
 * are shared among workers.
 * @param accumulate whether the sums start from G
 */
KERNEL(gemmGradient)(
  const float *x, int32_t ldx, const float *d, int32_t ldd, float *g, int32_t rows, int32_t k, int32_t panels,
  int32_t accumulate
) {
  multiply_gradient(x, ldx, d, ldd, g, rows, k, panels, accumulate);
}

/**
 * Transposes weights into panels of 8 inputs, T[K/8][8·panels][8], for the gradient of the input; leaves what is beyond
 * K. Panels of inputs are shared among workers.
 */
KERNEL(transposePanels)(const float *p, float *t, int32_t k, int32_t panels) {
  const size_t inputs = (size_t)k, outputs = (size_t)panels * PANEL;
  const int32_t input_panels = (k + PANEL - 1) / PANEL;
  const size_t end = share_end(input_panels, 1);
  for (size_t q = share_begin(input_panels, 1); q < end; q++) {
    const size_t width = least(PANEL, inputs - q * PANEL);
    for (size_t n = 0; n < outputs; n++) {
      const float *from = p + (n / PANEL * inputs + q * PANEL) * PANEL + n % PANEL;
      for (size_t j = 0; j < width; j++) t[(q * outputs + n) * PANEL + j] = from[j * PANEL];
    }
  }
}
