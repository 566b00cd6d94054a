import { optimizers } from '../../optimizers/optimizers.js';
import type { Optimizer } from '../../optimizers/optimizer.js';
import type { Call, KernelName } from '../compile/call-list.js';
import type { Compiled, ListName } from '../compile/compile.js';
import type { TablePlace } from '../compile/tables.js';
import { WORD } from '../compile/arena.js';
import type { Place } from '../compile/places.js';
import { argumentKind, argumentNames, packCall, putExtra, type Extra } from './arguments.js';
import type { OwnKernel, RowKernel } from './kernel.js';
import { kernelOf } from './kernels.js';
import { listForm } from './lists/table-list.js';
import type { DeviceMemory } from './memory.js';
import { inGroups } from './phase-order.js';
import type { Planned } from './planned.js';
import { ownShader, rowsShader, type Shader } from './shader.js';
import { inSharedDispatches } from './shared-dispatches.js';
import { MAX_CALLS } from './wgsl/prelude.js';
import { HALF_PRODUCTS, isNarrow, partsOf, PRODUCTS, WEIGHT_GRADIENT_SUM } from './wgsl/products.js';
import { WATCH_ARGUMENTS, WATCH_RANGE } from './wgsl/reduce.js';
import { GATHER, GATHER_ARGUMENTS, LOOKUP_ARGUMENTS, MARK_ARGUMENTS } from './wgsl/tables.js';
import { workgroupsInTurn, workgroupsOf, type Workgroups } from './workgroups.js';

/** One dispatch: a shader, the arguments of its calls, and how many workgroups it takes. */
export interface Dispatch {
  /** The kernels of its calls. */
  readonly kernels: readonly string[];
  readonly shader: Shader;
  readonly arguments: readonly Uint32Array<ArrayBuffer>[];
  /** The buffer that tables lie in for it, if it has to do with them. */
  readonly tableBuffer: number | undefined;
  readonly workgroups: Workgroups;
}

/** What runs over batches that have index lists. */
const WITH_LISTS: readonly ListName[] = ['train', 'pass', 'diagnosis', 'inspect'];

/**
 * What products in half precision have to know: where weights lie that were turned round, by which gradients go back.
 */
interface Halves {
  readonly transposed: ReadonlySet<number>;
}
const transposedOf = (calls: readonly Call[]): ReadonlySet<number> =>
  new Set(
    calls.flatMap(({ kernel, args }) =>
      kernel === 'transposePanels' ? [args[argumentNames(kernel).indexOf('t')]!] : [],
    ),
  );

/** What tells the parts of a weight's gradient from those of others: two products may be added up in one gradient. */
function scratchKey(args: Call['args']): string {
  const of = (argument: string): number => args[argumentNames('gemmGradient').indexOf(argument)]!;
  return `${of('g')} ${of('accumulate')}`;
}

/** What becomes of the lists of calls of a plan on a device. */
export interface Recorder {
  record(list: ListName): readonly Dispatch[];
  /** Words of `scratch` that weights' gradients take, beside what index lists need. */
  readonly scratchWords: number;
}

