import { relative } from 'node:path';
import { tableTensor } from '../engines/engine.js';
import type { Grown } from '../features/feature.js';
import type { InitFromOptions, WarmStartSource } from '../runs/init-from.js';
import { listed } from './names.js';
import type { TensorSelection } from './tensor-selection.js';

/** What a run started with, for its log and for people. */
export interface StartReport {
  /** Lines to be printed. */
  readonly lines: readonly string[];
  /** The same in full. */
  readonly details: object;
}

/** What there is to tell of. */
export interface StartFacts {
  readonly from: WarmStartSource;
  readonly initFrom: InitFromOptions;
  /** Optimizer steps behind the weights. */
  readonly steps: number;
  readonly taken: TensorSelection;
  /** Fields whose scales or boundaries are those of before. */
  readonly kept: readonly string[];
  /** By field. */
  readonly changes: ReadonlyMap<string, Omit<Grown, 'fitted'>>;
  /** Of each tensor, in the checkpoint and here. */
  readonly rowsBefore: ReadonlyMap<string, number>;
  readonly rowsNow: ReadonlyMap<string, number>;
}

/** A path below the working directory from there on. */
function shown(path: string): string {
  const below = relative(process.cwd(), path);
  return below.startsWith('..') || below === '' ? path : below;
}

/** Tells what was taken, what is new and what was left. */
export function startReport({
  from,
  initFrom,
  steps,
  taken,
  kept,
  changes,
  rowsBefore,
  rowsNow,
}: StartFacts): StartReport {
  const { names, drawn, left } = taken;
  const isKept = initFrom.optimizer === 'keep';
  const tables = [...changes].map(([field, { fresh, forgotten }]) => ({
    field,
    rows: rowsNow.get(tableTensor(field))!,
    known: rowsBefore.get(tableTensor(field))!,
    fresh,
    forgotten: forgotten.length,
  }));
  const lines = [
    `starts from ${shown(from.checkpoint)}: ${names.size} tensors with ${steps} steps behind them, ${isKept ? "and the optimizer's state" : 'and a new optimizer'}`,
    ...tables
      .filter(({ fresh, forgotten }) => fresh > 0 || forgotten > 0)
      .map(({ field, rows, fresh, forgotten }) => {
        const gone =
          forgotten === 0
            ? ''
            : `; ${forgotten} that train has no longer, or too rarely, ${initFrom.staleTokens === 'keep' ? 'are kept' : 'are dropped'}`;
        return `field '${field}': ${rows} rows, ${fresh} of them new${gone}`;
      }),
    ...(kept.length > 0 ? [`as they were learned then: the scales and boundaries of ${listed(kept)}`] : []),
    ...(drawn.length > 0 ? [`drawn anew: ${listed(drawn)}`] : []),
    ...(left.length > 0 ? [`left in the checkpoint: ${listed(left)}`] : []),
  ];
  return {
    lines,
    details: { ...from, steps, optimizer: initFrom.optimizer, taken: [...names], drawn, left, kept, tables },
  };
}
