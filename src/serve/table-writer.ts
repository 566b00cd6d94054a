import type { HostTensor } from '../core/tensor.js';
import { listParts } from '../core/tensor.js';
import { dataSection } from '../data/sources/data-state.js';
import { calibrateOutputs } from '../runs/calibrated-outputs.js';
import type { Checkpoint } from '../runs/checkpoint.js';
import { notFinite } from '../runs/quantized-tables.js';
import type { Change, DeltaSince } from '../runs/delta.js';
import { readSavedMs } from '../runs/manifest.js';
import { readDelta, type DeltaContent } from '../runs/read-delta.js';
import { countRowWords, createRowWriter, type TableFormat } from '../tables/row-formats.js';
import type { PreparedDelta, TableWriterSpec, TrainedTable } from './messages.js';
import { TokenWriter } from './token-writer.js';

/**
 * Writes the rows of deltas to tables that prediction threads read, without writing a row that one of them reads:
 * 1. `prepare` writes the new rows to spare rows, and new tokens to copies of their tables, which no thread reads.
 * 2. All threads switch to the delta: they read these rows from the spare rows, and all others from their own place.
 * 3. `merge` copies the spare rows to the place of each row, and changes the other token tables: no thread reads them.
 * 4. All threads read every row from its own place again.
 */
export class TableWriter {
  readonly #tables: readonly TrainedTable[];
  readonly #raw: boolean;
  readonly #tokens: TokenWriter;
  readonly #format: TableFormat;
  readonly #memory = new ReusedMemory();
  #checkpoint: Pick<Checkpoint, 'program' | 'sections'>;
  /** Rows in spare rows, by the ids of tables. */
  #moved = new Map<string, Uint32Array>();

  constructor({ stored, tables, tokens, raw }: TableWriterSpec) {
    this.#tables = tables;
    this.#raw = raw === true;
    this.#tokens = new TokenWriter(tokens);
    this.#format = stored.tableFormat ?? 'f32';
    this.#checkpoint = stored;
  }

