import type { ArgumentsCamelCase, Argv } from 'yargs';
import { EXIT_CODES, userError } from '../../core/errors.js';
import type { Oracle } from '../../synth.js';
import type { Biases } from '../../synth/biases.js';
import { PRESET_NAMES, PRESETS, SYNTH_FORMATS } from '../../synth/presets.js';
import type { WorldSize } from '../../synth/world.js';
import { MTL } from '../../system/command-name.js';
import { count, reportTable } from '../format.js';
import { optionalFraction, intOption, optionalInt, strengthOption } from '../options.js';
import { createOutput } from '../output.js';
import { defineCommand } from './command.js';

export const synth = defineCommand({
  usage: 'synth <out>',
  summary: 'Generate data shaped like Ali-CCP with known true probabilities',
  options: declareOptions,
  run: generate,
});

type SynthArguments =
  ReturnType<typeof declareOptions> extends Argv<infer Options> ? ArgumentsCamelCase<Options> : never;

const DEFAULT_VALID_ROWS = 5000;
/** Days and conversion rate of a log with delays, unless given. */
const [DELAY_DAYS, DELAY_RATE] = [28, 0.2] as const;
/** Users and items of a log with histories, unless given. */
const HISTORY_SIZE = { users: 5000, items: 2000 } as const;

function declareOptions(y: Argv) {
  return withDelays(withSequences(withBiases(withRows(y))))
    .example('$0 synth data/large --train 500000', '')
    .example('$0 synth data/biased --selection-bias 1 --confounder 1 --counterfactual', '')
    .example('$0 synth data/histories --sequences --train 500000', '')
    .example('$0 synth data/long-histories --sequences --history-items 2000', '')
    .example('$0 synth data/delays --delay --train 200000 --test 50000', '')
    .example('$0 synth data/raw --preset ali-ccp --format raw --train 1000000', '');
}

/** Declares the output, and its numbers of rows, users and items. */
function withRows(y: Argv) {
  return y
    .positional('out', {
      type: 'string',
      demandOption: true,
      describe: 'Output directory for the files and oracle.json',
    })
    .option('seed', intOption('--seed', 2026, 'Random seed'))
    .option('preset', {
      choices: PRESET_NAMES,
      default: PRESET_NAMES[0]!,
      describe: 'Defaults for users, items, rates and numbers of ids',
    })
    .option('format', {
      choices: SYNTH_FORMATS,
      default: SYNTH_FORMATS[0],
      describe: "Output format: csv (train.csv, valid.csv, test.csv) or raw (Tianchi's four files, no validation set)",
    })
    .option('train', intOption('--train', 20_000, 'Training rows'))
    .option('valid', optionalInt('--valid', 'Validation rows; default: 5000'))
    .option('test', intOption('--test', 5_000, 'Test rows'))
    .option('users', optionalInt('--users', 'Number of users', 10_000_000))
    .option('items', optionalInt('--items', 'Number of items', 10_000_000))
    .option('click-rate', optionalFraction('--click-rate', 'Click rate of impressions'))
    .option('purchase-rate', optionalFraction('--purchase-rate', 'Purchase rate of clicks'))
    .option(
      'bags',
      optionalInt(
        '--bags',
        'Write multi-valued fields as bags (id:weight|id:weight), with about this many values in a history field',
        1000,
      ),
    )
    .option('bad-every', intOption('--bad-every', 0, 'With raw: rows per invalid row; 0 for none', undefined, 0));
}

/** Declares biases of the log. */
function withBiases<Options>(y: Argv<Options>) {
  return y
    .option(
      'position-bias',
      strengthOption(
        '--position-bias',
        'Strength with which good positions go to items likely to be clicked; 0 is none, 1 is strong',
      ),
    )
    .option(
      'selection-bias',
      strengthOption('--selection-bias', 'Share of the purchase log odds added to the click log odds'),
    )
    .option(
      'confounder',
      strengthOption('--confounder', 'Effect of an unobserved need on the log odds of click and purchase'),
    )
    .option('counterfactual', {
      type: 'boolean',
      default: false,
      describe: 'With csv: also write test-clicked.csv (every row clicked) and test-shuffled.csv (random positions)',
    });
}

/** Declares options of logs with histories. */
function withSequences<Options>(y: Argv<Options>) {
  return y
    .option('sequences', {
      type: 'boolean',
      default: false,
      describe: "Write a log with each user's history of items, on which clicks depend; 5000 users, 2000 items",
    })
    .option('event-log', {
      type: 'boolean',
      default: false,
      describe: 'With sequences: write the histories as events.csv, one event per row',
    })
    .option(
      'history-items',
      optionalInt(
        '--history-items',
        'With sequences: maximum items per history; lengths and effects are proportional; default: 200',
        10_000,
      ),
    );
}

/** Declares options of logs with delayed conversions. */
function withDelays<Options>(y: Argv<Options>) {
  return y
    .option('delay', {
      type: 'boolean',
      default: false,
      describe: 'Write a log of clicks in order of time, with the times of late conversions and true probabilities',
    })
    .option('days', optionalInt('--days', 'With delay: days from the first row to the last one; default: 28', 3650));
}

/** Generates the data and prints the metrics of the true probabilities. Returns the exit code. */
async function generate(given: SynthArguments): Promise<number> {
  checkOptions(given);
  const { synth: synthRows, synthDelays, synthHistories } = await import('../../synth.js');
  const { out, seed, preset, format, bags, badEvery, counterfactual, sequences, eventLog, ...args } = given;
  const biases = biasesOf(given);
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
      : await synthRows({
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

function biasesOf({ positionBias, selectionBias, confounder }: SynthArguments): Biases {
  return { position: positionBias, selection: selectionBias, confounder };
}

function hasBiases(biases: Biases): boolean {
  return Object.values(biases).some((bias) => bias > 0);
}

/** @throws UserError (usage) for options that exclude each other */
function checkOptions(given: SynthArguments): void {
  const { preset, format, valid, bags, badEvery, counterfactual, sequences, eventLog, historyItems } = given;
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
  if (sequences && (isOfOthers || hasBiases(biasesOf(given)) || counterfactual))
    throw userError('usage', {
      where: '--sequences',
      message: 'cannot be combined with --preset, --format, --bags, --counterfactual or biases',
      fix: 'remove these options',
    });
}

/** @throws UserError (usage) for options that a log with delays does not have */
function refuseWithDelay(given: SynthArguments): void {
  const { preset, format, bags, counterfactual, sequences } = given;
  const isOfOthers =
    format !== 'csv' || preset !== PRESET_NAMES[0] || bags !== undefined || sequences || counterfactual;
  const isSized = [given.users, given.items, given.clickRate].some((option) => option !== undefined);
  if (isOfOthers || isSized || hasBiases(biasesOf(given)))
    throw userError('usage', {
      where: '--delay',
      message: 'can be combined with --seed, --train, --valid, --test, --purchase-rate and --days only',
      fix: 'remove the other options',
    });
}
