import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dumpConfig } from '../config/dump.js';
import type { Experiment } from '../config/experiment.js';
import { parseConfig } from '../config/load.js';
import { parseOverride } from '../config/overrides.js';
import { SPLITS } from '../data/options.js';
import { UserError, userError } from '../core/errors.js';
import { configFields, leftWithout, type ConfigField } from './config-fields.js';
import type { Importance } from './ranking.js';
import { configWithout, type ConfigChange } from './smaller-config.js';
import { OVERRIDES, SOURCE } from '../runs/run-log.js';

/** What a config is proposed from. */
export interface ProposalOptions {
  /** The folder of the checkpoint, and the config that it was trained with. */
  readonly checkpoint: string;
  readonly experiment: Experiment;
  /** Fields or groups, what counts most first. */
  readonly importances: readonly Importance[];
  /** How many are left out. */
  readonly count: number;
  /** Told what people should know. */
  onWarning(text: string): void;
}

/** A config without what counts least. */
export interface Proposal {
  /** What is left out, what counts least first. */
  readonly leftOut: readonly string[];
  /** YAML that trains from anywhere: its paths are absolute. */
  readonly config: string;
}

/**
 * The config of a model without its least important fields or groups; with the comments of the config as it stood,
 * where its run kept it.
 */
export async function proposeConfig({
  checkpoint,
  experiment,
  importances,
  count,
  onWarning,
}: ProposalOptions): Promise<Proposal> {
  const all = configFields(experiment.features);
  const membersOf = ({ fields }: Importance): readonly ConfigField[] =>
    all.filter((field) => fields.includes(field.name));
  const worst: Importance[] = [];
  for (const each of importances.toReversed()) {
    if (worst.length === count) break;
    const members = membersOf(each);
    const gone = [...worst, each].flatMap(membersOf);
    // Fields that are kept may look into its table.
    const sharers = all.filter(
      ({ name, owner }) =>
        members.some((field) => field.name === owner && field.name !== name) &&
        !gone.some((field) => field.name === name),
    );
    if (sharers.length > 0)
      onWarning(
        `${each.name} stays: ${sharers.map(({ name }) => name).join(', ')} ${sharers.length === 1 ? 'shares' : 'share'} its table`,
      );
    else if (leftWithout(experiment.model, all, gone).length > 0)
      onWarning(`${each.name} stays: ${leftWithout(experiment.model, all, gone).join(', ')} would read nothing`);
    else worst.push(each);
  }
  for (const { name, drops: falls } of worst) {
    const missed = Object.entries(falls).filter(([, fall]) => fall !== null && fall.low !== null && fall.low > 0);
    if (missed.length > 0)
      onWarning(
        `${name} is left out, though the model uses it: ${missed.map(([measure, fall]) => `${measure} worse by ${fall!.mean.toFixed(4)}`).join(', ')}`,
      );
  }

  const left = worst.flatMap(membersOf);
  const whole = configWithout(dumpConfig(experiment), experiment.features, left, []);
  const asItStood = await sourceWithout(checkpoint, experiment, left);
  return {
    leftOut: worst.map(({ name }) => name),
    config: asItStood !== undefined && isSame(asItStood, whole) ? asItStood : whole,
  };
}

/** @throws UserError (usage) where nothing would be left of so many fields or groups */
export function refuseTooMany(count: number, units: number): void {
  if (count >= units)
    throw userError('usage', {
      where: '--drop-worst',
      message: `expected fewer than the ${units} that there are, found ${count}`,
    });
}

/** The same of the file that the run was started with, and with what was set for it. */
async function sourceWithout(
  checkpoint: string,
  { data, features }: Experiment,
  left: readonly ConfigField[],
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
  return configWithout(await readFile(source, 'utf8'), features, left, [...changes, ...paths]);
}

/** Whether two configs say the same, whatever their runs are called. */
function isSame(a: string, b: string): boolean {
  const meaningOf = (text: string): string => JSON.stringify({ ...parseConfig(text, 'config.yaml'), name: '' });
  const expected = meaningOf(b);
  try {
    return meaningOf(a) === expected;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}
