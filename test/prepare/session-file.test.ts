import { mapsOf } from '../support/batches.js';
import { column } from '../../src/core/batch.js';
import { rmSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createRowBlock, type RowBlock } from '../../src/chunks/row-block.js';
import { randomStream } from '../../src/core/random.js';
import { fieldColumns, fieldPlans } from '../../src/prepare/fields.js';
import { SessionReader, writeSessions, type SessionFiles } from '../../src/prepare/session-file.js';
import { scratchFolder } from '../support/scratch.js';

const random = randomStream(3, 'sessions');
/** An id, a weighted id and two bags. */
const fields = fieldPlans({ rest: 9, byField: {} }, { rest: 1, byField: {} }).filter(({ name }) =>
  ['101', '110_14', '210', '508'].includes(name),
);
const columns = fields.flatMap(fieldColumns);

/** Lists the values of a row. */
const valuesOf = (block: RowBlock, row: number): readonly (readonly number[])[] => [
  ...['101', '508'].map((name) => [column(block, name, 'u32').data[row]!]),
  [column(block, 'D508', 'f32').data[row]!],
  ...['110_14', '210'].flatMap((name) => {
    const { offsets, ids, weights } = column(block, name, 'list');
    return [ids, weights].map((data) => [...data.subarray(offsets[row], offsets[row + 1])]);
  }),
];

/** Writes sessions with zero, some and many values, beyond the read window; one of the files is empty. */
function someSessions(): SessionFiles & { readonly sessions: readonly unknown[] } {
  const folder = scratchFolder();
  const sessions: unknown[] = [];
  const firsts = [0];
  const files: string[] = [];
  for (const count of [300, 1, 0, 250]) {
    const block = createRowBlock(columns, count);
    for (let row = 0; row < count; row++) {
      for (const ids of mapsOf(block).ids.values()) ids[row] = random.uint32();
      column(block, 'D508', 'f32').data[row] = random.uniform();
      for (const bag of block.columns.values()) {
        if (bag.type !== 'list') continue;
        bag.open(row);
        const size = [0, 2, random.below(30), random.below(30), 700][random.below(5)]!;
        for (let i = 0; i < size; i++) bag.add(random.uint32() >>> 1, random.uniform());
        bag.close(row);
      }
    }
    block.rows = count;
    for (let row = 0; row < count; row++) sessions.push(valuesOf(block, row));
    files.push(join(folder, String(files.length)));
    writeSessions(files.at(-1)!, block, fields);
    firsts.push(sessions.length);
  }
  return { files, firsts, fields, sessions };
}

describe('session reader', () => {
  it('returns the sessions of rows in any order', () => {
    const { sessions, ...files } = someSessions();
    const reader = new SessionReader(files);
    for (const numRows of [0, 1, 5, 40, 2000, 7]) {
      const rows = Uint32Array.from({ length: numRows }, () => random.below(sessions.length));
      const { block, indices } = reader.load(rows);
      rows.forEach((session, row) => expect(valuesOf(block, indices[row]!)).toEqual(sessions[session]));
      expect(block.rows).toBe(new Set(rows).size);
      if (numRows === 40) reader.close();
    }
    reader.close();
  });

  it('recovers after a missing file', () => {
    const { sessions, ...all } = someSessions();
    const { files, firsts } = all;
    const reader = new SessionReader({ ...all, files: files.with(3, `${files[3]!}.gone`) });
    expect(() => reader.load(Uint32Array.of(4, 400))).toThrow('cannot be read (ENOENT)');
    const { block, indices } = reader.load(Uint32Array.of(5, 4));
    for (const [row, session] of [5, 4].entries()) expect(valuesOf(block, indices[row]!)).toEqual(sessions[session]);
    reader.close();
    rmSync(files[0]!);
    expect(() => reader.load(Uint32Array.of(2))).toThrow(`${files[0]}: cannot be read (ENOENT)`);
    // Truncation removes the last session of a file.
    truncateSync(files[1]!, statSync(files[1]!).size - 16);
    const last = firsts[2]! - 1;
    expect(() => reader.load(Uint32Array.of(last))).toThrow(
      /1: is broken: .*its data ends at .*; remove this file, and run the command again/,
    );
  });
});
