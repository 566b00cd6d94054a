import { totalmem } from 'node:os';
import { userError } from '../core/errors.js';
import { countSlotElements } from '../optimizers/optimizer.js';
import { optimizers } from '../optimizers/optimizers.js';
import type { TableSpec } from '../tables/layout.js';
import { countRowWords } from '../tables/row-formats.js';
import { countElements } from '../core/tensor.js';
import { averageWords } from './average.js';
import { checkGrowth } from './check-growth.js';
import { localRowCount } from './table-sharding.js';
import { tableOptimizer, type Engine, type Plan } from './engine.js';

/** Size of a model. */
export interface PlanSize {
  /** Number of trained weights outside the tables. */
  readonly numWeights: number;
  readonly numTables: number;
  /** Rows of all tables, without those that are only reserved. */
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
 * Computes the weights of a plan and its bytes on an engine; rejects a plan that exceeds memory, or whose tables cannot
 * grow as they must, before any allocation.
 * @param vocabularyBytes bytes of the vocabularies in this machine's memory
 * @throws UserError (data) that names the largest tables; (config)
 */
export function planSize(
  plan: Plan,
  engine: Pick<Engine, 'activationBytes' | 'externalBytes' | 'maxBytes' | 'refuseTooLarge'>,
  vocabularyBytes: number,
  availableBytes = Math.min(totalmem(), process.constrainedMemory() || Infinity),
): PlanSize {
  checkGrowth(plan);
  const size = { ...countWeights(plan), activationBytes: engine.activationBytes(plan), vocabularyBytes };
  const engineBytes = size.weightBytes + size.optimizerBytes + size.activationBytes;
  const neededBytes = engineBytes + vocabularyBytes;
  const sharedBytes = engineBytes - (engine.externalBytes?.(plan) ?? 0);
  if (sharedBytes > engine.maxBytes)
    throw userError('data', {
      key: 'training',
      message:
        `weights, optimizer state, activations and gradients require ${gibibytes(sharedBytes)} besides large ` +
        `tables, but a WebAssembly memory has at most ${gibibytes(engine.maxBytes)} (${largestTables(plan)})`,
      fix: 'reduce training.batchSize, or the ids or width of bag fields',
    });
  if (neededBytes > availableBytes)
    throw userError('data', {
      key: 'features',
      message:
        `tables, weights, optimizer state, activations and vocabularies require ${gibibytes(neededBytes)}, but ` +
        `this machine has ${gibibytes(availableBytes)} (${largestTables(plan)})`,
      fix:
        'reduce the width, raise minCount in encoding { name: tokens, minCount: … }, or reduce buckets in { name: ' +
        'hash, buckets: … }',
    });
  engine.refuseTooLarge?.(plan);
  return size;
}

function countWeights(plan: Plan): Omit<PlanSize, 'activationBytes' | 'vocabularyBytes'> {
  const { tables } = plan.layout;
  const trained = plan.graph.parameters.filter(({ isTrainable }) => isTrainable);
  const numWeights = sum(trained, ({ shape }) => countElements(shape));
  const slotWords = countSlotElements(optimizers.build(plan.optimizers.dense), numWeights);
  const averagedWords = plan.step?.average === undefined ? 0 : numWeights;
  return {
    numWeights,
    numTables: tables.length,
    numTableRows: sum(tables, usedRows),
    numTableWeights: sum(tables, (table) => usedRows(table) * table.width),
    weightBytes: bytesOf(numWeights + sum(tables, (table) => weightWords(plan, table))),
    optimizerBytes: bytesOf(slotWords + averagedWords + sum(tables, (table) => stateWords(plan, table))),
  };
}

/** Counts the words of a table's weights in this process. */
function weightWords(plan: Plan, table: TableSpec): number {
  return localRowCount(usedRows(table), plan) * countRowWords(plan.tableFormat ?? 'f32', table.width);
}

/** Counts the words of a table's optimizer state and EMA in this process. */
function stateWords(plan: Plan, table: TableSpec): number {
  if (table.isFrozen === true) return 0;
  const slots = countSlotElements(optimizers.build(tableOptimizer(plan.optimizers, table)), table.width);
  return (
    localRowCount(usedRows(table), plan) * (slots + (plan.step?.average === undefined ? 0 : averageWords(table.width)))
  );
}

/** Describes the largest tables of a plan, for an error. */
function largestTables(plan: Plan): string {
  const largest = plan.layout.tables.toSorted((a, b) => usedRows(b) * b.width - usedRows(a) * a.width).slice(0, 3);
  const list = largest.map((table) => {
    const words = weightWords(plan, table) + stateWords(plan, table);
    return `'${table.name}' of ${usedRows(table)} rows × ${table.width} (${gibibytes(bytesOf(words))})`;
  });
  return `largest tables with optimizer state: ${list.join(', ')}`;
}

/** Returns the rows of a table that take physical memory: a server reserves others for later ids. */
const usedRows = ({ rows, usedRows: used = rows }: TableSpec): number => used;

const sum = <Each>(all: readonly Each[], count: (each: Each) => number): number =>
  all.reduce((total, each) => total + count(each), 0);

const bytesOf = (count: number): number => count * Float32Array.BYTES_PER_ELEMENT;

const gibibytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
