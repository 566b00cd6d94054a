import { ARGUMENT_FUNCTIONS, withArguments } from './arguments.js';
import { streamKey } from '../../core/random.js';
import type { OwnKernel, RowKernel } from './kernel.js';
import { LOSS_FUNCTIONS } from './wgsl/losses.js';
import { MAP_FUNCTIONS } from './wgsl/maps.js';
import { CALL_WORDS, PRELUDE, ROW_THREADS, ROWS_OF_GROUP, SLOTS, STEP_WORDS, THREADS } from './wgsl/prelude.js';
import { AVERAGE_FUNCTIONS } from './wgsl/tables.js';

const COMMON = `${PRELUDE}${ARGUMENT_FUNCTIONS}${MAP_FUNCTIONS}${LOSS_FUNCTIONS}${AVERAGE_FUNCTIONS}`;
const CALL_VECTORS = CALL_WORDS / 4;

/** A kernel with its name and those of its arguments. */
export interface Named<Of> {
  readonly name: string;
  readonly names: readonly string[];
  readonly kernel: Of;
}

/**
 * The code of a shader, and by which entry of a window's directory it finds its calls: the same for the same code,
 * whatever else there is.
 */
export interface Shader {
  readonly code: string;
  readonly slot: number;
}

/** What all shaders begin with, and how one finds its calls. */
function withSlot(code: string, enables = ''): Shader {
  const slot = streamKey(0, code) % SLOTS;
  const at = STEP_WORDS + (slot >> 1);
  const word = `calls[${at >> 2}u].${'xyzw'[at & 3]!}`;
  return {
    slot,
    code: `${enables}${COMMON}fn firstCall() -> u32 { return (${word} >> ${slot % 2 === 0 ? 0 : 16}u) & 0xffffu; }\n${code}`,
  };
}

/**
 * The shader of kernels with dispatches of their own that share one, each with so many calls: `y` is which call a
 * workgroup belongs to.
 */
export function ownShader(kernels: readonly (Named<OwnKernel> & { readonly calls: number })[]): Shader {
  const declares = new Set(kernels.map(({ name, names, kernel }) => withArguments(name, names, kernel.declares ?? '')));
  const functions = kernels.map(
    ({ name, names, kernel }, k) =>
      `fn k${k}(base: u32, group: u32, groups: u32, part: u32, parts: u32, lane: u32) {${withArguments(name, names, kernel.body)}\n}`,
  );
  let end = 0;
  const cases = kernels.map(
    ({ calls }, k) => `if (id.y < ${(end += calls)}u) { k${k}(base, id.x, numGroups.x, id.z, numGroups.z, lane); }`,
  );
  const code = `${[...declares].join('')}
${functions.join('\n')}
@compute @workgroup_size(${THREADS}) fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) numGroups: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let base = firstCall() + id.y * ${CALL_VECTORS}u;
  ${cases.join(' else ')}
}`;
  return withSlot(code, kernels.some(({ kernel }) => kernel.isHalf === true) ? 'enable f16;\n' : '');
}

/**
 * The shader of calls by rows that follow each other: each workgroup has some rows in all of them, and waits between
 * two. It knows some kernels,
 * whichever calls of them there are: the first call says how many (`count`), each which of the kernels it is of
 * (`code`).
 */
export function rowsShader(kernels: readonly Named<RowKernel>[]): Shader {
  const functions = kernels.map(({ name, names, kernel: { over, before = '', body } }) => {
    const text = (code: string): string => withArguments(name, names, code);
    const rows = names.includes('rows') ? '$rows' : 'batchRows()';
    const loop =
      over === 'row'
        ? `for (var i = lane; i < ${ROWS_OF_GROUP}u; i += ${ROW_THREADS}u) { let row = top + i; if (row >= ${rows}) { break; }`
        : `for (var i = lane; i < ${ROWS_OF_GROUP}u * $${over}; i += ${ROW_THREADS}u) { let row = top + i / $${over}; let col = i % $${over}; if (row >= ${rows}) { break; }`;
    return `fn k_${name}(base: u32, lane: u32, top: u32) {\n  ${text(before)}\n  ${text(loop)}\n    ${text(body)}\n  }\n}`;
  });
  const word = (name: string): string => withArguments('calls', [], name);
  return withSlot(`${functions.join('\n')}
fn countOf(base: u32) -> u32 { return ${word('$calls')}; }
fn codeOf(base: u32) -> u32 { return ${word('$code')}; }
@compute @workgroup_size(${ROW_THREADS}) fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let top = id.x * ${ROWS_OF_GROUP}u;
  let first = firstCall();
  for (var call = 0u; call < countOf(first); call++) {
    let base = first + call * ${CALL_VECTORS}u;
    switch (codeOf(base)) {
${kernels.map(({ name }, code) => `      case ${code}u: { k_${name}(base, lane, top); }`).join('\n')}
      default: {}
    }
    storageBarrier();
  }
}`);
}
