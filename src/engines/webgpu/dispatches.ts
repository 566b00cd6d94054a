import type { Buffer } from '../compile/buffers.js';
import { domainName } from '../../graph/domain.js';
import { rowsOfCall, type Call, type Operand } from '../compile/call-list.js';
import type { Compiled } from '../compile/compile.js';
import { argumentNames, type KernelName } from '../compile/kernel-arguments.js';
import type { ListName } from '../compile/lists.js';
import type { TablePlace } from '../compile/tables.js';
import { isRef, putExtra } from './arguments.js';
import type { DeviceCall, Expansion, ListCall, Recording } from './kernel.js';
import { findKernel } from './kernels.js';
import { listFields } from './lists/listed-fields.js';
import type { DeviceMemory } from './memory.js';
import { inGroups } from './phase-order.js';
import { planCall, type Planned } from './planned.js';
import { ownShader, rowsShader, type Shader } from './shader.js';
import { inSharedDispatches } from './shared-dispatches.js';
import { MAX_CALLS } from './wgsl/prelude.js';
import { workgroupsInTurn, countWorkgroups, type Workgroups } from './workgroups.js';

/** One dispatch: a shader, the arguments of its calls, and its workgroups. */
export interface Dispatch {
  /** Names of the kernels of its calls. */
  readonly kernels: readonly string[];
  readonly shader: Shader;
  readonly arguments: readonly Uint32Array<ArrayBuffer>[];
  /** The device buffer of tables that it reads or writes, if any. */
  readonly tableBuffer: number | undefined;
  readonly workgroups: Workgroups;
}

/** Converts the lists of a program to dispatches. */
export interface Recorder {
  record(list: ListName): readonly Dispatch[];
  /** Words of `scratch` that calls use, besides the words of index lists. */
  readonly scratchWords: number;
}

/** Lists that run over batches with index lists. */
const WITH_LISTS: readonly ListName[] = ['train', 'pass', 'diagnosis', 'inspect'];
/** Lists that predict, in single precision. */
const PREDICTIONS: readonly ListName[] = ['predict', 'evaluate'];

/** Returns the calls of each phase of a list: all calls by rows of a phase have the rows of one domain. */
function phasesOf(calls: readonly Call[]): readonly (readonly Call[])[] {
  const phases: Call[][] = [[]];
  let domain: string | undefined;
  for (const call of calls) {
    const rows = rowsOfCall(call);
    const own = rows === undefined ? domain : domainName(rows);
    if (call.kernel === 'barrier' || (domain !== undefined && own !== domain)) phases.push([]);
    if (call.kernel !== 'barrier') phases.at(-1)!.push(call);
    domain = call.kernel === 'barrier' ? undefined : own;
  }
  return phases;
}

/** The list of a program on one machine calls no collective but the barrier. */
const nameOf = ({ kernel }: Call): KernelName => kernel as KernelName;

function listCallOf(call: Call): ListCall {
  const { operands } = call;
  const names = argumentNames(nameOf(call));
  const operand = (name: string): Operand => {
    const found = operands[names.indexOf(name)];
    if (found === undefined) throw new Error(`'${call.kernel}' has no argument '${name}'`);
    return found;
  };
  return {
    operands,
    operand,
    number(name) {
      const value = operand(name);
      if (typeof value !== 'number') throw new Error(`'${call.kernel}' has no number '${name}'`);
      return value;
    },
    ref(name) {
      const value = operand(name);
      if (!isRef(value)) throw new Error(`'${call.kernel}' has no position '${name}'`);
      return value;
    },
  };
}

/**
 * Assigns words of `scratch` to all calls that use some, before any list is recorded: the words of index lists follow
 * them.
 */
function assignScratch({ lists, passRows, maxRowsOf }: Compiled): {
  readonly at: ReadonlyMap<string, number>;
  readonly words: number;
} {
  const at = new Map<string, number>();
  let end = 0;
  for (const call of Object.values(lists).flat()) {
    if (call.kernel === 'barrier') continue;
    const kernel = findKernel(nameOf(call));
    if (kernel.form !== 'expanded' || kernel.scratch === undefined) continue;
    const domain = call.operands.find((operand) => typeof operand === 'object' && 'kind' in operand);
    const maxRows = domain === undefined || domain.kind === 'batch' ? passRows : maxRowsOf(domain);
    const used = kernel.scratch(listCallOf(call), maxRows);
    if (at.has(used.key)) continue;
    at.set(used.key, end);
    end += used.words;
  }
  return { at, words: end };
}

