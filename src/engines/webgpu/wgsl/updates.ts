import { optimizers } from '../../../optimizers/optimizers.js';
import type { Optimizer } from '../../../optimizers/optimizer.js';
import type { TableRule } from '../../compile/call-list.js';
import { argumentNames } from '../../compile/kernel-arguments.js';
import type { ExpandedKernel, Named, OwnKernel, RuleKernel } from '../kernel.js';
import type { Rule } from '../rules/rule.js';
import * as all from '../rules/all.js';
import { THREADS } from './prelude.js';
import { LIST_WORDS, markCalls, MARKS } from './tables.js';

/** Every rule that has kernels; a missing one does not compile. */
const RULES: { readonly [Name in TableRule]: Rule } = all;

/** The first constants are the same for every rule: the gradient's scale, λ1, λ2, and the limit of the product. */
const OWN = 4;
const PENALIZED = `
fn penalized(g: f32, w: f32, constants: u32) -> f32 {
  let limit = f(constants + 3u);
  return max(min(g * f(constants), limit), -limit) + f(constants + 2u) * w + f(constants + 1u) * sign(w);
}
`;

/** Access to weights: dense ones are in `m`, weights of tables in `t`. */
interface Memory {
  read(at: string): string;
  write(at: string, value: string): string;
}
const DENSE: Memory = { read: (at) => `f(${at})`, write: (at, value) => `put(${at}, ${value});` };
const TABLE: Memory = {
  read: (at) => `bitcast<f32>(t[${at}])`,
  write: (at, value) => `t[${at}] = bitcast<u32>(${value});`,
};

/** Returns code that reads the slots of a weight, at `first` and `gap` further. */
const readSlots = ({ read }: Memory, first: string, gap: string): string => `
    var s0 = 0.0; var s1 = 0.0;
    if ($slots > 0u) { s0 = ${read(first)}; }
    if ($slots > 1u) { s1 = ${read(`${first} + ${gap}`)}; }`;
const writeSlots = ({ write }: Memory, first: string, gap: string, [a, b]: readonly [string, string]): string => `
    if ($slots > 0u) { ${write(first, a)} }
    if ($slots > 1u) { ${write(`${first} + ${gap}`, b)} }`;

const declared = (rule: Rule): string =>
  `${PENALIZED}${
    rule.unit === 'weight'
      ? `fn moved(w: f32, g: f32, s0: f32, s1: f32, own: u32) -> vec3<f32> {${rule.moved}}`
      : `${rule.declares ?? ''}
fn gathered(w: f32, g: f32, s0: f32, s1: f32, own: u32) -> vec4<f32> {${rule.gathered}}
fn decided(sums: vec2<f32>, kept: f32, count: u32, own: u32) -> vec2<f32> {${rule.decided}}
fn moved(w: f32, g: f32, s0: f32, s1: f32, size: f32, own: u32) -> f32 {${rule.moved}}`
  }`;

/** Returns code that finds the distinct row `u`, or the row `u` of a table that is not lazy, and its gradient. */
const findRow = (u: string): string => `
    var row = ${u}; var slot = ${u} + 1u;
    if ($tableRows == 0u) { row = items[m[$distinct + ${LIST_WORDS.distinct}u] + ${u}]; }
    else { slot = m[$rowSlots + ${u}]; }
    if (row < $rowBegin || row >= $rowEnd) { continue; }`;
const tableRows = `select($tableRows, m[$distinct + ${LIST_WORDS.count}u], $tableRows == 0u)`;
const gradientAt = (d: string): string => `
      var g = 0.0;
      if (slot > 0u) { g = f($gradients + (slot - 1u) * $width + ${d}); }`;

/** Returns the kernel of dense weights. */
function denseKernel(rule: Extract<Rule, { unit: 'weight' }>): OwnKernel {
  return {
    form: 'own',
    threads: ({ of }) => of('count'),
    declares: declared(rule),
    body: `
  if (isRefused()) { return; }
  for (var i = group * ${THREADS}u + lane; i < $count; i += groups * ${THREADS}u) {
    ${readSlots(DENSE, '$s + i', '$gap')}
    let w = f($w + i);
    let after = moved(w, penalized(f($g + i), w, $constants), s0, s1, $constants + ${OWN}u);
    put($w + i, after.x);
    ${writeSlots(DENSE, '$s + i', '$gap', ['after.y', 'after.z'])}
  }`,
  };
}

/** Returns the kernel of a dense tensor, with one workgroup. */
function tensorKernel(rule: Exclude<Rule, { unit: 'weight' }>): OwnKernel {
  return {
    form: 'own',
    threads: () => THREADS,
    declares: declared(rule),
    body: `
  if (group > 0u) { return; }
  let isStill = isRefused();
  let own = $constants + ${OWN}u;
  var sums = vec2<f32>();
  for (var i = lane; i < $count && !isStill; i += ${THREADS}u) {
    ${readSlots(DENSE, '$s + i', '$gap')}
    let w = f($w + i);
    let found = gathered(w, penalized(f($g + i), w, $constants), s0, s1, own);
    ${writeSlots(DENSE, '$s + i', '$gap', ['found.x', 'found.y'])}
    sums += found.zw;
  }
  let all = vec2<f32>(overAll(sums.x, lane), overAll(sums.y, lane));
  let size = decided(all, 0.0, $count, own).x;
  for (var i = lane; i < $count && !isStill; i += ${THREADS}u) {
    ${readSlots(DENSE, '$s + i', '$gap')}
    let w = f($w + i);
    put($w + i, moved(w, penalized(f($g + i), w, $constants), s0, s1, size, own));
  }`,
  };
}

