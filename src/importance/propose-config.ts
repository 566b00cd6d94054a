import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dumpConfig } from '../config/dump.js';
import type { Experiment } from '../config/experiment.js';
import { parseConfig } from '../config/load.js';
import { parseOverride } from '../config/overrides.js';
import { SPLITS } from '../data/options.js';
import { UserError, userError } from '../core/errors.js';
import { configFields, findPartsWithoutInput, type ConfigField } from './config-fields.js';
import type { Importance } from './ranking.js';
import { removeFields, type ConfigChange } from './smaller-config.js';
import { OVERRIDES, SOURCE } from '../runs/run-log.js';

export interface ProposalOptions {
  /** Checkpoint directory and training config. */
  readonly checkpoint: string;
  readonly experiment: Experiment;
  /** Fields or groups, most important first. */
  readonly importances: readonly Importance[];
  /** Number of fields or groups to drop. */
  readonly count: number;
  /** Receives the text of each warning. */
  onWarning(text: string): void;
}

/** A config without the least important fields. */
export interface Proposal {
  /** Dropped fields or groups, least important first. */
  readonly leftOut: readonly string[];
  /** YAML with absolute paths, which trains from any directory. */
  readonly config: string;
}

/**
 * Builds the config of a model without its least important fields or groups. Keeps the comments of the source config if
 * the run has it.
 */
export async function proposeConfig({
  checkpoint,
  experiment,
  importances,
  count,
  onWarning,
}: ProposalOptions): Promise<Proposal> {
  const all = configFields(experiment.features);
  const findMembers = ({ fields }: Importance): readonly ConfigField[] =>
    all.filter((field) => fields.includes(field.fields[0]!));
  const worst: Importance[] = [];
  for (const each of importances.toReversed()) {
    if (worst.length === count) break;
    const members = findMembers(each);
    const dropped = [...worst, each].flatMap(findMembers);
    // Remaining fields may share its table.
    const sharers = all.filter(
      (sharer) =>
        members.some((field) => field !== sharer && field.fields.some((name) => sharer.owners.includes(name))) &&
        !dropped.includes(sharer),
    );
    if (sharers.length > 0)
      onWarning(
        `${each.name} is kept because ${sharers.map(({ name }) => name).join(', ')} ` +
          `${sharers.length === 1 ? 'shares' : 'share'} its embedding table`,
      );
    else if (findPartsWithoutInput(experiment.model, all, dropped).length > 0)
      onWarning(
        `${each.name} is kept because ${findPartsWithoutInput(experiment.model, all, dropped).join(', ')} ` +
          'would have no input',
      );
    else worst.push(each);
  }
  for (const { name, drops: byMeasure } of worst) {
    const drops = Object.entries(byMeasure).filter(([, drop]) => drop !== null && drop.low !== null && drop.low > 0);
    if (drops.length > 0)
      onWarning(
        `${name} is dropped although the model uses it: ` +
          drops.map(([measure, drop]) => `${measure} drops by ${drop!.mean.toFixed(4)}`).join(', '),
      );
  }

  const dropped = worst.flatMap(findMembers);
  const resolvedConfig = removeFields(dumpConfig(experiment), experiment.features, dropped, []);
  const sourceConfig = await sourceWithout(checkpoint, experiment, dropped);
  return {
    leftOut: worst.map(({ name }) => name),
    config: sourceConfig !== undefined && isSame(sourceConfig, resolvedConfig) ? sourceConfig : resolvedConfig,
  };
}

/**
 * Checks that at least one field or group remains.
 * @throws UserError (usage) if `count` is too large
 */
export function assertEnoughUnits(count: number, units: number): void {
  if (count >= units)
    throw userError('usage', {
      where: '--drop-worst',
      message: `expected fewer than the ${units} existing ones, found ${count}`,
    });
}

/** Builds the same config from the run's source file and overrides; undefined if the run has no source file. */
async function sourceWithout(
  checkpoint: string,
  { data, features }: Experiment,
  dropped: readonly ConfigField[],
): Promise<string | undefined> {
  const run = join(checkpoint, '..', '..');
  const [source, overrides] = [join(run, SOURCE), join(run, OVERRIDES)];
  if (!existsSync(source)) return undefined;
  const set = existsSync(overrides)
    ? (await readFile(overrides, 'utf8')).split('\n').filter((line) => line !== '')
    : [];
  const changes = set.map(parseOverride).map(({ path, value }): ConfigChange => ({ path, value: value ?? undefined }));
  const paths = [...SPLITS, 'source' as const, 'cache' as const]
    .filter((key) => data[key] !== undefined)
    .map((key): ConfigChange => ({ path: ['data', key], value: data[key] }));
  return removeFields(await readFile(source, 'utf8'), features, dropped, [...changes, ...paths]);
}

/** Whether two configs are equal except for their names. */
function isSame(a: string, b: string): boolean {
  const normalize = (text: string): string => JSON.stringify({ ...parseConfig(text, 'config.yaml'), name: '' });
  const expected = normalize(b);
  try {
    return normalize(a) === expected;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}
