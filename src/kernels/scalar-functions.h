// Written by the build from src/graph/scalar-functions.ts. Formulas are of the operand x_ and the result y_.

enum { MAP_EXP, MAP_EXPM1, MAP_LOG, MAP_LOG1P, MAP_SOFTPLUS, MAP_SIGN, MAP_SIN2PI, MAP_COS2PI };

/** Elementwise functions of doubles: code, value and slope. */
#define EACH_MAP(each, with) \
  each(with, MAP_EXP, exp_double(x_), exp_double(x_)) \
  each(with, MAP_EXPM1, expm1_double(x_), exp_double(x_)) \
  each(with, MAP_LOG, log_double(x_), (1 / x_)) \
  each(with, MAP_LOG1P, log1p_double(x_), (1 / (1.0 + x_))) \
  each(with, MAP_SOFTPLUS, softplus(x_), sigmoid_double(x_)) \
  each(with, MAP_SIGN, (double)((x_ > 0) - (x_ < 0)), 0.0) \
  each(with, MAP_SIN2PI, sin_turns(x_, 0), (6.283185307179586 * sin_turns(x_, 1))) \
  each(with, MAP_COS2PI, sin_turns(x_, 1), (-6.283185307179586 * sin_turns(x_, 0)))

enum { ACTIVATION_LINEAR, ACTIVATION_RELU, ACTIVATION_LEAKY_RELU, ACTIVATION_SIGMOID, ACTIVATION_TANH, ACTIVATION_GELU, ACTIVATION_SWISH };

/** Activations of vectors: code, value and slope. */
#define EACH_ACTIVATION(each, with) \
  each(with, ACTIVATION_LINEAR, x_, splat(1.0f)) \
  each(with, ACTIVATION_RELU, max_of(x_, splat(0)), select_of(y_ > splat(0), splat(1), splat(0.0f))) \
  each(with, ACTIVATION_LEAKY_RELU, (x_ * select_of(x_ > splat(0), splat(1), splat(0.01f))), select_of(y_ > splat(0), splat(1), splat(0.01f))) \
  each(with, ACTIVATION_SIGMOID, sigmoid_of(x_), (y_ * (splat(1.0f) - y_))) \
  each(with, ACTIVATION_TANH, tanh_of(x_), (splat(1.0f) - (y_ * y_))) \
  each(with, ACTIVATION_GELU, (x_ * IN_LANES(x_, distribution(lane))), multiply_add(x_, IN_LANES(x_, density(lane)), IN_LANES(x_, distribution(lane)))) \
  each(with, ACTIVATION_SWISH, (x_ * sigmoid_of(x_)), (sigmoid_of(x_) + ((x_ * sigmoid_of(x_)) * (splat(1.0f) - sigmoid_of(x_)))))

/** Those whose slope depends on the sign of the result alone. */
#define EACH_FUSED_ACTIVATION(each, with) \
  each(with, ACTIVATION_RELU, max_of(x_, splat(0)), select_of(y_ > splat(0), splat(1), splat(0.0f))) \
  each(with, ACTIVATION_LEAKY_RELU, (x_ * select_of(x_ > splat(0), splat(1), splat(0.01f))), select_of(y_ > splat(0), splat(1), splat(0.01f)))
