import { THREADS } from './prelude.js';

/**
 * Shaders that copy rows of a table, by number, to consecutive rows of `values`, or back. The call has the first word
 * of the table in its buffer, the words of a row, and the words of all rows that are copied.
 */
const rowCopy = (copy: string): string => `
@group(0) @binding(1) var<storage, read_write> t: array<u32>;
@group(0) @binding(2) var<storage, read> rows: array<u32>;
@group(0) @binding(3) var<storage, read_write> values: array<u32>;
@group(0) @binding(5) var<uniform> call: vec4<u32>;
@compute @workgroup_size(${THREADS}) fn main(
  @builtin(global_invocation_id) id: vec3<u32>,
  @builtin(num_workgroups) numGroups: vec3<u32>) {
  for (var i = id.x; i < call.z; i += numGroups.x * ${THREADS}u) {
    let at = call.x + rows[i / call.y] * call.y + i % call.y;
    ${copy}
  }
}`;

export const ROW_COPIES = { gather: rowCopy('values[i] = t[at];'), scatter: rowCopy('t[at] = values[i];') } as const;
