import { column, type Batch } from '../../core/batch.js';
import { interpolateRows } from '../../tables/interpolate-rows.js';
import { shift, WORD } from '../compile/buffers.js';
import type { Layout } from '../compile/layout.js';
import type { TablePlace } from '../compile/tables.js';
import type { OnExchange } from './kernels.js';
import type { CpuMemory } from './memory.js';
import type { Part } from './local-rows.js';
import { RowFinder } from './row-finder.js';
import type { RowStage } from './row-stage.js';
import { createFloatScratch, createWordScratch } from './scratch-array.js';
import { computeSegments, type Segments } from './segments.js';

/**
 * The tables whose rows are sharded among the processes of a step: fetches the rows that this process looks up from
 * their owners, and sends their gradients back.
 */
export class ShardedTables {
  readonly #layout: Layout;
  readonly #cpu: CpuMemory;
  readonly #stage: RowStage;
  readonly #onExchange: OnExchange;
  readonly #withBags: (batch: Batch) => Batch;
  readonly #tables: readonly TablePlace[];
  /** One entry per table. */
  readonly #finders: readonly RowFinder[];
  readonly #takeSent = createFloatScratch();
  readonly #takeReceived = createFloatScratch();
  readonly #takeRequestedRows = createWordScratch();
  readonly #takeServedRows = createWordScratch();
  readonly #takeSlots = createWordScratch();
  /** The rows of the step that this process requested from each process, and those that each requested from it. */
  #requested: Segments;
  #served: Segments;
  #servedRows = this.#takeServedRows(0);

  constructor(layout: Layout, cpu: CpuMemory, stage: RowStage, onExchange: OnExchange) {
    this.#layout = layout;
    this.#cpu = cpu;
    this.#stage = stage;
    this.#onExchange = onExchange;
    this.#withBags = interpolateRows(layout.plan.layout);
    this.#tables = layout.tables.all.filter(({ isSharded }) => isSharded);
    this.#finders = this.#tables.map((table) => new RowFinder(table, layout.peers.size));
    this.#requested = this.#served = this.#segmentsOf(() => 0);
  }

