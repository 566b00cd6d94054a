import { column, type Batch } from '../../core/batch.js';
import type { Numbers } from '../../core/process-group.js';
import { bagsBetweenRows } from '../../tables/between-rows.js';
import type { TermLoss } from '../engine.js';
import { shift, WORD } from '../compile/buffers.js';
import { keptRoom } from './kept-room.js';
import type { Kernels } from './kernels.js';
import type { Layout } from '../compile/layout.js';
import type { CpuMemory } from './memory.js';
import { partOf, type Part } from './part-of.js';
import { createRowFinder } from './row-finder.js';
import { createRowStage } from './row-stage.js';
import { segmentsOf, type Segments } from './segments.js';
import type { TablePlace } from '../compile/tables.js';
import type { TeamWatch } from './team.js';

/** Exchanges between the processes of a step, besides those within its lists. */
export interface Exchange {
  /** Returns this process's part of the rows of a pass. */
  own(begin: number, rows: number): Part;
  /** Fetches the rows of sharded tables that parts of a batch look up. */
  fetch(batch: Batch, parts: readonly Part[]): void;
  /** Writes the row indices of a part's lookups to where calls read them. */
  place(part: number): void;
  /**
   * All-reduces the gradients in `areas` areas: of dense weights, except the first `done` ones if these are already
   * summed, and of the rows of tables that are updated.
   */
  gradients(areas: number, done?: number): void;
  /** Averages running statistics over all processes, weighted by the rows of each, if each normalizes its own rows. */
  statistics(rows: number): void;
  /** All-reduces the losses; from then on, all processes agree on whether the step is skipped. */
  losses(own: ReadonlyMap<string, TermLoss>): Map<string, TermLoss>;
  /** Makes all processes agree on whether the step is skipped. */
  agree(): void;
  /** All-gathers a column, in rank order. */
  column(own: Float32Array, all: Float32Array): void;
}

/** A single process exchanges nothing. */
const NOTHING: Exchange = {
  own: (begin, rows) => ({ begin, rows }),
  fetch: () => undefined,
  place: () => undefined,
  gradients: () => undefined,
  statistics: () => undefined,
  losses: (own) => new Map(own),
  agree: () => undefined,
  column: (own, all) => all.set(own),
};

/**
 * Creates the exchanges of a plan's steps.
 * @param kernels an instance on its memory, for this thread alone
 * @param watch called before each exchange
 */
