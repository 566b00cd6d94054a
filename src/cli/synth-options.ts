import type { Argv } from 'yargs';
import { PRESET_NAMES, SYNTH_FORMATS } from '../synth/presets.js';
import { optionalFraction, intOption, optionalInt, strengthOption } from './options.js';

/** Declares the options of `mtl synth`. */
export function synthOptions(y: Argv) {
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
