import { streamKey } from '../../core/random.js';
import { ARGUMENT_FUNCTIONS, withArguments } from './arguments.js';
import type { Named, OwnKernel, RowKernel } from './kernel.js';
import { LOSS_FUNCTIONS } from './wgsl/losses.js';
import { MAP_FUNCTIONS } from './wgsl/maps.js';
import { CALL_WORDS, PRELUDE, ROW_THREADS, ROWS_OF_GROUP, SLOTS, STEP_WORDS, THREADS } from './wgsl/prelude.js';
import { AVERAGE_FUNCTIONS } from './wgsl/tables.js';

const COMMON = `${PRELUDE}${ARGUMENT_FUNCTIONS}${MAP_FUNCTIONS}${LOSS_FUNCTIONS}${AVERAGE_FUNCTIONS}`;
const CALL_VECTORS = CALL_WORDS / 4;

/**
 * The code of a shader, and the entry of a window's directory with its calls, which is always the same for the same
 * code.
 */
export interface Shader {
  readonly code: string;
  readonly slot: number;
}

/** Returns a shader: what all shaders begin with, the function that finds its calls, and its own code. */
function withSlot(code: string, enables = ''): Shader {
  const slot = streamKey(0, code) % SLOTS;
  const at = STEP_WORDS + (slot >> 1);
  const word = `calls[${at >> 2}u].${'xyzw'[at & 3]!}`;
  const firstCall = `fn firstCall() -> u32 { return (${word} >> ${slot % 2 === 0 ? 0 : 16}u) & 0xffffu; }`;
  return { slot, code: `${enables}${COMMON}${firstCall}\n${code}` };
}

/** Returns the shader of kernels that share a dispatch; `y` is the call of a workgroup. */
export function ownShader(kernels: readonly (Named<OwnKernel> & { readonly calls: number })[]): Shader {
  const declares = new Set(kernels.map(({ name, names, kernel }) => withArguments(name, names, kernel.declares ?? '')));
  const functions = kernels.map(
    ({ name, names, kernel }, k) =>
      `fn k${k}(base: u32, group: u32, groups: u32, part: u32, parts: u32, lane: u32) {` +
      `${withArguments(name, names, kernel.body)}\n}`,
  );
  let end = 0;
  const cases = kernels.map(
    ({ calls }, k) => `if (id.y < ${(end += calls)}u) { k${k}(base, id.x, numGroups.x, id.z, numGroups.z, lane); }`,
  );
  const code = `${[...declares].join('')}
${functions.join('\n')}
@compute @workgroup_size(${THREADS}) fn main(
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(num_workgroups) numGroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32) {
  let base = firstCall() + id.y * ${CALL_VECTORS}u;
  ${cases.join(' else ')}
}`;
  return withSlot(code, kernels.some(({ kernel }) => kernel.isHalf === true) ? 'enable f16;\n' : '');
}

/** Returns the function of a kernel by rows: a loop over the rows of a workgroup, or over their elements. */
function rowsFunction({ name, names, kernel: { over, before = '', body } }: Named<RowKernel>): string {
  const text = (code: string): string => withArguments(name, names, code);
  const rows = names.includes('rows') ? '$rows' : 'batchRows()';
  const [perRow, row, col] =
    over === 'row' ? ['', 'i', ''] : [` * $${over}`, `i / $${over}`, `let col = i % $${over};`];
  return `fn k_${name}(base: u32, lane: u32, top: u32) {
  ${text(before)}
  for (var i = lane; i < ${ROWS_OF_GROUP}u${text(perRow)}; i += ${ROW_THREADS}u) {
    let row = top + ${text(row)}; ${text(col)}
    if (row >= ${text(rows)}) { break; }
    ${text(body)}
  }
}`;
}

/**
 * Returns the shader of consecutive calls by rows: each workgroup runs all of them on some rows, with a barrier after
 * each. The first call has the number of calls (`calls`), and each has the number of its kernel (`code`).
 */
export function rowsShader(kernels: readonly Named<RowKernel>[]): Shader {
  const word = (name: string): string => withArguments('calls', [], name);
  return withSlot(`${kernels.map(rowsFunction).join('\n')}
fn countOf(base: u32) -> u32 { return ${word('$calls')}; }
fn codeOf(base: u32) -> u32 { return ${word('$code')}; }
@compute @workgroup_size(${ROW_THREADS}) fn main(
  @builtin(workgroup_id) id: vec3<u32>,
  @builtin(num_workgroups) numGroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32) {
  let top = (id.y * numGroups.x + id.x) * ${ROWS_OF_GROUP}u;
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