  /** Fetches the rows that parts of a batch look up. */
  fetch(batch: Batch, parts: readonly Part[]): void {
    if (this.#tables.length === 0) return;
    this.#find(this.#withBags(batch), parts);
    this.#exchangeCounts();
    this.#exchangeRequests();
    this.#exchangeRows();
  }

  /** Writes the numbers of the fetched rows that a part looks up to where calls read them. */
  place(part: number): void {
    const { words, wordAt } = this.#cpu.image;
    const { tables } = this.#layout;
    // Items may have grown the memory.
    const memory = new Uint32Array(this.#cpu.memory.buffer);
    for (const [t, table] of this.#tables.entries()) {
      const begins = table.lookups.map((lookup) =>
        lookup.kind === 'pooled'
          ? words[wordAt(tables.bag(table, lookup.field))]! / WORD
          : wordAt(tables.ids(table, lookup)),
      );
      for (const [f, begin] of begins.entries()) memory.set(this.#finders[t]!.looked(f, part), begin);
    }
  }

  /** Sends the gradients of fetched rows to their owners, which add them up. */
  exchangeGradients(areas: number): void {
    if (this.#tables.length === 0) return;
    const { elements: out } = this.#requested;
    const { elements: into } = this.#served;
    for (let area = 0; area < areas; area++) {
      const sent = this.#takeSent(out.total);
      for (const [t, table] of this.#tables.entries()) this.#copyGradients(t, table, area, sent);
      this.#onExchange('row gradients');
      const gradients = this.#takeReceived(into.total);
      this.#layout.peers.allToAll(sent, out.bytes, gradients, into.bytes);
      this.#stage.merge(this.#tables, { segments: this.#served, rows: this.#servedRows, gradients, area, areas });
    }
  }

  #find(batch: Batch, parts: readonly Part[]): void {
    for (const [t, { lookups }] of this.#tables.entries()) {
      const columns = lookups.map(({ kind, field }) =>
        kind === 'id' ? { ids: column(batch, field, 'u32').data } : column(batch, field, 'list'),
      );
      this.#finders[t]!.find(columns, parts);
    }
  }

  #exchangeCounts(): void {
    const { size } = this.#layout.peers;
    const requested = this.#countsOf((r, t) => this.#finders[t]!.counts[r]!);
    const served = new Uint32Array(requested.length);
    const bytes = new Float64Array(size).fill(this.#tables.length * WORD);
    this.#onExchange('row numbers');
    this.#layout.peers.allToAll(requested, bytes, served, bytes);
    this.#requested = computeSegments(requested, this.#tables);
    this.#served = computeSegments(served, this.#tables);
  }

  #exchangeRequests(): void {
    const [out, into] = [this.#requested.rows, this.#served.rows];
    const rows = this.#takeRequestedRows(out.total);
    this.#forEachSegment((r, t) => rows.set(this.#finders[t]!.rowsOf(r), out.begin(r, t)));
    this.#servedRows = this.#takeServedRows(into.total);
    this.#layout.peers.allToAll(rows, out.bytes, this.#servedRows, into.bytes);
  }

  #exchangeRows(): void {
    const { peers } = this.#layout;
    const { rank } = peers;
    // Rows of this process are copied within its memory.
    const { elements: out } = this.#segmentsOf((r, t) => (r === rank ? 0 : this.#served.count(r, t)));
    const { elements: into } = this.#segmentsOf((r, t) => (r === rank ? 0 : this.#requested.count(r, t)));
    const sent = this.#takeSent(out.total);
    this.#forEachSegment((r, t, table) => {
      const begin = this.#served.rows.begin(r, t);
      const rows = this.#servedRows.subarray(begin, begin + this.#served.count(r, t));
      if (r === rank) this.#stage.copyWithin(table, rows, shift(table.looked.at, this.#beginOf(r, t)));
      else this.#stage.copy(table, rows, sent, out.begin(r, t));
    });
    this.#onExchange('rows');
    const received = this.#takeReceived(into.total);
    peers.allToAll(sent, out.bytes, received, into.bytes);
    const { floats, wordAt } = this.#cpu.image;
    this.#forEachSegment((r, t, { looked, width }) => {
      if (r === rank) return;
      const begin = into.begin(r, t);
      const elements = received.subarray(begin, begin + this.#requested.count(r, t) * width);
      floats.set(elements, wordAt(looked.at) + this.#beginOf(r, t));
    });
  }

  /** Copies the gradients of a table's fetched rows to `out`, by owner. */
  #copyGradients(t: number, { name, width, gathered }: TablePlace, area: number, out: Float32Array): void {
    const { words, wordAt } = this.#cpu.image;
    const [found, count, distinct] = [this.#finders[t]!, words[wordAt(gathered.count)]!, wordAt(gathered.distinct)];
    if (count !== found.count)
      throw new Error(`${count} rows of '${name}' have gradients, where ${found.count} were looked up`);
    const slots = this.#takeSlots(count);
    for (let slot = 0; slot < count; slot++) slots[words[distinct + slot]!] = slot;
    const from = { at: shift(gathered.gradients, area * gathered.areaWords), stride: width, width };
    for (let r = 0; r < this.#layout.peers.size; r++) {
      const begin = found.begins[r]!;
      const rows = slots.subarray(begin, begin + found.counts[r]!);
      this.#stage.copy(from, rows, out, this.#requested.elements.begin(r, t));
    }
  }

  /** Returns the first element of the rows that a process owns among the fetched rows. */
  #beginOf(r: number, t: number): number {
    return this.#finders[t]!.begins[r]! * this.#tables[t]!.width;
  }

  /** Visits each process and each table. */
  #forEachSegment(visit: (r: number, t: number, table: TablePlace) => void): void {
    for (let r = 0; r < this.#layout.peers.size; r++)
      for (const [t, table] of this.#tables.entries()) visit(r, t, table);
  }

  #countsOf(countOf: (r: number, t: number) => number): Uint32Array {
    const counts: number[] = [];
    this.#forEachSegment((r, t) => counts.push(countOf(r, t)));
    return Uint32Array.from(counts);
  }

  #segmentsOf(countOf: (r: number, t: number) => number): Segments {
    return computeSegments(this.#countsOf(countOf), this.#tables);
  }
}
