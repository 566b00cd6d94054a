import { EXIT_CODES, userError } from '../core/errors.js';
import { synth, synthDelays, synthHistories, type Oracle } from '../synth.js';
import type { Biases } from '../synth/biases.js';
import { PRESET_NAMES, PRESETS, type PresetName, type SynthFormat } from '../synth/presets.js';
import type { WorldSize } from '../synth/world.js';
import { count, reportTable } from './format.js';
import { createOutput } from './output.js';
import { MTL } from '../system/command-name.js';

export interface SynthArguments {
  readonly out: string;
  readonly seed: number;
  readonly preset: PresetName;
  readonly format: SynthFormat;
  readonly train: number;
  readonly valid: number | undefined;
  readonly test: number;
  readonly users: number | undefined;
  readonly items: number | undefined;
  readonly clickRate: number | undefined;
  readonly purchaseRate: number | undefined;
  readonly bags: number | undefined;
  readonly badEvery: number;
  readonly biases: Biases;
  readonly counterfactual: boolean;
  readonly sequences: boolean;
  readonly eventLog: boolean;
  readonly historyItems: number | undefined;
  readonly delay: boolean;
  readonly days: number | undefined;
}

const DEFAULT_VALID_ROWS = 5000;
/** Days and conversion rate of a log with delays, unless given. */
const [DELAY_DAYS, DELAY_RATE] = [28, 0.2] as const;
/** Users and items of a log with histories, unless given. */
const HISTORY_SIZE = { users: 5000, items: 2000 } as const;

/** Runs `mtl synth` and prints the metrics of the true probabilities. Returns the exit code. */
export async function runSynth(given: SynthArguments): Promise<number> {
  checkOptions(given);
  const { out, seed, preset, format, bags, badEvery, biases, counterfactual, sequences, eventLog, ...args } = given;
  const { screen } = createOutput(false);
  const { users, items, rates } = PRESETS[preset];
  const rows = {
    train: args.train,
    ...(format === 'csv' ? { valid: args.valid ?? DEFAULT_VALID_ROWS } : {}),
    test: args.test,
  };
  const shared = {
    folder: out,
    seed,
    rows,
    rates: { click: args.clickRate ?? rates.click, purchase: args.purchaseRate ?? rates.purchase },
    onProgress: (split: string, done: number) =>
      screen.live(() => `${split}: ${count(done)} of ${count(rows[split as keyof typeof rows] ?? done)} rows`),
  };
  const sizeOf = (size: WorldSize): WorldSize => ({ users: args.users ?? size.users, items: args.items ?? size.items });
  const oracle: Oracle = args.delay
    ? await synthDelays({ ...shared, days: args.days ?? DELAY_DAYS, rate: args.purchaseRate ?? DELAY_RATE })
    : sequences
      ? await synthHistories({ ...shared, ...sizeOf(HISTORY_SIZE), eventLog, historyItems: args.historyItems })
      : await synth({
          ...shared,
          ...sizeOf({ users, items }),
          preset,
          format,
          badEvery,
          ...(hasBiases(biases) && { biases }),
          ...(counterfactual && { counterfactualOf: 'test' }),
          bagMean: bags,
        });
  screen.print(`metrics of the true probabilities in ${out}, as in its oracle.json`);
  for (const [split, report] of Object.entries(oracle)) screen.print(reportTable(split, report, screen));
  return EXIT_CODES.done;
}

function hasBiases(biases: Biases): boolean {
  return Object.values(biases).some((bias) => bias > 0);
}

/** @throws UserError (usage) for options that exclude each other */
function checkOptions(given: SynthArguments): void {
  const { preset, format, valid, bags, badEvery, biases, counterfactual, sequences, eventLog, historyItems } = given;
  if (historyItems !== undefined && !sequences)
    throw userError('usage', { where: '--history-items', message: 'requires --sequences' });
  if (given.days !== undefined && !given.delay)
    throw userError('usage', { where: '--days', message: 'requires --delay' });
  if (format === 'raw' && valid !== undefined) {
    throw userError('usage', {
      where: '--valid',
      message: 'unavailable with --format raw, which has no validation set',
      fix: `split it off with ${MTL} prepare --valid-share`,
    });
  }
  if (format === 'csv' && badEvery > 0)
    throw userError('usage', { where: '--bad-every', message: 'requires --format raw' });
  if (format === 'raw' && counterfactual)
    throw userError('usage', { where: '--counterfactual', message: 'requires --format csv' });
  if (eventLog && !sequences) throw userError('usage', { where: '--event-log', message: 'requires --sequences' });
  if (given.delay) refuseWithDelay(given);
  const isOfOthers = format !== 'csv' || preset !== PRESET_NAMES[0] || bags !== undefined;
  if (sequences && (isOfOthers || hasBiases(biases) || counterfactual))
    throw userError('usage', {
      where: '--sequences',
      message: 'cannot be combined with --preset, --format, --bags, --counterfactual or biases',
      fix: 'remove these options',
    });
}

/** @throws UserError (usage) for options that a log with delays does not have */
function refuseWithDelay({ preset, format, bags, biases, counterfactual, sequences, ...given }: SynthArguments): void {
  const isOfOthers =
    format !== 'csv' || preset !== PRESET_NAMES[0] || bags !== undefined || sequences || counterfactual;
  const isSized = [given.users, given.items, given.clickRate].some((option) => option !== undefined);
  if (isOfOthers || isSized || hasBiases(biases))
    throw userError('usage', {
      where: '--delay',
      message: 'can be combined with --seed, --train, --valid, --test, --purchase-rate and --days only',
      fix: 'remove the other options',
    });
}
