import type { GraphBuilder } from '../../src/graph/builder.js';
import { buildMean, withGroups } from '../../src/losses/loss.js';
import { losses } from '../../src/losses/losses.js';
import {
  ACTIVATIONS,
  type Activation,
  type CombinedOperation,
  type ItemOperation,
  type LossName,
  type LossValue,
  type OperationName,
  type SearchOperation,
  type Value,
} from '../../src/graph/operations.js';
import { listNames, SCALAR_FUNCTIONS } from '../../src/graph/scalar-functions.js';

type Body = (g: GraphBuilder, x: Value, name: string) => Value;

const given = (g: GraphBuilder, column: string): Value => g.input({ kind: 'label', column }, 1);
/** -1 or 1 per row, and 0 or 1. */
const signOf = (g: GraphBuilder, x: Value, name: string): Value => g.map(g.linear(x, 1, name), 'sign');
const classOf = (g: GraphBuilder, x: Value, name: string): Value => g.clip(signOf(g, x, name), 0, 1);
/** Group keys for a batch without key columns: the rows that count form one group. */
const groupsOf = (g: GraphBuilder): Value => g.affine(given(g, 'mask'), 1, -1);

/** A body for each operation on rows that passes part of the input on; typed, so that none can be missing. */
const BODIES: Record<
  Exclude<
    OperationName,
    LossName | ItemOperation | SearchOperation | CombinedOperation | 'input' | 'activation' | 'map'
  >,
  Body
> = {
  linear: (g, x, name) => g.linear(x, x.width + 3, `${name}.l`),
  batchNorm: (g, x, name) => g.batchNorm(x, `${name}.n`),
  layerNorm: (g, x, name) => g.layerNorm(g.linear(x, x.width + 3, `${name}.l`), `${name}.n`),
  dropout: (g, x, name) => g.dropout(x, 0.4, `${name}.d`),
  softmax: (g, x) => g.softmax(x),
  concat: (g, x, name) => g.concat([g.linear(x, 2, `${name}.a`), x, g.linear(x, 1, `${name}.b`)]),
  slice: (g, x, name) => g.slice(g.linear(x, x.width + 3, `${name}.l`), 1, x.width),
  split: (g, x, name) => {
    const blocks = g.split(g.linear(x, 3 * 5, `${name}.l`), 3);
    return g.join(g.activation(g.linear(blocks, 4, `${name}.b`), 'tanh', `${name}.t`), { isInterleaved: true });
  },
  join: (g, x, name) => {
    const blocks = g.split(g.linear(x, 3 * 5, `${name}.l`), 3, { isInterleaved: true });
    return g.join(g.activation(g.linear(blocks, 4, `${name}.b`), 'tanh', `${name}.t`));
  },
  multiply: (g, x, name) => g.multiply(g.linear(x, x.width + 4, `${name}.a`), g.linear(x, x.width + 4, `${name}.b`)),
  add: (g, x, name) => g.add(g.linear(x, x.width + 4, `${name}.a`), g.linear(x, x.width + 4, `${name}.b`)),
  affine: (g, x, name) => g.affine(g.linear(x, x.width + 3, `${name}.l`), -1.5, 0.25),
  productLogit: (g, x, name) =>
    g.productLogit(g.linear(x, x.width + 3, `${name}.a`), g.linear(x, x.width + 3, `${name}.b`)),
  crossEntropy: (g, x, name) =>
    g.crossEntropy(
      g.linear(x, x.width + 3, `${name}.a`),
      g.activation(g.linear(x, x.width + 3, `${name}.b`), 'sigmoid', `${name}.s`),
    ),
  reciprocal: (g, x, name) =>
    g.reciprocal(g.affine(g.activation(g.linear(x, x.width + 3, `${name}.l`), 'sigmoid', `${name}.s`), 1, 0.5)),
  clip: (g, x, name) => g.clip(g.linear(x, x.width + 3, `${name}.l`), -0.1, 0.2),
  batchSum: (g, x, name) =>
    g.multiply(g.linear(x, 5, `${name}.a`), g.affine(g.batchSum(g.linear(x, 5, `${name}.b`)), 0.2, 0)),
  // Groups 0, 1 and 2, and rows without a group.
  groupLogSumExp: (g, x, name) =>
    g.groupLogSumExp(g.linear(x, 1, `${name}.l`), g.add(signOf(g, x, `${name}.a`), classOf(g, x, `${name}.b`))),
  groupPairs: (g, x, name) =>
    g.groupPairs(g.linear(x, 1, `${name}.l`), classOf(g, x, `${name}.a`), signOf(g, x, `${name}.b`)),
  stopGradient: (g, x, name) =>
    g.multiply(g.linear(x, x.width + 3, `${name}.a`), g.stopGradient(g.linear(x, x.width + 3, `${name}.b`))),
  mixture: (g, x, name) =>
    g.mixture(
      g.softmax(g.linear(x, 3, `${name}.gate`)),
      [1, 2, 3].map((e) => g.linear(x, x.width + 1, `${name}.expert${e}`)),
    ),
  attend: (g, x, name) =>
    g.attend([g.linear(x, x.width + 1, `${name}.a`), g.linear(x, x.width + 1, `${name}.b`)], `${name}.attention`),
};

