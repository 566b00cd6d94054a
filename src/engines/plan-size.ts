import { totalmem } from 'node:os';
import { userError } from '../errors.js';
import type { Plan } from './engine.js';
import { optimizers } from '../optimizers/optimizers.js';
import { sizeOf } from '../tensor.js';

/** How large a model is. */
export interface PlanSize {
  /** Trained numbers outside the tables. */
  readonly numWeights: number;
  readonly numTables: number;
  /** Rows of all tables. */
  readonly numTableRows: number;
  /** Numbers in all tables. */
  readonly numTableWeights: number;
}

/**
 * Counts what a plan trains, and refuses what cannot lie in memory before any of it is allocated.
 * @throws UserError (data) that names the largest tables
 */
export function planSize({ graph, layout: { tables }, optimizers: specs }: Plan, availableBytes = totalmem()): PlanSize {
  const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
  const size: PlanSize = {
    numWeights: sum(graph.parameters.filter(({ isTrainable }) => isTrainable).map(({ shape }) => sizeOf(shape))),
    numTables: tables.length,
    numTableRows: sum(tables.map(({ rows }) => rows)),
    numTableWeights: sum(tables.map(({ rows, width }) => rows * width)),
  };
  const numSlots = optimizers.build(specs.embeddings).slots.length;
  const bytesOf = (count: number): number => count * (1 + numSlots) * Float32Array.BYTES_PER_ELEMENT;
  const needed = bytesOf(size.numWeights + size.numTableWeights);
  if (needed <= availableBytes) return size;
  const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
  const largest = [...tables].sort((a, b) => b.rows * b.width - a.rows * a.width).slice(0, 3);
  const list = largest.map(({ name, rows, width }) => `'${name}' of ${rows} rows × ${width} (${gigabytes(bytesOf(rows * width))})`);
  throw userError('data', {
    key: 'features',
    message: `tables and weights with their optimizer need ${gigabytes(needed)}, this machine has ${gigabytes(availableBytes)}; the largest are ${list.join(', ')}`,
    fix: 'use a smaller width, or encoding { name: tokens, minCount: … }, which numbers only what occurs',
  });
}
