import { domainName } from '../../graph/domain.js';
import type { Buffer } from './buffers.js';
import type { Call, Operand } from './call-list.js';
import type { Compiled } from './compile.js';
import type { ListName } from './lists.js';
import { argumentNames, type KernelName } from './kernel-arguments.js';
import { SIGNATURES } from './kernel-signatures.js';

/** Maximum length of a line. */
const MAX_COLUMNS = 120;

/** Prints a compiled plan: the buffers that a list uses, then its calls, one per line. For people and golden tests. */
export function printProgram(compiled: Compiled, list: ListName): string {
  const calls = compiled.lists[list];
  const barriers = calls.filter(({ kernel }) => kernel === 'barrier').length;
  const buffers = listBuffers(calls);
  const nameWidth = Math.max(0, ...buffers.map(({ name }) => name.length));
  const roleWidth = Math.max(0, ...buffers.map(({ role }) => role.length));
  const kernelWidth = Math.max(0, ...calls.map(({ kernel }) => kernel.length));
  return [
    `${list}: ${calls.length - barriers} calls, ${barriers} barriers, ${buffers.length} buffers`,
    '',
    ...buffers.map((buffer) => `${buffer.name.padEnd(nameWidth)}  ${buffer.role.padEnd(roleWidth)}  ${shape(buffer)}`),
    '',
    ...calls.flatMap((call) => printCall(call, kernelWidth)),
    '',
  ].join('\n');
}

function listBuffers(calls: readonly Call[]): readonly Buffer[] {
  const buffers = new Set<Buffer>();
  for (const { operands } of calls)
    for (const operand of operands) if (typeof operand === 'object' && 'buffer' in operand) buffers.add(operand.buffer);
  return [...buffers];
}

function shape({ rows, width }: Buffer): string {
  return `${typeof rows === 'number' ? rows : domainName(rows)} × ${width}`;
}

/** Prints a call on as many lines of at most MAX_COLUMNS as its arguments require. */
function printCall({ kernel, operands }: Call, kernelWidth: number): readonly string[] {
  if (kernel === 'barrier') return ['-- barrier'];
  const names = isKernel(kernel) ? argumentNames(kernel) : [];
  const args = operands.flatMap((operand, i) => {
    const name = names[i];
    if (name === undefined) return [printOperand(operand)];
    return isImplied(name, operand) ? [] : [`${name}=${printOperand(operand)}`];
  });
  const lines: string[] = [];
  let line = kernel.padEnd(kernelWidth);
  for (const [i, arg] of args.entries()) {
    const text = ` ${arg}${i < args.length - 1 ? ',' : ''}`;
    if (line.length + text.length > MAX_COLUMNS) {
      lines.push(line);
      line = ' '.repeat(kernelWidth);
    }
    line += text;
  }
  return [...lines, line].map((each) => each.trimEnd());
}

/** Returns whether a call is of a kernel, whose operands have names. */
function isKernel(kernel: Call['kernel']): kernel is KernelName {
  return kernel in SIGNATURES && kernel !== 'barrier';
}

/** Returns whether an argument says nothing to a reader: strides, shares of workers, and what is not used. */
function isImplied(name: string, operand: Operand): boolean {
  return name.startsWith('ld') || name === 'slot' || name === 'slots' || operand === 0;
}

function printOperand(operand: Operand): string {
  if (typeof operand === 'number') return String(operand);
  if (!('buffer' in operand)) return domainName(operand);
  return operand.offset === 0 ? operand.buffer.name : `${operand.buffer.name}[${operand.offset}]`;
}
