import { cancelledBiases, neededFor, type Graph } from '../../graph/graph.js';
import { isLoss, type LossValue, type Value } from '../../graph/operations.js';
import { sizeOf } from '../../tensor.js';
import type { Plan } from '../engine.js';
import { createArena, WORD, type Arena } from './arena.js';
import { placeBags, POOLING_NUMBERS, type BagPlace } from './bags.js';
import { lowerLoss } from './losses.js';
import type { Lowering, Mode } from './lowering.js';
import { LOWERED } from './operations.js';
import { inPhases } from './phases.js';
import { createPlaces, type Place, type Places } from './places.js';
import { createCallList, ROWS, type Call } from './call-list.js';

/** Where one table and what belongs to it lie. */
export interface TablePlace {
  readonly name: string;
  readonly rows: number;
  readonly width: number;
  /** Floats from row to row: the weights, then each of the optimizer's slots, `width` each. */
  readonly stride: number;
  readonly at: number;
  readonly hash: number;
  readonly distinct: number;
  readonly gradients: number;
  /** Three words: the number of distinct rows, one for the kernels, and what it can be at the most in this batch. */
  readonly count: number;
}

/** A plan in full: calls, and where everything lies that is written before or read after. */
export interface Compiled {
  readonly arena: Arena;
  readonly places: Places;
  readonly lists: Readonly<Record<Mode, readonly Call[]>>;
  readonly tables: readonly TablePlace[];
  readonly bags: ReadonlyMap<string, BagPlace>;
  /** Constants of the dense optimizer, then of the tables': 16 floats each. */
  readonly constants: number;
  /** Becomes 1 where a loss or a running statistic is not finite: then nothing is updated. */
  readonly refused: number;
  /** All running statistics in one piece, with whatever lies between them: address, and numbers. */
  readonly running: { readonly at: number; readonly length: number };
  /** Slots and gradients of the dense weights lie as these do. */
  readonly denseSlots: readonly number[];
  readonly denseGradients: number;
  /** By dropout value: its key of the step. */
  readonly dropoutKeys: ReadonlyMap<number, number>;
  /** By term: mean loss and rows, two doubles. */
  readonly losses: ReadonlyMap<string, number>;
  readonly predictions: ReadonlyMap<string, Place>;
  column(kind: 'id' | 'number', field: string): number;
}

/** An entry of the table, whatever its operation. */
interface Lowered {
  isByColumns?(value: Value): boolean;
  forward(value: Value, lowering: Lowering): void;
  backward(value: Value, lowering: Lowering): void;
}

