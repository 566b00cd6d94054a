import type { Argv } from 'yargs';
import { quoted, userError } from '../errors.js';
import { PRESET_NAMES, SYNTH_FORMATS } from '../synth/presets.js';
import { shareOrNone, whole, wholeOrNone } from './options.js';

/** What `mtl synth` takes. */
export function synthOptions(y: Argv) {
  return y
    .positional('folder', { type: 'string', demandOption: true, describe: 'where to write the files and oracle.json' })
    .option('seed', whole('--seed', 2026, 'decides everything'))
    .option('preset', { choices: PRESET_NAMES, default: PRESET_NAMES[0]!, describe: 'a world: what users, items and rates are where they are not given, and numbers of ids' })
    .option('format', { choices: SYNTH_FORMATS, default: SYNTH_FORMATS[0], describe: "csv: train.csv, valid.csv, test.csv; raw: Tianchi's four files, without valid" })
    .option('train', whole('--train', 20_000, 'rows to train on'))
    .option('valid', wholeOrNone('--valid', 'rows to choose the epoch by (5000)'))
    .option('test', whole('--test', 5_000, 'rows to test on'))
    .option('users', wholeOrNone('--users', 'users in the world', 10_000_000))
    .option('items', wholeOrNone('--items', 'items in the world', 10_000_000))
    .option('click-rate', shareOrNone('--click-rate', 'clicks of impressions'))
    .option('purchase-rate', shareOrNone('--purchase-rate', 'purchases of clicks'))
    .option('bags', wholeOrNone('--bags', 'multi-valued fields as bags (id:weight|id:weight), with about so many values in a history field', 1000))
    .option('bad-every', whole('--bad-every', 0, 'raw: one bad row behind so many rows; 0 for none', undefined, 0))
    .option('position-bias', strength('--position-bias', 'good positions go to what would be clicked anyway; from 0, not at all, 1 is much'))
    .option('selection-bias', strength('--selection-bias', 'who would buy clicks: this share of the log odds of a purchase is added to those of a click'))
    .option('confounder', strength('--confounder', 'log odds of click and purchase by a need of the moment that no column tells of'))
    .option('counterfactual', { type: 'boolean', default: false, describe: 'csv: write test also with every row clicked (test-clicked.csv) and with positions at random (test-shuffled.csv), and what is true there' })
    .example('$0 synth data/large --train 500000', '')
    .example('$0 synth data/biased --selection-bias 1 --confounder 1 --counterfactual', '')
    .example('$0 synth data/raw --preset ali-ccp --format raw --train 1000000', '');
}

/** How strong something is, from 0. */
function strength(name: string, describe: string) {
  return {
    type: 'string',
    requiresArg: true,
    default: '0',
    describe,
    coerce: (text: string): number => {
      const number = text.trim() === '' ? NaN : Number(text);
      if (!(number >= 0 && number <= 10)) throw userError('usage', { where: name, message: `expected a number from 0 to 10 (${describe}), found ${quoted(text)}` });
      return number;
    },
  } as const;
}
