import { column } from '../../src/core/batch.js';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { refuseBadRows } from '../../src/data/rows/rejects.js';
import { dataColumns, encodedFormat, createRowFormat } from '../../src/data/rows/row-format.js';
import { openSource } from '../../src/data/sources/open-source.js';
import type { Reading } from '../../src/data/sources/source.js';
import { featureTypes } from '../../src/features/feature-types.js';
import { taskOptions } from '../../src/core/tasks.js';
import { scratchFolder } from './scratch.js';

const tasks = [{ name: 'ctr', ...taskOptions.parse({ label: 'click' }) }];
const groupsOf = (options: object = {}) => [
  featureTypes.schema.parse({ type: 'categorical', fields: ['id'], ...options }),
  featureTypes.schema.parse({ type: 'numeric', fields: ['price'], scaling: 'standard' }),
];

/** Reads a file as a run does: fits and encodes it; returns all ids and the warnings. */
export async function runCached(
  path: string,
  reading: Partial<Reading> = {},
  options: object = {},
): Promise<{ ids: number[]; fitted: unknown; told: string[] }> {
  const told: string[] = [];
  const format = createRowFormat({ tasks, groups: groupsOf(options) });
  const all: Reading = { policy: refuseBadRows, onProgress: ({ what }) => told.push(what.split(' ')[0]!), ...reading };
  const source = await openSource(path, dataColumns(format));
  const fitted = await source.fit(format, all);
  const dataset = await source.dataset(encodedFormat(format, fitted), all);
  const ids: number[] = [];
  for await (const { batch } of dataset.batches(100))
    ids.push(...column(batch, 'id', 'u32').data.subarray(0, batch.rows));
  expect(ids).toHaveLength(dataset.rows);
  return { ids, fitted, told: [...new Set(told)] };
}

/** A CSV with some invalid rows. */
export function csvOf(rows: number, bad: readonly number[] = []): string {
  return (
    'click,id,price\n' +
    Array.from({ length: rows }, (_, i) => `${i % 2},${bad.includes(i) ? 'x' : i},${i / 4}\n`).join('')
  );
}

/** Writes a CSV in a directory of its own. */
export function csvFile(content: string | Uint8Array): string {
  const path = join(scratchFolder(), 'train.csv');
  writeFileSync(path, content);
  return path;
}

/** Names of the entries of a cache directory; hidden files are leases of processes. */
export function entriesIn(cache: string): readonly string[] {
  return readdirSync(cache).filter((name) => !name.startsWith('.'));
}
