import type { Batch } from '../core/batch.js';
import { labelFacts } from '../data/batches/label-facts.js';
import { noRows } from '../data/encoding/fit.js';
import { describeSources, type DescribedRows } from '../data/info/describe-data.js';
import type { DataOptions } from '../data/options.js';
import { checkTables } from '../data/sources/cell-source.js';
import type { RowSampler } from '../data/sources/row-sample.js';
import { UserError } from '../core/errors.js';
import type { RunInputs } from '../inputs/open-inputs.js';
import type { LabelFacts } from '../core/tasks.js';
import { listBadRows } from './bad-rows.js';
import type { Findings } from './findings.js';

/** Opened data, and how its rows are read. */
type CheckedInputs = Pick<RunInputs, 'sources' | 'format' | 'tasks'> & Partial<Pick<RunInputs['start'], 'grow'>>;

/** Rows of all splits, as they were described, and what the training labels add up to. */
export interface CheckedRows extends DescribedRows {
  readonly facts: LabelFacts;
}

/**
 * Reads the rows of all splits and adds what training would refuse to the findings: invalid rows, splits without a row,
 * labels that nothing can be
 * learned from. What follows an invalid row is not added, since training ends there and it may be a consequence.
 * @param inputs.grow adds what was learned to what a checkpoint learned
 * @param sampler that opened the sources: a split without a row in a sample may have some
 */
export async function checkRows(
  data: DataOptions,
  { sources, format, tasks, grow }: CheckedInputs,
  sampler: RowSampler,
  findings: Findings,
): Promise<CheckedRows | undefined> {
  const policy = listBadRows(data);
  const labels: Pick<Batch, 'rows' | 'labels'>[] = [];
  const read = async (): Promise<CheckedRows> => {
    const described = await describeSources(sources, format, {
      policy,
      ...(grow !== undefined && { grow }),
      see: (split, { batch }) => {
        if (split === 'train')
          labels.push({
            rows: batch.rows,
            labels: new Map([...batch.labels].map(([name, values]) => [name, values.slice(0, batch.rows)])),
          });
      },
    });
    if (sources.train.takesRules) checkTables(described.encoded, sources.train.path);
    for (const { split, rows, leftOut } of described.description.splits) {
      const source = sources[split]!;
      if (rows === 0 && source.takesRules && !sampler.isCut)
        throw noRows(
          source.files,
          new Map(Object.entries(leftOut)),
          { where: data.where, split: data.split, part: split },
          policy.reasons,
        );
    }
    const rows = labels.reduce((sum, each) => sum + each.rows, 0);
    const facts = await labelFacts({ rows, labelCounts: new Map(), labels: () => streamOf(labels) }, tasks, {});
    return { ...described, facts };
  };
  try {
    const checked = await read();
    findings.add('data', policy.problems);
    return policy.problems.length > 0 ? undefined : checked;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    if (policy.problems.length > 0) findings.add('data', policy.problems);
    else findings.add(error.kind, error.problems);
    return undefined;
  }
}

// A reader of a data set awaits each of its pieces.
async function* streamOf<Piece>(pieces: readonly Piece[]): AsyncGenerator<Piece> {
  await Promise.resolve();
  yield* pieces;
}