  /**
   * Reads the next delta, of the same config, and writes its rows to spare rows.
   * @returns undefined if its labels have other scales, or tables have too few spare rows or tokens; no
   * further delta can be prepared then
   * @throws UserError (checkpoint) for a missing or invalid file, a calibration of other weights, or an element that is
   * not finite in the format of tables
   */
  async prepare(delta: DeltaSince): Promise<PreparedDelta | undefined> {
    const { program } = this.#checkpoint;
    const { folder, checkpoint } = delta;
    const savedMs = await readSavedMs(folder);
    const ofTables = new Set(this.#tables.map(({ tensor }) => tensor));
    // Rows are copied to spare rows at once; other tensors are kept.
    this.#memory.startAgain();
    const allocate = (name: string, bytes: number): ArrayBuffer | undefined =>
      ofTables.has(name) ? this.#memory.take(bytes) : undefined;
    const content = await readDelta(delta, program.weights, allocate);
    const { step, sections, changes } = content;
    if (scalesOf(sections) !== scalesOf(this.#checkpoint.sections)) return undefined;
    if (!this.#raw) calibrateOutputs([], { program: { ...program, step }, sections }, folder);
    const moved = new Map<string, Uint32Array>();
    if (this.#tables.some(({ tensor }) => changes.get(tensor)?.whole !== program.weights.get(tensor))) return undefined;
    for (const ids of new Set(this.#tables.map((table) => table.ids))) {
      const tables = this.#tables.filter((table) => table.ids === ids);
      const rows = mergeRows(tables.flatMap(({ tensor }) => patchesOf(changes, tensor).map((patch) => patch.rows)));
      if (rows.length === 0) continue;
      for (const { tensor } of tables)
        if (!this.#fillSpareRows(tensor, rows, patchesOf(changes, tensor), delta.folder)) return undefined;
      moved.set(ids, rows);
    }
    const tokens = this.#tokens.prepare(content.tokens);
    if (tokens === undefined) return undefined;
    const weights = new Map(
      Array.from(program.weights, ([name, tensor]) => [name, ofTables.has(name) ? tensor : changes.get(name)!.whole]),
    );
    this.#checkpoint = { program: { ...program, step, weights }, sections };
    this.#moved = moved;
    const dense = new Map([...weights].filter(([name]) => !ofTables.has(name)));
    return { folder: checkpoint, savedMs, program: { ...program, step, weights: dense }, sections, moved, tokens };
  }

  /** Copies the spare rows of the last delta to their own place, and its tokens to the tables before. */
  merge(): void {
    const { weights } = this.#checkpoint.program;
    for (const { ids, tensor } of this.#tables) {
      const {
        shape: [numRows, width],
        data: { buffer },
      } = toMatrix(weights.get(tensor)!);
      const data = new Float32Array(buffer);
      const words = countRowWords(this.#format, width);
      for (const [i, row] of (this.#moved.get(ids) ?? []).entries())
        data.copyWithin(row * words, (numRows + i) * words, (numRows + i + 1) * words);
    }
    this.#moved.clear();
    this.#tokens.merge();
  }

  /**
   * Writes rows of a table to its spare rows, in order: the rows of patches, or else the table's own.
   * @param rows numbers in ascending order, among them the rows of the patches
   * @returns false if there are too few spare rows
   */
  #fillSpareRows(name: string, rows: Uint32Array, patches: Change['patches'], folder: string): boolean {
    const {
      shape: [numRows, width],
      data: { buffer },
    } = toMatrix(this.#checkpoint.program.weights.get(name)!);
    const data = new Float32Array(buffer);
    const words = countRowWords(this.#format, width);
    if (!(buffer instanceof SharedArrayBuffer) || data.length < (numRows + rows.length) * words) return false;
    const numPatched = patches.reduce((sum, patch) => sum + patch.rows.length, 0);
    if (numPatched < rows.length)
      for (const [i, row] of rows.entries()) data.copyWithin((numRows + i) * words, row * words, (row + 1) * words);
    const write = createRowWriter(this.#format, width, data);
    for (const { rows: patched, tensor } of patches) {
      let at = 0;
      let p = 0;
      for (const part of listParts(tensor)) {
        for (let begin = 0; begin < part.length; begin += width, p++) {
          while (rows[at]! < patched[p]!) at++;
          if (!write(part, begin, numRows + at)) throw notFinite(folder, name, patched[p]!, this.#format);
        }
      }
    }
    return true;
  }
}

/** Memory that is used again: allocation and first use of new memory take longer than the work in it. */
class ReusedMemory {
  readonly #buffers: ArrayBuffer[] = [];
  #numTaken = 0;

  /** Makes all memory available again. */
  startAgain(): void {
    this.#numTaken = 0;
  }

  /** Returns memory of at least `bytes`, until `startAgain`. */
  take(bytes: number): ArrayBuffer {
    const at = this.#numTaken++;
    const known = this.#buffers[at];
    if (known !== undefined && known.byteLength >= bytes) return known;
    return (this.#buffers[at] = new ArrayBuffer(Math.ceil(1.5 * bytes)));
  }
}

/** Scales of labels, as JSON. */
function scalesOf({ [dataSection.name]: data }: DeltaContent['sections']): string {
  return JSON.stringify((data as { readonly labelScales?: unknown } | undefined)?.labelScales);
}

function patchesOf(changes: DeltaContent['changes'], tensor: string): Change['patches'] {
  return changes.get(tensor)?.patches ?? [];
}

/** Merges numbers of rows to ascending ones without duplicates, in shared memory. */
function mergeRows(lists: readonly Uint32Array[]): Uint32Array {
  const all = new Uint32Array(lists.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const list of lists) {
    all.set(list, end);
    end += list.length;
  }
  all.sort();
  let count = 0;
  for (const row of all) if (count === 0 || row !== all[count - 1]) all[count++] = row;
  const rows = new Uint32Array(new SharedArrayBuffer(count * Uint32Array.BYTES_PER_ELEMENT));
  rows.set(all.subarray(0, count));
  return rows;
}

function toMatrix({ shape, data }: HostTensor): {
  readonly shape: readonly [number, number];
  readonly data: Float32Array;
} {
  // Each row of a table is a vector.
  return { shape: shape as unknown as readonly [number, number], data };
}