/** Lays a plan out from byte `begin` on and lists the calls of a step. */
export function compile({ graph, layout, optimizers }: Plan, begin: number, maxRows: number, numSlots: number): Compiled {
  const arena = createArena(begin);
  const barrierWords = arena.take('barrier', 16);
  if (barrierWords !== begin) throw new Error('the barrier comes first');
  const places = createPlaces(arena, graph, maxRows);
  const denseSlots = Array.from({ length: numSlots }, (_, s) => arena.take(`dense slot ${s}`, places.weightsCount));
  const denseGradients = arena.take('dense gradients', places.weightsCount);
  const constants = arena.take('constants', 32);
  const refused = arena.take('refused', 1);
  const ranges = graph.parameters.filter(({ isTrainable }) => !isTrainable).map((parameter) => ({ at: places.vector(parameter), end: places.vector(parameter) + sizeOf(parameter.shape) * WORD }));
  const runningBegin = Math.min(...ranges.map(({ at }) => at));
  const running = ranges.length === 0 ? { at: 0, length: 0 } : { at: runningBegin, length: (Math.max(...ranges.map(({ end }) => end)) - runningBegin) / WORD };
  const claims = arena.take('claims', layout.tables.length);
  const dropoutKeys = new Map(graph.values.flatMap(({ op, id }) => (op === 'dropout' ? [[id, arena.take(`key ${id}`, 1)] as const] : [])));
  const losses = new Map(graph.terms.map(({ name }) => [name, arena.take(`loss ${name}`, 4)]));
  const column: Compiled['column'] = (kind, name) => arena.take(`${kind} ${name}`, maxRows);
  const bags = placeBags(layout, arena, maxRows);
  const tables = layout.tables.map(({ name, rows, width }): TablePlace => {
    const fields = layout.columns.filter((columns) => columns.kind !== 'number' && columns.table === name);
    // How many items a bag has is not known before there is a batch.
    const most = fields.some(({ kind }) => kind === 'bag') ? rows : Math.min(rows, maxRows * fields.length);
    const stride = width * (1 + numSlots);
    const take = (what: string, words: number): number => arena.take(`table ${what} ${name}`, words);
    return {
      name, rows, width, stride,
      at: take('rows', rows * stride),
      hash: take('hash table', 4 * most),
      distinct: take('distinct', most),
      gradients: take('gradients', most * width),
      count: take('count', 3),
    };
  });

  // Workers take tables as they come free, the large ones first.
  const bySize = [...tables].sort((a, b) => b.rows - a.rows);
  const input = graph.values.find((value) => value.op === 'input' && value.source.kind === 'features');
  const cancelled = cancelledBiases(graph);
  const lower = (mode: Mode): readonly Call[] => {
    const values = mode === 'predict' ? neededFor(graph, [...graph.predictions.values()]) : graph.values;
    const computed = values.filter((value): value is Exclude<Value, LossValue> => !isLoss(value));
    const list = createCallList();
    const written = new Set<Value>();
    const lowering: Lowering = {
      mode, places, arena, list, refused, cancelled, computed: new Set<Value>(computed),
      gradientAt: (address) => (address < places.weightsBegin || address >= places.weightsBegin + places.weightsCount * WORD ? address : address - places.weightsBegin + denseGradients),
      accumulate(value) {
        const isAdded = written.has(value);
        written.add(value);
        return isAdded ? 1 : 0;
      },
      dropoutKey: (id) => dropoutKeys.get(id)!,
    };
    // The table's entry for `value.op` takes that operation's value.
    const operation = (value: Exclude<Value, LossValue>): Lowered => LOWERED[value.op];

    if (mode !== 'predict') {
      list.emit('releaseTables', claims, tables.length);
      for (const matrix of matricesOf(graph, places)) list.emit('transposePanels', matrix.at, matrix.transposed, matrix.inputs, matrix.panels);
    }
    if (input !== undefined) {
      const to = places.of(input);
      for (const columns of layout.columns) {
        const at = to.at + columns.offset * WORD;
        if (columns.kind === 'number') list.emit('copyColumns', column('number', columns.field), 1, at, to.ld, ROWS, 1, 0);
        else if (columns.kind === 'bag') {
          const { field, pooling, table: name, width } = columns;
          const table = tables.find((one) => one.name === name)!;
          const bag = bags.get(field)!;
          if (pooling !== 'sum') list.emit('poolingFactors', bag.addresses, bag.offsets, POOLING_NUMBERS[pooling], ROWS);
          list.emit('lookupBags', bag.addresses, bag.offsets, table.at, table.stride, width, at, to.ld, ROWS);
        } else {
          const table = tables.find(({ name }) => name === columns.table)!;
          list.emit('lookup', column('id', columns.field), table.at, table.stride, columns.width, at, to.ld, ROWS);
        }
      }
    }
    const phases = mode === 'predict' ? [computed] : inPhases(computed, (value) => operation(value).isByColumns?.(value) ?? false);
    for (const [i, phase] of phases.entries()) {
      if (i > 0) list.separate();
      for (const value of phase) operation(value).forward(value, lowering);
    }
    if (mode === 'predict') return list.calls;

    // An extreme number may spoil them and leave the losses finite.
    if (mode === 'train' && running.length > 0) list.emit('checkFinite', running.at, refused, running.length);
    for (const { name, loss, weight } of graph.terms) lowerLoss(loss, lowering, arena.take(`row losses ${name}`, maxRows), weight, losses.get(name)!);
    for (const phase of phases.toReversed()) {
      for (const value of phase.toReversed()) {
        const isGroupWritten = value.op === 'linear' && clearUnwritten(value, places, written, list);
        if (written.has(value) || isGroupWritten) operation(value).backward(value, lowering);
      }
      list.separate();
    }
    list.flushSums();
    const [first, second] = denseSlots as [number, number];
    if (input !== undefined && written.has(input)) {
      const from = places.of(input);
      for (const [t, { name, at, stride, width, rows, hash, distinct, gradients, count }] of bySize.entries()) {
        layout.columns
          .filter((columns) => columns.kind !== 'number' && columns.table === name)
          .forEach(({ kind, field, offset }, f) => {
            const rest = [from.gradient + offset * WORD, from.ld, width, hash, distinct, gradients, count, ROWS, f === 0 ? 1 : 0];
            if (kind === 'bag') list.emit('gatherBagGradients', claims + t * WORD, bags.get(field)!.addresses, bags.get(field)!.offsets, ...rest);
            else list.emit('gatherGradients', claims + t * WORD, column('id', field), ...rest);
          });
        if (mode === 'train') list.emit('adamRows', at, stride, width, hash, distinct, gradients, count, constants + 16 * WORD, refused, optimizers.embeddings.lazy ? 0 : rows);
      }
    }
    if (mode === 'inspect') return list.calls;

    list.emit('adamDense', places.weightsBegin, first, second, denseGradients, places.weightsCount, constants, refused);
    return list.calls;
  };

  const lists = { train: lower('train'), inspect: lower('inspect'), predict: lower('predict') };
  const predictions = new Map([...graph.predictions].map(([task, value]) => [task, places.of(value)]));
  for (const value of graph.values) if (value.op === 'input' && value.source.kind === 'label') places.of(value);
  return { arena, places, lists, tables, bags, constants, refused, running, denseSlots, denseGradients, dropoutKeys, losses, predictions, column };
}

function matricesOf(graph: Graph, places: Places) {
  const own = graph.values.flatMap((value) => (value.op === 'attend' ? [value.query, value.key, value.value].map((parameter) => places.matrix(parameter)) : []));
  return [...places.groups.map(({ matrix }) => matrix), ...own];
}

/** Whether any member of a group of linear layers got a gradient; what others left of older steps is cleared. */
function clearUnwritten(value: Extract<Value, { op: 'linear' }>, places: Places, written: Set<Value>, list: ReturnType<typeof createCallList>): boolean {
  const { members } = places.groupOf(value);
  if (members[0] !== value || !members.some((member) => written.has(member))) return false;
  for (const member of members) {
    const place = places.of(member);
    if (!written.has(member)) list.emit('clear', place.gradient, place.ld, ROWS, place.columns);
  }
  return true;
}