const bodies: readonly (readonly [string, Body])[] = [
  [
    'operations on split rows',
    (g, x, name) => {
      const blocks = g.split(g.linear(x, 4 * 6, `${name}.l`), 4);
      const [query, key, value] = ['q', 'k', 'v'].map((role) => g.linear(blocks, 6, `${name}.${role}`)) as [
        Value,
        Value,
        Value,
      ];
      const attended = g.segmentAttention(query, key, value, { heads: 2, isCausal: false });
      const normed = g.batchNorm(g.add(attended, blocks), `${name}.n`);
      return g.concat([g.segmentPool(normed, 'sum'), g.join(g.dropout(normed, 0.3, `${name}.d`))]);
    },
  ],
  [
    'mixture of one expert',
    (g, x, name) => g.mixture(g.softmax(g.linear(x, 1, `${name}.gate`)), [g.linear(x, 4, `${name}.expert`)]),
  ],
  ...Object.entries(BODIES),
  // Positive numbers, for which every function is defined.
  ...listNames(SCALAR_FUNCTIONS).map((of): [string, Body] => [
    `map ${of}`,
    (g, x, name) =>
      g.map(g.affine(g.activation(g.linear(x, x.width + 2, `${name}.l`), 'sigmoid', `${name}.s`), 1, 0.1), of),
  ]),
  ...ACTIVATIONS.map((kind: Activation): [string, Body] => [
    `activation ${kind}`,
    (g, x, name) => g.activation(g.linear(x, x.width + 2, `${name}.l`), kind, `${name}.a`),
  ]),
  // The kernel of a norm applies an activation whose slope depends on the sign alone.
  ...ACTIVATIONS.map((kind: Activation): [string, Body] => [
    `activation ${kind} of a norm`,
    (g, x, name) => g.activation(g.batchNorm(x, `${name}.n`), kind, `${name}.a`),
  ]),
];

/** Inputs of a loss. */
interface LossInputs {
  readonly x: Value;
  readonly label: Value;
  readonly mask?: Value;
  readonly weights?: Value;
}
const LOSSES: Record<LossName, (g: GraphBuilder, inputs: LossInputs) => LossValue> = {
  binaryCrossEntropy: (g, { x, label, ...rest }) => g.binaryCrossEntropy(x, label, rest),
  mean: (g, { x, mask, weights }) => g.mean(x, { mask, weights }),
  squaredError: (g, { x, label, ...rest }) => g.squaredError(x, label, rest),
};

/**
 * A loss of an operation, or of a kind, over an input and the label columns 'y', 'mask' and 'weight'; all names start
 * with `name`.
 */
export type LossCase = (g: GraphBuilder, input: Value, y: Value, name: string) => LossValue;

const throughBody =
  (body: Body): LossCase =>
  (g, input, y, name) =>
    // A layer below, so that the gradient of the operation's input is tested too.
    g.squaredError(
      g.linear(
        g.activation(body(g, g.linear(input, input.width, `${name}.below`), name), 'tanh', `${name}.t`),
        1,
        `${name}.out`,
      ),
      y,
    );
const out = (g: GraphBuilder, input: Value, name: string): Value => g.linear(input, 1, `${name}.a`);
const computed = (g: GraphBuilder, input: Value, name: string): Value =>
  g.activation(g.linear(input, 1, name), 'sigmoid', name);

/** Every task loss, with default and other options. */
const TASK_LOSSES = [
  ...losses.parts.map(({ name, options }) => ({ name, ...('groupBy' in options() && { groupBy: 'user' }) })),
  { name: 'cross-entropy', smoothing: 0.1 },
  { name: 'focal', gamma: 0.7, alpha: 0.3 },
].map((spec): readonly [string, LossCase] => [
  `of the task's loss ${JSON.stringify(spec)}`,
  (g, input, label, to) => {
    const loss = withGroups(losses.build(losses.schema.parse(spec)), () => groupsOf(g));
    return buildMean(g, loss, g.linear(input, loss.outputs, `${to}.a`), label, {
      mask: given(g, 'mask'),
      weights: given(g, 'weight'),
    });
  },
]);

/** Every operation and every loss with all its optional inputs, by name. */
export const LOSS_CASES: ReadonlyMap<string, LossCase> = new Map([
  ...bodies.map(([name, body]) => [`through ${name}`, throughBody(body)] as const),
  ...TASK_LOSSES,
  ...Object.entries(LOSSES).flatMap(([name, build]): (readonly [string, LossCase])[] => [
    [`of ${name}`, (g, input, label, to) => build(g, { x: out(g, input, to), label })],
    [
      `of ${name} with mask and weights`,
      (g, input, label, to) =>
        build(g, { x: out(g, input, to), label, mask: given(g, 'mask'), weights: given(g, 'weight') }),
    ],
    [
      `of ${name} with a computed label, mask and weights`,
      (g, input, _, to) =>
        build(g, {
          x: out(g, input, to),
          label: computed(g, input, `${to}.label`),
          mask: computed(g, input, `${to}.mask`),
          weights: computed(g, input, `${to}.weights`),
        }),
    ],
  ]),
]);
