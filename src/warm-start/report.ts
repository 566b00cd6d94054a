import { relative } from 'node:path';
import { tableTensor } from '../engines/engine.js';
import type { Grown } from '../features/feature.js';
import type { InitFromOptions, WarmStartSource } from '../runs/init-from.js';
import { formatNames } from './names.js';
import type { TensorSelection } from './tensor-selection.js';

/** What a run loaded from its checkpoint, for the log and for messages. */
export interface StartReport {
  readonly lines: readonly string[];
  /** The same facts in full, for the log. */
  readonly details: object;
}

export interface StartFacts {
  readonly from: WarmStartSource;
  readonly initFrom: InitFromOptions;
  /** Number of optimizer steps of the weights. */
  readonly steps: number;
  readonly taken: TensorSelection;
  /** Fields and labels whose scales or boundaries were loaded. */
  readonly fittedNames: readonly string[];
  /** One entry per field. */
  readonly changes: ReadonlyMap<string, Omit<Grown, 'fitted'>>;
  /** Rows by tensor, in the checkpoint and in the new model. */
  readonly rowsBefore: ReadonlyMap<string, number>;
  readonly rowsNow: ReadonlyMap<string, number>;
}

/** Formats a path relative to the working directory if it is below. */
function formatLocation(path: string): string {
  const relativePath = relative(process.cwd(), path);
  return relativePath.startsWith('..') || relativePath === '' ? path : relativePath;
}

/** Describes which tensors were loaded, initialized and ignored. */
export function describeStart({
  from,
  initFrom,
  steps,
  taken,
  fittedNames,
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
    `starting from ${formatLocation(from.checkpoint)}: ${names.size} tensors after ${steps} steps, ` +
      (isKept ? 'with the optimizer state' : 'with a new optimizer'),
    ...tables
      .filter(({ fresh, forgotten }) => fresh > 0 || forgotten > 0)
      .map(({ field, rows, fresh, forgotten }) => {
        const stale =
          forgotten === 0
            ? ''
            : `; ${forgotten} missing or too rare in the training set, ` +
              (initFrom.staleTokens === 'keep' ? 'kept' : 'evicted');
        return `field '${field}': ${rows} rows, ${fresh} new${stale}`;
      }),
    ...(fittedNames.length > 0 ? [`scales and boundaries from the checkpoint: ${formatNames(fittedNames)}`] : []),
    ...(drawn.length > 0 ? [`randomly initialized: ${formatNames(drawn)}`] : []),
    ...(left.length > 0 ? [`not loaded from the checkpoint: ${formatNames(left)}`] : []),
  ];
  return {
    lines,
    details: {
      ...from,
      steps,
      optimizer: initFrom.optimizer,
      taken: [...names],
      drawn,
      left,
      kept: fittedNames,
      tables,
    },
  };
}