export function createExchange(
  of: Layout,
  cpu: CpuMemory,
  kernels: Kernels,
  { onExchange = () => undefined }: Pick<TeamWatch, 'onExchange'>,
): Exchange {
  const { layout, peers, tables, gradients, refused, places, allRows, early } = of;
  if (peers.size === 1) return NOTHING;
  const { rank, size } = peers;
  const { memory, image } = cpu;
  const { floats, words, wordAt } = image;
  const refusedAt = wordAt(refused);
  const stage = createRowStage(of, cpu, kernels);
  const dealt = tables.all
    .filter(({ isDealt }) => isDealt)
    .map((table) => ({ table, found: createRowFinder(table, size) }));
  const dealtTables = dealt.map(({ table }) => table);
  const whole = tables.all.filter(({ isDealt }) => !isDealt);
  const withBags = bagsBetweenRows(layout);
  const widthsOf = (all: readonly TablePlace[]): number[] => all.map(({ width }) => width);
  const rowsOf = (all: readonly TablePlace[]): number[] => all.map(() => 1);
  const processes = Array.from({ length: size }, (_, r) => r);
  /**
   * Rows that this process requested from each process and that each requested from it in the step, by process and
   * sharded table, and their numbers.
   */
  let wanted: Uint32Array = new Uint32Array(0);
  let asked: Uint32Array = new Uint32Array(0);
  let askedRows: Uint32Array = new Uint32Array(0);

  const floatRoom = (): ((length: number) => Float32Array) => keptRoom((length) => new Float32Array(length));
  const wordRoom = (): ((length: number) => Uint32Array) => keptRoom((length) => new Uint32Array(length));
  const [outFloats, inFloats, outWords, inWords, ofAsked, ofSlots] = [
    floatRoom(),
    floatRoom(),
    wordRoom(),
    wordRoom(),
    wordRoom(),
    wordRoom(),
  ];

  const exchanged = <Data extends Numbers>(out: Data, sent: Segments, into: Data, received: Segments): Data => {
    peers.allToAll(out, sent.bytes, into, received.bytes);
    return into;
  };

  /** Adds the gradients of all processes, in rank order, to those that update the tables. */
  const merge = (
    all: readonly TablePlace[],
    counts: Uint32Array,
    rows: Uint32Array,
    from: Float32Array,
    area: number,
    areas: number,
  ): void => {
    const [numbers, at] = [segmentsOf(counts, widthsOf(all)), segmentsOf(counts, rowsOf(all))];
    for (const [t, table] of all.entries()) {
      words[wordAt(table.count) + 2] = Math.min(
        table.most,
        processes.reduce((sum, r) => sum + at.rows(r, t), 0),
      );
      for (const r of processes) {
        const [first, count] = [at.begin(r, t), at.rows(r, t)];
        stage.add(
          table,
          rows.subarray(first, first + count),
          from.subarray(numbers.begin(r, t), numbers.begin(r, t) + count * table.width),
          area,
          areas,
          area === 0 && r === 0,
        );
      }
    }
  };

  const dealtGradients = (area: number, areas: number): void => {
    const [sent, received] = [segmentsOf(wanted, widthsOf(dealtTables)), segmentsOf(asked, widthsOf(dealtTables))];
    const out = outFloats(sent.total);
    for (const [t, { table, found }] of dealt.entries()) {
      const {
        name,
        width,
        gathered: { distinct, gradients: first, areaWords, count },
      } = table;
      const [gathered, distinctAt] = [words[wordAt(count)]!, wordAt(distinct)];
      if (gathered !== found.count)
        throw new Error(`${gathered} rows of '${name}' have gradients, where ${found.count} were looked up`);
      const slotOf = ofSlots(gathered);
      for (let slot = 0; slot < gathered; slot++) slotOf[words[distinctAt + slot]!] = slot;
      const place = { at: shift(first, area * areaWords), stride: width, width };
      for (const r of processes)
        stage.copy(place, slotOf.subarray(found.begins[r], found.begins[r]! + found.counts[r]!), out, sent.begin(r, t));
    }
    onExchange('row gradients');
    merge(dealtTables, asked, askedRows, exchanged(out, sent, inFloats(received.total), received), area, areas);
  };

  /** All-gathers the gradients of tables that every process stores. */
  const wholeGradients = (areas: number): void => {
    const own = Uint32Array.from(whole, ({ gathered: { count } }) => words[wordAt(count)]!);
    const counts = new Uint32Array(size * whole.length);
    onExchange('small tables');
    peers.allGather(own, counts);
    /** All-gathers a region of each table's memory. */
    const gathered = <Data extends Uint32Array | Float32Array>(
      all: Data,
      segments: Segments,
      piece: (table: TablePlace, rows: number) => Uint32Array | Float32Array,
      out: Data,
    ): Data => {
      let to = 0;
      for (const [t, table] of whole.entries()) {
        const numbers = piece(table, own[t]!);
        out.set(numbers, to);
        to += numbers.length;
      }
      peers.allGather(out, all, segments.bytes);
      return all;
    };
    const [ofRows, ofNumbers] = [segmentsOf(counts, rowsOf(whole)), segmentsOf(counts, widthsOf(whole))];
    const rows = gathered(
      inWords(ofRows.total),
      ofRows,
      ({ gathered: { distinct } }, count) => words.subarray(wordAt(distinct), wordAt(distinct) + count),
      outWords(ofRows.bytes[rank]! / WORD),
    );
    for (let area = 0; area < areas; area++) {
      const from = gathered(
        inFloats(ofNumbers.total),
        ofNumbers,
        ({ width, gathered: { gradients: at, areaWords } }, count) => {
          const begin = wordAt(at) + area * areaWords;
          return floats.subarray(begin, begin + count * width);
        },
        outFloats(ofNumbers.bytes[rank]! / WORD),
      );
      merge(whole, counts, rows, from, area, areas);
    }
  };

  const together = (own: ReadonlyMap<string, TermLoss>): Map<string, TermLoss> => {
    if (early !== undefined) {
      onExchange('dense gradients');
      peers.waitAllReduce();
    }
    const sums = Float64Array.from([
      words[refusedAt]!,
      ...[...own.values()].flatMap(({ mean, rows }) => [rows === 0 ? 0 : mean * rows, rows]),
    ]);
    onExchange('losses');
    peers.allReduceSumF64(sums);
    words[refusedAt] = sums[0] === 0 ? 0 : 1;
    return new Map(
      [...own.keys()].map((name, t) => [
        name,
        { mean: sums[2 * t + 1]! / Math.max(sums[2 * t + 2]!, 1), rows: sums[2 * t + 2]! },
      ]),
    );
  };

  return {
    own(begin, rows) {
      const part = partOf(rank, size, rows);
      return { begin: begin + part.begin, rows: part.rows };
    },

    fetch(batch, parts) {
      if (dealt.length === 0) return;
      const { ids, bags } = withBags(batch);
      for (const { table, found } of dealt)
        found.find(
          table.fields.map(({ kind, field }) => (kind === 'bag' ? column(bags, field) : { ids: column(ids, field) })),
          parts,
        );
      wanted = Uint32Array.from(
        { length: size * dealt.length },
        (_, i) => dealt[i % dealt.length]!.found.counts[Math.floor(i / dealt.length)]!,
      );
      asked = new Uint32Array(wanted.length);
      const each = segmentsOf(new Uint32Array(size * dealt.length).fill(1), rowsOf(dealtTables));
      onExchange('row numbers');
      exchanged(wanted, each, asked, each);

      const [out, into] = [segmentsOf(wanted, rowsOf(dealtTables)), segmentsOf(asked, rowsOf(dealtTables))];
      const rows = outWords(out.total);
      for (const [t, { found }] of dealt.entries())
        for (const r of processes) rows.set(found.rowsOf(r), out.begin(r, t));
      askedRows = exchanged(rows, out, ofAsked(into.total), into);

      // Rows of this process are already stored among all looked-up rows.
      const others = (counts: Uint32Array): Uint32Array =>
        counts.map((count, i) => (Math.floor(i / dealt.length) === rank ? 0 : count));
      const [given, taken] = [
        segmentsOf(others(asked), widthsOf(dealtTables)),
        segmentsOf(others(wanted), widthsOf(dealtTables)),
      ];
      const numbers = outFloats(given.total);
      for (const r of processes) {
        for (const [
          t,
          {
            table,
            found: { begins },
          },
        ] of dealt.entries()) {
          const own = askedRows.subarray(into.begin(r, t), into.begin(r, t) + into.rows(r, t));
          if (r === rank) stage.copyWithin(table, own, shift(table.looked.at, begins[r]! * table.width));
          else stage.copy(table, own, numbers, given.begin(r, t));
        }
      }
      onExchange('rows');
      const found = exchanged(numbers, given, inFloats(taken.total), taken);
      for (const [
        t,
        {
          table: { looked, width },
          found: { begins },
        },
      ] of dealt.entries()) {
        for (const r of processes)
          floats.set(
            found.subarray(taken.begin(r, t), taken.begin(r, t) + taken.rows(r, t) * width),
            wordAt(looked.at) + begins[r]! * width,
          );
      }
    },

    place(part) {
      for (const { table, found } of dealt) {
        for (const [f, { kind, field }] of table.fields.entries()) {
          const at =
            kind === 'bag'
              ? words[wordAt(tables.bag(table, field).addresses)]! / WORD
              : wordAt(tables.ids(table, field));
          // Bags may have grown the memory.
          new Uint32Array(memory.buffer).set(found.looked(f, part), at);
        }
      }
    },

    gradients(areas, done = 0) {
      kernels.join(0, 1, 0);
      const count = areas * places.weightsCount;
      onExchange('dense gradients');
      const begin = wordAt(gradients.at);
      peers.allReduceSumF32(floats.subarray(begin + done, begin + count));
      kernels.watchAll(begin * WORD, count);
      // The merge replaces the rows gathered by the passes.
      words[wordAt(tables.fresh)] = 1;
      if (dealt.length > 0) for (let area = 0; area < areas; area++) dealtGradients(area, areas);
      if (whole.length > 0) wholeGradients(areas);
      kernels.refuseUnlessFinite(refusedAt * WORD);
    },

    statistics(rows) {
      if (allRows !== undefined || places.runningCount === 0) return;
      const begin = wordAt(places.running);
      const own = floats.subarray(begin, begin + places.runningCount);
      const sums = new Float64Array(own.length + 1).fill(rows);
      for (let i = 0; i < own.length; i++) sums[i]! *= own[i]!;
      onExchange('sums');
      peers.allReduceSumF64(sums);
      for (let i = 0; i < own.length; i++) own[i] = sums[i]! / sums[own.length]!;
    },

    losses: together,
    agree: () => void together(new Map()),

    column(own, all) {
      onExchange('predictions');
      peers.allGather(
        own,
        all,
        Float64Array.from(processes, (r) => partOf(r, size, all.length).rows * WORD),
      );
    },
  };
}