/** Returns dispatches of independent calls. */
function inDispatches(calls: readonly Planned[], maxGroups: number): Dispatch[] {
  return inSharedDispatches(calls).map((groups): Dispatch => {
    const kernels = groups.map(([{ of }, ...more]) => {
      const { name, names, kernel } = of;
      if (kernel.form !== 'own') throw new Error(`'${name}' has no dispatch of its own`);
      return { name, names, kernel, calls: more.length + 1 };
    });
    const all = groups.flat();
    return {
      kernels: kernels.map(({ name }) => name),
      shader: ownShader(kernels),
      arguments: all.map(({ words }) => words),
      tableBuffer: all.find(({ tableBuffer }) => tableBuffer !== undefined)?.tableBuffer,
      workgroups: countWorkgroups(all, maxGroups),
    };
  });
}

/** Returns dispatches of consecutive calls by rows; between two barriers, these are rows of one domain. */
function inTurn(calls: readonly Planned[], maxGroups: number): Dispatch[] {
  const dispatches: Dispatch[] = [];
  for (let begin = 0; begin < calls.length; begin += MAX_CALLS) {
    const part = calls.slice(begin, begin + MAX_CALLS);
    const named = new Map(
      part.map(({ of: { name, names, kernel } }) => {
        if (kernel.form !== 'rows') throw new Error(`'${name}' is not by rows`);
        return [name, { name, names, kernel }] as const;
      }),
    );
    // Sorted by name, so that other calls of the same kernels have the same shader.
    const kernels = [...named.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const codes = new Map(kernels.map(({ name }, code) => [name, code]));
    for (const { of, words } of part) putExtra(words, { calls: part.length, code: codes.get(of.name)! });
    dispatches.push({
      kernels: kernels.map(({ name }) => name),
      shader: rowsShader(kernels),
      arguments: part.map(({ words }) => words),
      tableBuffer: undefined,
      workgroups: workgroupsInTurn(part, maxGroups),
    });
  }
  return dispatches;
}

/** Returns the calls that one call of a list becomes on a device. */
function expand(call: Call, recording: Recording): Expansion {
  const name = nameOf(call);
  const kernel = findKernel(name);
  if (kernel.form === 'expanded') return kernel.expand(listCallOf(call), recording);
  return { calls: [{ of: { name, names: argumentNames(name), kernel }, operands: call.operands }] };
}

/** Creates a recorder for a program. */
export function createRecorder(compiled: Compiled, memory: DeviceMemory, maxGroups: number): Recorder {
  const { tables, lists, termAreas, areas, precision } = compiled;
  const scratch = assignScratch(compiled);
  const tableByBuffer = new Map<Buffer, TablePlace>(
    tables.all.flatMap((table) => [[table.at.buffer, table] as const, [table.distinct.buffer, table] as const]),
  );
  const listed = listFields(compiled);
  const plan = (calls: readonly DeviceCall[]): readonly Planned[] =>
    calls.flatMap((call) => planCall(call, tableByBuffer, memory));

  /** Calls between two barriers: those by rows in order, then all others by kernel. */
  const recordPhase = (expansions: readonly Expansion[]): readonly Dispatch[] => {
    const calls = plan(expansions.flatMap((each) => each.calls ?? []));
    const isOrdered = ({ of: { kernel } }: Planned): boolean => kernel.form === 'rows' || kernel.writes !== undefined;
    return [
      ...inGroups(calls.filter(isOrdered)).flatMap((group) =>
        group.isByRows ? inTurn(group.calls, maxGroups) : inDispatches(group.calls, maxGroups),
      ),
      ...inDispatches(
        calls.filter((call) => !isOrdered(call)),
        maxGroups,
      ),
      ...inDispatches(plan(expansions.flatMap((each) => each.last ?? [])), maxGroups),
    ];
  };

  return {
    scratchWords: scratch.words,
    record(list) {
      const calls = lists[list];
      const shared = {
        compiled,
        hasLists: WITH_LISTS.includes(list),
        isHalf: precision === 'f16' && !PREDICTIONS.includes(list),
        areas: list === 'diagnosis' ? termAreas : list === 'pass' ? areas : 1,
        tableOf: ({ buffer }) => tableByBuffer.get(buffer)!,
        listedIn: (table) => listed.get(table)!,
        rowSlots: memory.rowSlots,
        scratchAt: (key) => scratch.at.get(key)!,
      } satisfies Omit<Recording, 'isLast'>;
      const last = new Map(calls.map((call) => [call.kernel, call]));
      return phasesOf(calls).flatMap((phase) =>
        recordPhase(phase.map((call) => expand(call, { ...shared, isLast: last.get(call.kernel) === call }))),
      );
    },
  };
}