/**
 * Returns the kernel of the rows of a table: one thread per weight, or per row if the rule requires all of it. The slot
 * per row follows those per weight.
 */
function tableKernel(rule: Rule): OwnKernel {
  if (rule.unit === 'weight') {
    return {
      form: 'own',
      threads: ({ of, distinct }) => (of('tableRows') || distinct) * of('width'),
      declares: declared(rule),
      body: `
  if (isRefused()) { return; }
  for (var i = group * ${THREADS}u + lane; i < ${tableRows} * $width; i += groups * ${THREADS}u) {
    let d = i % $width;
    ${findRow('(i / $width)')}
    ${gradientAt('d')}
    let at = $table + (row - $rowBegin) * $stride + d;
    ${readSlots(TABLE, 'at + $width', '$width')}
    let w = bitcast<f32>(t[at]);
    let after = moved(w, penalized(g, w, $constants), s0, s1, $constants + ${OWN}u);
    t[at] = bitcast<u32>(after.x);
    ${writeSlots(TABLE, 'at + $width', '$width', ['after.y', 'after.z'])}
  }`,
    };
  }
  return {
    form: 'own',
    threads: ({ of, distinct }) => of('tableRows') || distinct,
    declares: declared(rule),
    body: `
  if (isRefused()) { return; }
  let own = $constants + ${OWN}u;
  for (var i = group * ${THREADS}u + lane; i < ${tableRows}; i += groups * ${THREADS}u) {
    ${findRow('i')}
    let begin = $table + (row - $rowBegin) * $stride;
    var sums = vec2<f32>();
    for (var d = 0u; d < $width; d++) {
      ${gradientAt('d')}
      ${readSlots(TABLE, 'begin + d + $width', '$width')}
      let w = bitcast<f32>(t[begin + d]);
      let found = gathered(w, penalized(g, w, $constants), s0, s1, own);
      ${writeSlots(TABLE, 'begin + d + $width', '$width', ['found.x', 'found.y'])}
      sums += found.zw;
    }
    let keptAt = begin + $width * (1u + $slots);
    var kept = 0.0;
    if ($keeps > 0u) { kept = bitcast<f32>(t[keptAt]); }
    let found = decided(sums, kept, $width, own);
    if ($keeps > 0u) { t[keptAt] = bitcast<u32>(found.y); }
    for (var d = 0u; d < $width; d++) {
      ${gradientAt('d')}
      ${readSlots(TABLE, 'begin + d + $width', '$width')}
      let w = bitcast<f32>(t[begin + d]);
      t[begin + d] = bitcast<u32>(moved(w, penalized(g, w, $constants), s0, s1, found.x, own));
    }
  }`,
  };
}

/** Returns how many slots of an optimizer have an element per weight. */
const slotsPerWeight = ({ slots }: Optimizer): number => slots.filter(({ per }) => per === 'weight').length;

function expandDense(name: RuleKernel, kernel: OwnKernel): ExpandedKernel {
  const of: Named = { name, names: argumentNames(name), kernel };
  return {
    form: 'expanded',
    kernels: [of],
    expand: ({ operands }, { compiled: { plan } }) => ({
      calls: [{ of, operands, extra: { slots: slotsPerWeight(optimizers.build(plan.optimizers.dense)) } }],
    }),
  };
}

/** If a table is not lazy, its distinct rows are marked before the update, and the marks are cleared after it. */
function expandTable(name: RuleKernel, kernel: OwnKernel): ExpandedKernel {
  const of: Named = { name, names: argumentNames(name), kernel };
  return {
    form: 'expanded',
    kernels: [of, ...MARKS],
    expand({ operands, ref }, { tableOf, rowSlots }) {
      const table = tableOf(ref('table'));
      const { optimizer } = table.update;
      const slots = slotsPerWeight(optimizer);
      const keeps = optimizer.slots.length - slots;
      const at = rowSlots(table);
      if (at === undefined) return { calls: [{ of, operands, extra: { slots, keeps } }] };
      const { mark, unmark } = markCalls(table, at);
      return { calls: [mark, { of, operands, extra: { slots, keeps, rowSlots: at } }], last: [unmark] };
    },
  };
}

/** Returns the kernels of every rule by name: `<rule>Dense` or `<rule>Tensor`, and `<rule>Table`. */
export function ruleKernels(): ReadonlyMap<string, ExpandedKernel> {
  const kernels = new Map<string, ExpandedKernel>();
  for (const [name, rule] of Object.entries(RULES) as [TableRule, Rule][]) {
    kernels.set(`${name}Table`, expandTable(`${name}Table`, tableKernel(rule)));
    // The names of rules are those of kernels.
    if (rule.unit === 'weight')
      kernels.set(`${name}Dense`, expandDense(`${name}Dense` as RuleKernel, denseKernel(rule)));
    if (rule.unit === 'tensor')
      kernels.set(`${name}Tensor`, expandDense(`${name}Tensor` as RuleKernel, tensorKernel(rule)));
  }
  return kernels;
}
