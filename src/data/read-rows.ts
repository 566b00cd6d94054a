import type { RejectPolicy } from './rejects.js';
import type { RowFormat } from './row-format.js';
import { funnelCheck, rowReader, type ColumnReader, type RowSource } from './rows.js';
import { createScanner } from './scan.js';

/** Where rows are read to. */
export interface ReadTarget {
  readonly format: RowFormat;
  readonly readers: readonly ColumnReader[];
  /** Where readers write: to row `rows`. */
  readonly block: { rows: number; readonly labels: ReadonlyMap<string, Float32Array> };
  readonly capacity: number;
  readonly policy: RejectPolicy;
  /** Takes the rows of the block, whenever it is full and at the end. */
  onBlock(): Promise<void> | void;
  /** Told the share of the source that was read. */
  onShare(share: number): void;
}

/**
 * Reads all rows of a file of cells, a block at a time.
 * @returns the number of rows
 * @throws UserError (data) for a row that the policy does not let pass
 */
export async function readRows(source: RowSource, { format, readers, block, capacity, policy, onBlock, onShare }: ReadTarget): Promise<number> {
  const readRow = rowReader(source, readers, funnelCheck(source, format), policy);
  const funnels = format.funnels.map(({ label, given }) => ({ label: block.labels.get(label)!, given: block.labels.get(given)! }));
  const isConsistent = (): boolean => {
    for (const { label, given } of funnels) if (label[block.rows] === 1 && given[block.rows] !== 1) return false;
    return true;
  };
  const scanner = createScanner({ width: source.csv.header.length, indices: source.indices, readers, block, capacity, isConsistent, readRow });
  let count = 0;
  const flush = async (): Promise<void> => {
    count += block.rows;
    await onBlock();
    block.rows = 0;
  };
  for await (const piece of source.csv.pieces()) {
    if ('bytes' in piece) {
      scanner.start(piece);
      while (!scanner.scan()) await flush();
    } else {
      for (let r = 0; r < piece.rows.length; r++) {
        if (!readRow(piece.rows[r]!, piece.lines[r]!, piece.path)) continue;
        if (++block.rows === capacity) await flush();
      }
    }
    onShare(piece.progress);
  }
  await flush();
  return count;
}
