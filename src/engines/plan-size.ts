import type { Plan } from './engine.js';
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

/** Counts what a plan trains. */
export function planSize({ graph, layout: { tables } }: Plan): PlanSize {
  const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
  return {
    numWeights: sum(graph.parameters.filter(({ isTrainable }) => isTrainable).map(({ shape }) => sizeOf(shape))),
    numTables: tables.length,
    numTableRows: sum(tables.map(({ rows }) => rows)),
    numTableWeights: sum(tables.map(({ rows, width }) => rows * width)),
  };
}
