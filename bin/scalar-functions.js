// Generates the C form of the scalar functions from their table in src/graph/scalar-functions.ts.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from 'rolldown/utils';

const root = fileURLToPath(new URL('..', import.meta.url));
const TABLE = join(root, 'src', 'graph', 'scalar-functions.ts');
const C = join(root, 'src', 'kernels', 'scalar-functions.h');

/** A number as C reads it, with the suffix of its type. */
const literal = (value, suffix = '') => `${Number.isInteger(value) ? value.toFixed(1) : value}${suffix}`;
const call = (name) => (x) => `${name}(${x})`;

/** Formulas of doubles. */
const DOUBLE = {
  number: literal,
  add: (a, b) => `(${a} + ${b})`,
  subtract: (a, b) => `(${a} - ${b})`,
  multiply: (a, b) => `(${a} * ${b})`,
  multiplyAdd: (a, b, c) => `(${a} * ${b} + ${c})`,
  reciprocal: (x) => `(1 / ${x})`,
  step: (x, below) => `(${x} > 0 ? 1.0 : ${literal(below)})`,
  positive: (x) => `max_double(${x}, 0)`,
  exp: call('exp_double'),
  expm1: call('expm1_double'),
  log: call('log_double'),
  log1p: call('log1p_double'),
  softplus: call('softplus'),
  sign: (x) => `(double)((${x} > 0) - (${x} < 0))`,
  sin2Pi: (x) => `sin_turns(${x}, 0)`,
  cos2Pi: (x) => `sin_turns(${x}, 1)`,
  sigmoid: call('sigmoid_double'),
  tanh: (x) => `(2 * sigmoid_double(2 * ${x}) - 1)`,
  distribution: call('distribution'),
  density: call('density'),
};

const step = (x, below) => `select_of(${x} > splat(0), splat(1), splat(${literal(below, 'f')}))`;
/** Formulas of vectors of floats: functions without a form for vectors are computed lane by lane, in doubles. */
const VECTOR = {
  ...Object.fromEntries(Object.entries(DOUBLE).map(([name, f]) => [name, (x) => `IN_LANES(${x}, ${f('lane')})`])),
  number: (value) => `splat(${literal(value, 'f')})`,
  add: DOUBLE.add,
  subtract: DOUBLE.subtract,
  multiply: DOUBLE.multiply,
  multiplyAdd: (a, b, c) => `multiply_add(${a}, ${b}, ${c})`,
  reciprocal: (x) => `(splat(1) / ${x})`,
  step,
  positive: (x) => `max_of(${x}, splat(0))`,
  sign: (x) => `(${step(x, 0)} - ${step(`-${x}`, 0)})`,
  sigmoid: call('sigmoid_of'),
  tanh: call('tanh_of'),
};

/** Imports the module of the table, which imports nothing. */
function importTable(text) {
  const { code } = transformSync(TABLE, text);
  return import(`data:text/javascript,${encodeURIComponent(code)}`);
}

/** Returns the text of a macro that passes `with`, and the code, value and slope of each function to another macro. */
function macro(name, rows) {
  return `#define ${name}(each, with) \\\n${rows.map((row) => `  each(with, ${row.join(', ')})`).join(' \\\n')}\n`;
}

/** Returns the text of the C header. */
export async function scalarFunctions(table = readFileSync(TABLE, 'utf8')) {
  const { SCALAR_FUNCTIONS, SCALAR_ACTIVATIONS, computeSlope } = await importTable(table);
  const rowsOf = (functions, prefix, of) =>
    Object.entries(functions).map(([name, each]) => [
      `${prefix}_${name.toUpperCase().replaceAll('-', '_')}`,
      each.value(of, 'x_'),
      computeSlope(each, of, 'x_', 'y_'),
    ]);
  const maps = rowsOf(SCALAR_FUNCTIONS, 'MAP', DOUBLE);
  const activations = rowsOf(SCALAR_ACTIVATIONS, 'ACTIVATION', VECTOR);
  const isFused = Object.values(SCALAR_ACTIVATIONS).map(({ slope }) => 'below' in slope);
  const codes = (rows) => `enum { ${rows.map(([code]) => code).join(', ')} };\n`;
  return [
    '// Written by the build from src/graph/scalar-functions.ts. Formulas are of the operand x_ and the result y_.\n',
    codes(maps),
    '/** Elementwise functions of doubles: code, value and slope. */',
    macro('EACH_MAP', maps),
    codes(activations),
    '/** Activations of vectors: code, value and slope. */',
    macro('EACH_ACTIVATION', activations),
    '/** Those whose slope depends on the sign of the result alone. */',
    macro(
      'EACH_FUSED_ACTIVATION',
      activations.filter((_, i) => isFused[i]),
    ),
  ].join('\n');
}

/** Writes the header if the table has changed. */
export async function writeScalarFunctions() {
  const text = await scalarFunctions();
  if (!existsSync(C) || readFileSync(C, 'utf8') !== text) writeFileSync(C, text);
}
