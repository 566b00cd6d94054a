import { EXIT_CODES, userError } from '../../core/errors.js';
import type { PerField } from '../../prepare/fields.js';
import { RECIPE_NAMES } from '../../prepare/recipes.js';
import type { Summary } from '../../prepare/summary.js';
import { MTL } from '../../system/command-name.js';
import { count, duration, percent, table } from '../format.js';
import { createOutput } from '../output.js';
import { runUntilSignal } from '../signals.js';
import type { Terminal } from '../terminal.js';
import {
  jsonOption,
  getLogLevel,
  logLevelOption,
  perField,
  quietOption,
  fractionOption,
  threadsOption,
  intOption,
} from '../options.js';
import { defineCommand } from './command.js';

export const prepare = defineCommand({
  usage: 'prepare <data> <raw> <out>',
  summary: 'Convert raw data files into a training data set',
  options: (y) =>
    y
      .positional('data', { choices: ['ali-ccp'] as const, demandOption: true, describe: 'Raw data set' })
      .positional('raw', {
        type: 'string',
        demandOption: true,
        describe: 'Directory of sample_skeleton_{train,test}.csv and common_features_{train,test}.csv',
      })
      .positional('out', {
        type: 'string',
        demandOption: true,
        describe: 'Output directory; an interrupted run is resumed',
      })
      .option(
        'min-count',
        perField(
          '--min-count',
          10,
          'Minimum count of an id in the training set; rarer ids become 0 (out of vocabulary)',
        ),
      )
      .option('max-values', perField('--max-values', 10, 'Maximum values per row of a multi-valued field, by weight'))
      .option(
        'valid-share',
        fractionOption('--valid-share', 0.1, 'Fraction of training sessions in the validation set'),
      )
      .option('recipe', {
        choices: RECIPE_NAMES,
        describe:
          'Preprocessing of a paper, for its config in configs/compare: minimum counts, caps and validation split',
      })
      .option(
        'max-bad-rows',
        intOption('--max-bad-rows', 0, 'Maximum number of invalid rows, which are listed in rejects.csv', undefined, 0),
      )
      .option('seed', intOption('--seed', 2026, 'Random seed of the validation split'))
      .option('threads', threadsOption)
      .option('quiet', quietOption)
      .option('log-level', logLevelOption)
      .option('json', jsonOption)
      .example('$0 prepare ali-ccp downloads/ data/ali-ccp', '')
      .example('$0 train data/ali-ccp/config.yaml', '')
      .example('$0 prepare ali-ccp downloads/ data/aitm --recipe aitm', ''),
  async run({ minCount: minCounts, maxValues: caps, threads, quiet, logLevel, json, ...args }) {
    const [{ openPeers }, { prepare: prepareRows }, { BAG_FIELDS, FIELDS }] = await Promise.all([
      import('../../cluster/open-peers.js'),
      import('../../prepare.js'),
      import('../../prepare/fields.js'),
    ]);
    const { raw, out, recipe, validShare, maxBadRows, seed } = args;
    const peers = openPeers();
    const { screen, warn, result } =
      peers.rank === 0 ? createOutput(json, getLogLevel({ quiet, logLevel })) : createOutput(false, 'error');
    return runUntilSignal(
      (received) => warn(`${received}: stopping; run the same command to resume`),
      async ({ signal }) => {
        const summary = await peers.runCollectively(() => {
          checkFields('--min-count', minCounts, FIELDS);
          checkFields('--max-values', caps, [...BAG_FIELDS]);
          return prepareRows(
            {
              ...{ raw, out, recipe, minCounts, caps, validShare, maxBadRows, seed, peers, signal },
              threads: threads ?? peers.threads,
            },
            ({ phase, share, leftMs }) => screen.live(() => `${percent(share)}  ${phase}  ${duration(leftMs)} left`),
          );
        });
        peers.end();
        screen.print(formatSummary(summary, screen));
        screen.print(`next: ${MTL} train ${out}/config.yaml`);
        result({ out, ...summary });
        return EXIT_CODES.done;
      },
    );
  },
});

function checkFields(option: string, counts: PerField | undefined, fields: readonly string[]): void {
  const unknown = Object.keys(counts?.byField ?? {}).find((field) => !fields.includes(field));
  if (unknown !== undefined)
    throw userError('usage', { where: option, message: `unknown field '${unknown}'; use one of ${fields.join(', ')}` });
}

/** Formats the summary as tables: splits, fields and dropped rows. */
function formatSummary({ splits, fields, dropped }: Summary, screen: Terminal): string {
  const share = (value: number | null | undefined): string =>
    value === null || value === undefined ? '-' : percent(value);
  const splitNames = Object.keys(splits);
  const cutValues = (cut: Summary['fields'][string]['cut']): string => {
    const values = Object.values(cut).reduce((sum, part) => sum + part.values, 0);
    return values === 0 ? '' : count(values);
  };
  return [
    table(
      ['split', 'rows', 'clicks', 'purchases', 'click rate', 'purchase rate'],
      Object.entries(splits).map(([split, { rows, clicks, purchases, clickRate, purchaseRate }]) => [
        split,
        count(rows),
        count(clicks),
        count(purchases),
        share(clickRate),
        share(purchaseRate),
      ]),
      screen,
    ),
    table(
      ['field', 'raw ids', 'vocabulary', ...splitNames.map((split) => `known in ${split}`), 'cut'],
      Object.entries(fields).map(([field, { distinct, vocabulary, coverage, cut }]) => [
        field,
        count(distinct),
        count(vocabulary),
        ...splitNames.map((split) => share(coverage[split])),
        cutValues(cut),
      ]),
      screen,
    ),
    screen.dim(
      "  raw ids are counted in train; 'cut' counts values above the maximum per row: the lightest are dropped",
    ),
    table(
      ['dropped', 'purchase, no click', 'invalid rows', 'unused common rows', 'repeated common rows'],
      Object.entries(dropped).map(([split, d]) => [
        split,
        count(d.purchasesWithoutClick),
        count(d.badRows),
        count(d.unusedCommonRows),
        count(d.repeatedCommonRows),
      ]),
      screen,
    ),
  ].join('\n');
}
