import { WORD } from '../compile/buffers.js';
import type { Layout } from '../compile/layout.js';
import type { TablePlace } from '../compile/tables.js';
import type { OnExchange } from './kernels.js';
import type { CpuMemory } from './memory.js';
import type { RowStage } from './row-stage.js';
import { createFloatScratch, createWordScratch } from './scratch-array.js';
import { computeSegments } from './segments.js';

/** The tables that every process of a step stores: all-gathers the gradients of their rows. */
export class ReplicatedTables {
  readonly #layout: Layout;
  readonly #cpu: CpuMemory;
  readonly #stage: RowStage;
  readonly #onExchange: OnExchange;
  readonly #tables: readonly TablePlace[];
  readonly #takeOwnRows = createWordScratch();
  readonly #takeRows = createWordScratch();
  readonly #takeOwn = createFloatScratch();
  readonly #takeGradients = createFloatScratch();

  constructor(layout: Layout, cpu: CpuMemory, stage: RowStage, onExchange: OnExchange) {
    this.#layout = layout;
    this.#cpu = cpu;
    this.#stage = stage;
    this.#onExchange = onExchange;
    this.#tables = layout.tables.gathered.filter(({ isSharded }) => !isSharded);
  }

  /** Adds up the gradients of all processes, in rank order. */
  exchangeGradients(areas: number): void {
    if (this.#tables.length === 0) return;
    const { peers } = this.#layout;
    const { words, floats, wordAt } = this.#cpu.image;
    const own = Uint32Array.from(this.#tables, ({ gathered: { count } }) => words[wordAt(count)]!);
    const counts = new Uint32Array(peers.size * own.length);
    this.#onExchange('small tables');
    peers.allGather(own, counts);
    const segments = computeSegments(counts, this.#tables);
    const ownRows = this.#takeOwnRows(segments.rows.bytes[peers.rank]! / WORD);
    this.#copy(ownRows, ({ gathered: { distinct } }, t) => {
      const begin = wordAt(distinct);
      return words.subarray(begin, begin + own[t]!);
    });
    const rows = this.#takeRows(segments.rows.total);
    peers.allGather(ownRows, rows, segments.rows.bytes);
    for (let area = 0; area < areas; area++) {
      const out = this.#takeOwn(segments.elements.bytes[peers.rank]! / WORD);
      this.#copy(out, ({ width, gathered: { gradients: at, areaWords } }, t) => {
        const begin = wordAt(at) + area * areaWords;
        return floats.subarray(begin, begin + own[t]! * width);
      });
      const gradients = this.#takeGradients(segments.elements.total);
      peers.allGather(out, gradients, segments.elements.bytes);
      this.#stage.merge(this.#tables, { segments, rows, gradients, area, areas });
    }
  }

  /** Concatenates a region of each table's memory. */
  #copy<Data extends Uint32Array | Float32Array>(out: Data, regionOf: (table: TablePlace, t: number) => Data): void {
    let at = 0;
    for (const [t, table] of this.#tables.entries()) {
      const region = regionOf(table, t);
      out.set(region, at);
      at += region.length;
    }
  }
}
