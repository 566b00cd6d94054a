import { openPeers } from '../cluster/open-peers.js';
import { EXIT_CODES, userError } from '../core/errors.js';
import { prepare } from '../prepare.js';
import { BAG_FIELDS, FIELDS, type PerField } from '../prepare/fields.js';
import type { RecipeName } from '../prepare/recipes.js';
import type { Summary } from '../prepare/summary.js';
import { count, duration, percent, table } from './format.js';
import { createOutput, type LogLevel } from './output.js';
import type { Terminal } from './terminal.js';
import { runUntilSignal } from './signals.js';
import { MTL } from '../system/command-name.js';

export interface PrepareArguments {
  readonly raw: string;
  readonly out: string;
  readonly minCounts: PerField | undefined;
  readonly caps: PerField | undefined;
  readonly recipe: RecipeName | undefined;
  readonly validShare: number;
  readonly maxBadRows: number;
  readonly seed: number;
  readonly threads: number | undefined;
  readonly level: LogLevel;
  readonly json: boolean;
}

/** Runs `mtl prepare` and prints a summary. Returns the exit code. */
export async function runPrepare({ level, json, threads, ...args }: PrepareArguments): Promise<number> {
  const peers = openPeers();
  const { screen, warn, result } = peers.rank === 0 ? createOutput(json, level) : createOutput(false, 'error');
  return runUntilSignal(
    (signal) => warn(`${signal}: stopping; run the same command to resume`),
    async (stop) => {
      const summary = await peers.runCollectively(() => {
        checkFields('--min-count', args.minCounts, FIELDS);
        checkFields('--max-values', args.caps, [...BAG_FIELDS]);
        return prepare(
          { ...args, peers, threads: threads ?? peers.threads, signal: stop.signal },
          ({ phase, share, leftMs }) => screen.live(() => `${percent(share)}  ${phase}  ${duration(leftMs)} left`),
        );
      });
      peers.end();
      screen.print(formatSummary(summary, screen));
      screen.print(`next: ${MTL} train ${args.out}/config.yaml`);
      result({ out: args.out, ...summary });
      return EXIT_CODES.done;
    },
  );
}

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
