import { HeldLabels } from '../data/batches/held-labels.js';
import { labelFacts } from '../data/batches/label-facts.js';
import { skipBadRows } from '../data/rows/rejects.js';
import type { EncodedBatch } from '../data/rows/row-collector.js';
import { noRows } from '../data/encoding/no-rows.js';
import { describeSources, type DataDescription } from '../data/info/describe-data.js';
import type { DataOptions } from '../data/options.js';
import { checkTables } from '../data/sources/cell-source.js';
import type { RowSampler } from '../data/sources/row-sample.js';
import { UserError } from '../core/errors.js';
import type { RunInputs } from '../inputs/open-inputs.js';
import { listBadRows } from './bad-rows.js';
import type { Findings } from './findings.js';
import type { CheckedData } from './one-step.js';

/** Opened data and its row format. */
type CheckedInputs = Pick<RunInputs, 'sources' | 'format' | 'tasks'> & Partial<Pick<RunInputs['start'], 'grow'>>;

/**
 * Reads the rows of all splits and adds what training would reject: invalid rows, empty splits, labels without
 * information. Problems after an invalid row are not added: training ends there, and they may be consequences.
 * @param inputs.grow extends the vocabularies of a checkpoint by the tokens of the data
 * @param sampler the one that opened the sources: a split may be empty in a sample only
 */
export async function checkRows(
  data: DataOptions,
  { sources, format, tasks, grow }: CheckedInputs,
  sampler: RowSampler,
  findings: Findings,
): Promise<CheckedData<DataDescription> | undefined> {
  const policy = listBadRows(data);
  const labels = new HeldLabels(format);
  const read = async (): Promise<CheckedData<DataDescription>> => {
    const { description, encoded } = await describeSources(sources, format, {
      policy,
      ...(grow !== undefined && { grow }),
      see: (split, { batch }) => {
        if (split === 'train') labels.add(batch);
      },
    });
    if (sources.train.takesRules) checkTables(encoded, sources.train.path);
    for (const { split, rows, leftOut } of description.splits) {
      const source = sources[split]!;
      if (rows === 0 && source.takesRules && !sampler.isCut)
        throw noRows(
          source.files,
          new Map(Object.entries(leftOut)),
          { where: data.where, split: data.split, part: split },
          policy.reasons,
        );
    }
    const facts = await labelFacts(labels, tasks, {});
    const reject = skipBadRows(undefined, Infinity);
    const batches = (): AsyncIterable<EncodedBatch> => sources.train.stream(encoded, [], { policy: reject });
    return { description, step: { tasks, encoded, facts, batches } };
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
