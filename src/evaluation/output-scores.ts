import { groupRows, type Grouped, type GroupedChunk } from './grouped.js';
import type { KeyIndex } from '../core/key-index.js';
import { rankClasses, type Ranked } from './ranked.js';
import { BLOCK_ROWS, storedColumn, type Block } from './row-store.js';
import type { Chunk } from './chunk.js';
import { cachedSums, type Scores } from './scores.js';
import { combinePredictions, type Output } from './outputs.js';

/** Stored rows on which an output is measured. */
export interface MeasuredRows {
  readonly blocks: readonly Block[];
  /** Keys by column, for group indices. */
  readonly keys?: ReadonlyMap<string, Pick<KeyIndex, 'count' | 'nullIndex'>>;
  /** Selected rows by position (`toPosition`); default: all. */
  readonly positions?: Uint32Array;
}

/**
 * Maximum rows per chunk. A chunk's loop is called again for each chunk, so that V8 can switch to optimized code, which
 * dominates the first measurements of a short run.
 */
const CHUNK_ROWS = 1024;

/** Returns the position of a row among blocks. */
export function toPosition(block: number, row: number): number {
  return block * BLOCK_ROWS + row;
}

/** Selects the rows of an output and computes its predictions. */
export function buildScores(output: Output, { blocks, keys = new Map(), positions }: MeasuredRows): Scores {
  const selected = new SelectedRows(output, blocks, positions);
  const rows =
    output.where === undefined
      ? (positions?.length ?? blocks.reduce((sum, block) => sum + block.rows, 0))
      : selected.countRows();
  let ranked: Ranked | undefined;
  const grouped = new Map<string, Grouped>();
  return {
    rows,
    ranked: () => (ranked ??= rankClasses(rows, selected.chunks())),
    grouped(by) {
      const { count, nullIndex } = storedColumn(keys, by);
      const cached = grouped.get(by) ?? groupRows(count, nullIndex, () => selected.chunks(by));
      grouped.set(by, cached);
      return cached;
    },
    sum: cachedSums(() => selected.chunks()),
    [Symbol.iterator]: (): Iterator<Chunk> => selected.chunks(),
  };
}

/** The rows of an output among blocks, in buffers that are reused for each block. */
class SelectedRows {
  readonly #output: Output;
  readonly #blocks: readonly Block[];
  readonly #positions: MeasuredRows['positions'];
  readonly #labels: Float32Array;
  readonly #predictions: Float32Array<ArrayBuffer>;
  readonly #numbers: Uint32Array;
  readonly #blockRows: number;
  /** Predictions of all rows of a block. */
  #scratch = new Float32Array(0);
  /** With a single block, the selected rows stay in the buffers: most metrics iterate more than once. */
  #count: number | undefined;

  constructor(output: Output, blocks: readonly Block[], positions: MeasuredRows['positions']) {
    [this.#output, this.#blocks, this.#positions] = [output, blocks, positions];
    // Allocating a whole block would cost a small set more time than its rows.
    this.#blockRows = blocks.reduce((max, block) => Math.max(max, block.rows), 1);
    const chunkRows =
      positions === undefined ? this.#blockRows : Math.min(this.#blockRows, Math.max(1, positions.length));
    this.#labels = new Float32Array(chunkRows);
    this.#predictions = new Float32Array(chunkRows);
    this.#numbers = new Uint32Array(chunkRows);
  }

  /** Yields the rows, with group numbers of a key. Each chunk is valid until the next one. */
  *chunks(by?: string): Generator<GroupedChunk> {
    const isOne = this.#blocks.length === 1;
    for (const { block, rows } of parts(this.#blocks, this.#positions)) {
      const count =
        isOne && by === undefined && this.#count !== undefined ? this.#count : this.#select(block, by, rows);
      if (isOne) this.#count = count;
      for (let begin = 0; begin < count; begin += CHUNK_ROWS) {
        const end = Math.min(count, begin + CHUNK_ROWS);
        yield {
          labels: this.#labels.subarray(begin, end),
          predictions: this.#predictions.subarray(begin, end),
          numbers: this.#numbers.subarray(begin, end),
        };
      }
    }
  }

  countRows(): number {
    let count = 0;
    for (const { labels } of this.chunks()) count += labels.length;
    return count;
  }

  /** Copies the selected rows of a block to the buffers and returns their count. */
  #select(block: Block, by: string | undefined, rows: ArrayLike<number> | undefined): number {
    const [output, labels, predictions, numbers] = [this.#output, this.#labels, this.#predictions, this.#numbers];
    const truth = storedColumn(block.labels, output.label);
    const condition = output.where === undefined ? undefined : storedColumn(block.labels, output.where);
    const groupIndices = by === undefined ? undefined : storedColumn(block.numbers, by);
    if (condition === undefined && rows === undefined) {
      combinePredictions(output, block.predictions, block.rows, predictions);
      labels.set(truth.subarray(0, block.rows));
      if (groupIndices !== undefined) numbers.set(groupIndices.subarray(0, block.rows));
      return block.rows;
    }
    if (this.#scratch.length < block.rows) this.#scratch = new Float32Array(this.#blockRows);
    const values = combinePredictions(output, block.predictions, block.rows, this.#scratch);
    const length = rows === undefined ? block.rows : rows.length;
    let count = 0;
    for (let i = 0; i < length; i++) {
      const row = rows === undefined ? i : rows[i]! % BLOCK_ROWS;
      if (condition !== undefined && condition[row] !== 1) continue;
      labels[count] = truth[row]!;
      if (groupIndices !== undefined) numbers[count] = groupIndices[row]!;
      predictions[count++] = values[row]!;
    }
    return count;
  }
}

/** Yields blocks with their selected rows; positions of the same block are adjacent. */
function* parts(
  blocks: readonly Block[],
  positions: Uint32Array | undefined,
): Generator<{ readonly block: Block; readonly rows: Uint32Array | undefined }> {
  if (positions === undefined) {
    for (const block of blocks) yield { block, rows: undefined };
    return;
  }
  for (let begin = 0, end = 0; begin < positions.length; begin = end) {
    const block = Math.floor(positions[begin]! / BLOCK_ROWS);
    while (end < positions.length && Math.floor(positions[end]! / BLOCK_ROWS) === block) end++;
    yield { block: blocks[block]!, rows: positions.subarray(begin, end) };
  }
}
