import { totalmem } from 'node:os';
import { userError } from '../core/errors.js';
import { countSlotElements } from '../optimizers/optimizer.js';
import { optimizers } from '../optimizers/optimizers.js';
import type { TableSpec } from '../tables/layout.js';
import { countElements } from '../core/tensor.js';
import { averageWords } from './average.js';
import { rowsHere } from './dealt-rows.js';
import { tableOptimizer, type Engine, type Plan } from './engine.js';

/** Size of a model. */
export interface PlanSize {
  /** Number of trained weights outside the tables. */
  readonly numWeights: number;
  readonly numTables: number;
  /** Rows of all tables. */
  readonly numTableRows: number;
  /** Number of weights in all tables. */
  readonly numTableWeights: number;
  /** Bytes of tables and weights; of a sharded table, only the rows of this process. */
  readonly weightBytes: number;
  /** Bytes of the optimizer state and of the EMA. */
  readonly optimizerBytes: number;
  /** Bytes of the activations and gradients of a batch. */
  readonly activationBytes: number;
  /** Bytes of the vocabularies. */
  readonly vocabularyBytes: number;
}

/**
 * Computes the weights of a plan and its bytes on an engine; rejects a plan that exceeds memory before any allocation.
 * @param vocabularyBytes bytes of the vocabularies in this machine's memory
 * @throws UserError (data) that names the largest tables
 */
export function planSize(
  plan: Plan,
  engine: Pick<Engine, 'activationBytes' | 'apartBytes' | 'maxBytes' | 'refuseTooLarge'>,
  vocabularyBytes: number,
  availableBytes = Math.min(totalmem(), process.constrainedMemory() || Infinity),
): PlanSize {
  const {
    graph,
    layout: { tables },
    optimizers: specs,
  } = plan;
  const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
  const numWeights = sum(
    graph.parameters.filter(({ isTrainable }) => isTrainable).map(({ shape }) => countElements(shape)),
  );
  const numTableWeights = sum(tables.map(({ rows, width }) => rows * width));
  const dense = optimizers.build(specs.dense);
  const isAveraged = plan.step?.average !== undefined;
  const here = (table: TableSpec): number => rowsHere(table.rows, plan);
  const keptWordsOf = (table: TableSpec): number =>
    here(table) *
    (countSlotElements(optimizers.build(tableOptimizer(specs, table)), table.width) +
      (isAveraged ? averageWords(table.width) : 0));
  const size: PlanSize = {
    numWeights,
    numTables: tables.length,
    numTableRows: sum(tables.map(({ rows }) => rows)),
    numTableWeights,
    weightBytes: bytesOf(numWeights + sum(tables.map((table) => here(table) * table.width))),
    optimizerBytes: bytesOf(
      countSlotElements(dense, numWeights) + (isAveraged ? numWeights : 0) + sum(tables.map(keptWordsOf)),
    ),
    activationBytes: engine.activationBytes(plan),
    vocabularyBytes,
  };
  const engineBytes = size.weightBytes + size.optimizerBytes + size.activationBytes;
  const needed = engineBytes + vocabularyBytes;
  const withinBytes = engineBytes - (engine.apartBytes?.(plan) ?? 0);
  if (withinBytes <= engine.maxBytes && needed <= availableBytes) {
    engine.refuseTooLarge?.(plan);
    return size;
  }
  const largest = [...tables].sort((a, b) => b.rows * b.width - a.rows * a.width).slice(0, 3);
  const list = largest.map(
    (table) =>
      `'${table.name}' of ${table.rows} rows × ${table.width} ` +
      `(${gibibytes(bytesOf(here(table) * table.width + keptWordsOf(table)))})`,
  );
  if (withinBytes > engine.maxBytes) {
    throw userError('data', {
      key: 'training',
      message:
        `weights, optimizer state, activations and gradients require ${gibibytes(withinBytes)} besides large ` +
        `tables, but a WebAssembly memory has at most ${gibibytes(engine.maxBytes)} (largest tables with ` +
        `optimizer state: ${list.join(', ')})`,
      fix: 'reduce training.batchSize, or the ids or width of bag fields',
    });
  }
  throw userError('data', {
    key: 'features',
    message:
      `tables, weights, optimizer state, activations and vocabularies require ${gibibytes(needed)}, but this ` +
      `machine has ${gibibytes(availableBytes)} (largest tables with optimizer state: ${list.join(', ')})`,
    fix:
      'reduce the width, raise minCount in encoding { name: tokens, minCount: … }, or reduce buckets in { name: ' +
      'hash, buckets: … }',
  });
}

const bytesOf = (count: number): number => count * Float32Array.BYTES_PER_ELEMENT;

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