/** A recorder for a plan. */
export function createRecorder(compiled: Compiled, memory: DeviceMemory, mostGroups: number): Recorder {
  const { plan, tables, places, passRows, graph } = compiled;
  const denseOptimizer = optimizers.build(plan.optimizers.dense);
  const scratchAt = new Map<string, number>();
  let scratchWords = 0;
  // Where parts of weights' gradients lie is known before any list is recorded: index lists of the first batch go
  // behind them.
  for (const { kernel, args } of Object.values(compiled.lists).flat()) {
    if (kernel !== 'gemmGradient' || scratchAt.has(scratchKey(args))) continue;
    scratchAt.set(scratchKey(args), scratchWords);
    const of = (argument: string): number => args[argumentNames(kernel).indexOf(argument)]!;
    if (partsOf(passRows) > 1) scratchWords += of('k') * of('panels') * 8 * partsOf(passRows);
  }
  const byDistinct = new Map(tables.all.map((table) => [table.distinct, table]));
  const byRows = new Map(tables.all.map((table) => [table.at, table]));
  const perWeight = ({ slots }: Optimizer): number => slots.filter(({ per }) => per === 'weight').length;

  const extraOf = (name: string, table: TablePlace | undefined): Extra => {
    if (table !== undefined && name.endsWith('Table')) {
      const { optimizer } = table.update;
      const rowSlots = memory.rowSlots(table);
      return {
        slots: perWeight(optimizer),
        keeps: optimizer.slots.length - perWeight(optimizer),
        ...(rowSlots !== undefined && { rowSlots: memory.wordAt(rowSlots) }),
      };
    }
    return /(Dense|Tensor)$/.test(name) ? { slots: perWeight(denseOptimizer) } : {};
  };

  const input = (): Place =>
    places.of(graph.values.find((value) => value.op === 'input' && value.source.kind === 'features')!);
  /**
   * What items of a table's list are: numbers of floats from the begin of the input on, `first` bytes further and
   * `spread` apart where they are rows.
   */
  const listOf = ({
    fields,
  }: TablePlace): { readonly hasFactors: boolean; readonly first: number; readonly spread: number } => {
    const { hasFactors, isShort } = listForm(
      fields.map(({ kind }) => kind === 'bag'),
      places.maxRows,
    );
    return { hasFactors, first: isShort ? fields[0]!.offset * WORD : 0, spread: isShort ? input().ld : 0 };
  };

  /** Plans a call of a kernel: several where its table lies in several buffers. */
  const planned = (
    name: string,
    names: readonly string[],
    kernel: RowKernel | OwnKernel,
    values: readonly number[],
    isRows: readonly number[] = [],
    more: Extra = {},
  ): readonly Planned[] => {
    const valueOf = (argument: string): number => values[names.indexOf(argument)] ?? 0;
    const table = byDistinct.get(valueOf('distinct')) ?? byRows.get(valueOf('table'));
    const piecesOf = (isWritten: boolean): ReadonlySet<number> =>
      new Set(
        names.flatMap((argument, i) =>
          argumentKind(name, argument) === 'address' &&
          values[i] !== 0 &&
          (kernel.writes ?? []).includes(argument) === isWritten
            ? [memory.pieceAt(values[i]!)]
            : [],
        ),
      );
    const touches = new Set(
      names.flatMap((argument, i) =>
        ['address', 'table'].includes(argumentKind(name, argument)) && values[i] !== 0
          ? [memory.pieceAt(values[i]!)]
          : [],
      ),
    );
    const shared = {
      name,
      names,
      kernel,
      values,
      isRows,
      table,
      touches,
      isByRows: kernel.form === 'rows',
      isApart: kernel.form === 'own' && kernel.isApart === true,
      reads: piecesOf(false),
      writes: piecesOf(true),
    };
    const pack = (extra: Extra, at = 0): Uint32Array<ArrayBuffer> =>
      packCall(
        name,
        names,
        values,
        (i) => isRows.includes(i),
        memory,
        { ...extraOf(name, table), ...more, ...extra },
        at,
      );
    if (!names.includes('table')) return [{ ...shared, words: pack({}), tableBuffer: 0 }];
    return memory.partsOf(table!).map(({ buffer, at, rowBegin, rowEnd }) => ({
      ...shared,
      words: pack({ rowBegin, rowEnd }, at),
      tableBuffer: buffer,
    }));
  };

  /** Dispatches of calls that do not meet. */
  const inDispatches = (calls: readonly Planned[]): Dispatch[] =>
    inSharedDispatches(calls).map((groups): Dispatch => {
      const kernels = groups.map(([{ name, names, kernel }, ...more]) => {
        if (kernel.form !== 'own') throw new Error(`'${name}' has no dispatch of its own`);
        return { name, names, kernel, calls: more.length + 1 };
      });
      const all = groups.flat();
      return {
        kernels: kernels.map(({ name }) => name),
        shader: ownShader(kernels),
        arguments: all.map(({ words }) => words),
        tableBuffer: all.find(({ names }) => names.includes('table'))?.tableBuffer,
        workgroups: workgroupsOf(all, mostGroups),
      };
    });

  /** Dispatches of calls by rows that follow each other. */
  const inTurn = (calls: readonly Planned[]): Dispatch[] => {
    const dispatches: Dispatch[] = [];
    for (let begin = 0; begin < calls.length; begin += MAX_CALLS) {
      const part = calls.slice(begin, begin + MAX_CALLS);
      const named = new Map(
        part.map(({ name, names, kernel }) => {
          if (kernel.form !== 'rows') throw new Error(`'${name}' is not by rows`);
          return [name, { name, names, kernel }] as const;
        }),
      );
      // In the order of their names, so that other calls of the same kernels have the same shader.
      const kernels = [...named.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
      const codes = new Map(kernels.map(({ name }, code) => [name, code]));
      for (const { name, words } of part) putExtra(words, { calls: part.length, code: codes.get(name)! });
      dispatches.push({
        kernels: kernels.map(({ name }) => name),
        shader: rowsShader(kernels),
        arguments: part.map(({ words }) => words),
        tableBuffer: undefined,
        workgroups: workgroupsInTurn(part),
      });
    }
    return dispatches;
  };

  /** What a call becomes that the kernels' own engine makes of one. */
  const expanded = (
    { kernel: name, args, rowsAt }: Call,
    areas: number,
    halves: Halves | undefined,
    hasLists: boolean,
  ): { readonly first: readonly Planned[]; readonly then: readonly Planned[] } => {
    const kernelName = name as KernelName;
    const names = argumentNames(kernelName);
    const of = (argument: string): number => args[names.indexOf(argument)] ?? 0;
    if (kernelName === 'gatherGradients' || kernelName === 'gatherBagGradients') {
      if (of('isFirstField') === 0) return { first: [], then: [] };
      const table = byDistinct.get(of('distinct'))!;
      const { hasFactors, first, spread } = listOf(table);
      const values = [
        input().gradient + first,
        table.width,
        table.distinct,
        of('gradients'),
        hasFactors ? 1 : 0,
        spread,
      ];
      return {
        first: planned('gatherSegments', GATHER_ARGUMENTS, GATHER.segments, values),
        then: planned('gatherRows', GATHER_ARGUMENTS, GATHER.rows, values),
      };
    }
    if (kernelName === 'lookup' && hasLists) {
      const table = byRows.get(of('table'))!;
      const { hasFactors, first, spread } = listOf(table);
      if (!hasFactors) {
        // All fields of a table at once.
        const isFirst = of('y') === input().at + table.fields[0]!.offset * WORD;
        return {
          first: isFirst
            ? planned('lookup by lists', LOOKUP_ARGUMENTS, GATHER.lookup, [
                input().at + first,
                table.width,
                table.distinct,
                table.at,
                table.stride,
                spread,
              ])
            : [],
          then: [],
        };
      }
    }
    if (kernelName === 'refuseUnlessFinite') {
      const { at, areaBytes } = compiled.passGradients;
      const dense = planned('watchRange', WATCH_ARGUMENTS, WATCH_RANGE, [at, areaBytes, areas, places.weightsCount, 0]);
      return {
        first: [],
        then: [
          ...dense,
          ...tables.all.flatMap((table) =>
            planned('watchRange', WATCH_ARGUMENTS, WATCH_RANGE, [
              table.gradients,
              table.areaBytes,
              areas,
              table.width,
              table.count,
            ]),
          ),
        ],
      };
    }
    const kernel = kernelOf(kernelName);
    if (kernel.form === 'host') return { first: [], then: [] };
    if (kernelName === 'gemm') {
      const form = isNarrow(of('panels')) ? 'narrow' : 'wide';
      if (halves === undefined)
        return { first: planned(`gemm ${form}`, names, PRODUCTS[form], args, rowsAt), then: [] };
      const way = halves.transposed.has(of('panelsAt')) ? 'back' : 'forward';
      return { first: planned(`gemm ${form} half ${way}`, names, HALF_PRODUCTS[way][form], args, rowsAt), then: [] };
    }
    if (kernelName === 'gemmGradient') {
      const scratch = { scratch: scratchAt.get(scratchKey(args))! };
      const [own, by] = halves === undefined ? [name, kernel] : [`${name} half`, HALF_PRODUCTS.gradient];
      return {
        first: planned(own, names, by, args, rowsAt, scratch),
        then: planned('gemmGradientSum', names, WEIGHT_GRADIENT_SUM, args, rowsAt, scratch),
      };
    }
    const calls = planned(name, names, kernel, args, rowsAt);
    if (!name.endsWith('Table') || of('tableRows') === 0) return { first: calls, then: [] };
    const rowSlots = { rowSlots: memory.wordAt(memory.rowSlots(byDistinct.get(of('distinct'))!)!) };
    const mark = (isMarked: number): readonly Planned[] =>
      planned(
        isMarked ? 'markRows' : 'unmarkRows',
        MARK_ARGUMENTS,
        GATHER.mark,
        [of('distinct'), isMarked],
        [],
        rowSlots,
      );
    return { first: [...mark(1), ...calls], then: mark(0) };
  };

  /** Calls between two barriers: those by rows in their order, then all others, kernel by kernel. */
  const recordPhase = (
    calls: readonly Call[],
    areas: number,
    halves: Halves | undefined,
    hasLists: boolean,
    isLast: (call: Call) => boolean,
  ): Dispatch[] => {
    const parts = calls
      .filter((call) => call.kernel !== 'refuseUnlessFinite' || isLast(call))
      .map((call) => expanded(call, areas, halves, hasLists));
    const first = parts.flatMap((part) => part.first);
    const ordered = first.filter(({ kernel }) => kernel.form === 'rows' || kernel.writes !== undefined);
    const others = first.filter((call) => !ordered.includes(call));
    return [
      ...inGroups(ordered).flatMap((group) => (group.isByRows ? inTurn(group.calls) : inDispatches(group.calls))),
      ...inDispatches(others),
      ...inDispatches(parts.flatMap((part) => part.then)),
    ];
  };

  return {
    scratchWords,
    record(list) {
      const areas = list === 'diagnosis' ? compiled.termAreas : list === 'pass' ? compiled.areas : 1;
      const all = compiled.lists[list];
      const last = all.findLast(({ kernel }) => kernel === 'refuseUnlessFinite');
      const phases: Call[][] = [[]];
      for (const call of all) {
        if (call.kernel === 'barrier') phases.push([]);
        else phases.at(-1)!.push(call);
      }
      // Predictions are in single precision, as what is measured of them.
      const halves =
        compiled.precision === 'f16' && list !== 'predict' && list !== 'evaluate'
          ? { transposed: transposedOf(all) }
          : undefined;
      return phases.flatMap((calls) =>
        recordPhase(calls, areas, halves, WITH_LISTS.includes(list), (call) => call === last),
      );
    },
  };
}
