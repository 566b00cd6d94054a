import { ChunkRows } from '../../src/chunks/chunk.js';
import { createRowBlock, type RowBlock } from '../../src/chunks/row-block.js';
import { column } from '../../src/core/batch.js';
import { textChunk } from '../../src/data/readers/text-chunk.js';
import type { EncodedField } from '../../src/features/feature.js';
import { fieldColumn, fieldReader } from '../../src/features/kinds/kinds.js';

/** Returns strings as rows of one column. */
export function textRows(name: string, texts: readonly string[]): ChunkRows {
  const columns = { path: 'texts', header: [name], indices: new Map([[name, 0]]) };
  const lines = texts.map((_, row) => row);
  return new ChunkRows(textChunk(columns, { rows: texts.map((text) => [text]), lines, numLines: texts.length }));
}

/** @throws InvalidValueError of the first invalid row */
export function checkRows(rows: ChunkRows): void {
  const [problem] = rows.problems();
  if (problem !== undefined) throw problem[1].error;
}

/**
 * Reads the values of a field of one column.
 * @throws InvalidValueError of the first invalid value
 */
function readCells(field: EncodedField, texts: readonly string[]): RowBlock {
  const rows = textRows(field.columns[0]!, texts);
  const block = createRowBlock([fieldColumn(field)], texts.length);
  fieldReader(field)(rows, block);
  checkRows(rows);
  return block;
}

/**
 * Reads the bags of a field: encoded ids and weights by row.
 * @throws InvalidValueError of the first invalid value
 */
export function readBags(field: EncodedField, texts: readonly string[]): [number, number][][] {
  const { offsets, ids, weights } = column(readCells(field, texts), field.name, 'list');
  return texts.map((_, row) =>
    Array.from({ length: offsets[row + 1]! - offsets[row]! }, (_item, i) => [
      ids[offsets[row]! + i]!,
      weights[offsets[row]! + i]!,
    ]),
  );
}
