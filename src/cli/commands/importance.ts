import { EXIT_CODES, userError } from '../../core/errors.js';
import type { ImportanceResult } from '../../importance.js';
import type { Interval } from '../../importance/interval.js';
import { count, shareLine, table } from '../format.js';
import { createOutput } from '../output.js';
import { runUntilSignal } from '../signals.js';
import type { Terminal } from '../terminal.js';
import {
  deviceOption,
  filesOption,
  jsonOption,
  kernelsOption,
  threadsOption,
  verifyDataOption,
  intOption,
  optionalInt,
} from '../options.js';
import { MTL } from '../../system/command-name.js';
import { defineCommand } from './command.js';

export const importance = defineCommand({
  usage: 'importance <path>',
  summary: 'Measure permutation importance per field',
  options: (y) =>
    y
      .positional('path', { type: 'string', demandOption: true, describe: 'Run directory or checkpoint' })
      .option('data', filesOption('Data to measure', 'the validation set, else the test set'))
      .option('rows', intOption('--rows', 1_000_000, 'Maximum number of rows, sampled from all'))
      .option('repeats', intOption('--repeats', 3, 'Permutations per field', 1000))
      .option('groups', { type: 'boolean', default: false, describe: 'Permute all fields of a feature group together' })
      .option('rank-by', {
        type: 'string',
        requiresArg: true,
        describe: 'Output to rank fields by; default: that of training.monitor',
      })
      .option('seed', intOption('--seed', 2026, 'Random seed of the sample and the permutations', undefined, 0))
      .option('out', { type: 'string', requiresArg: true, describe: 'Output file: .svg (bar chart), .json or .csv' })
      .option(
        'drop-worst',
        optionalInt('--drop-worst', 'Propose a config without this many of the least important fields'),
      )
      .option('config', {
        type: 'string',
        requiresArg: true,
        describe: 'Output file of the config for --drop-worst; default: standard output',
      })
      .option('verify-data', verifyDataOption)
      .option('device', deviceOption)
      .option('threads', threadsOption)
      .option('kernels', kernelsOption)
      .option('json', jsonOption)
      .example('$0 importance runs/latest --out importance.svg', '')
      .example('$0 importance runs/latest --drop-worst 3 --config smaller.yaml', ''),
  async run({ out, config, json, groups: byGroup, rankBy: rank, ...args }) {
    if (config !== undefined && args.dropWorst === undefined)
      throw userError('usage', {
        where: '--config',
        message: 'requires --drop-worst',
        fix: 'add the number of fields to drop, as in --drop-worst 3',
      });
    const [{ importance: measure }, { openFindings }, { writeFileAtomic }] = await Promise.all([
      import('../../importance.js'),
      import('../../importance/output.js'),
      import('../../io/disk.js'),
    ]);
    const title = `Permutation importance of the ${byGroup ? 'feature groups' : 'fields'} of ${args.path}`;
    const write = out === undefined ? undefined : openFindings(out, title);
    const { screen, warn, result } = createOutput(json);
    return runUntilSignal(
      (signal) => screen.print(`${signal}: stopping without writing anything`),
      async ({ signal }) => {
        const { path, data, rows, repeats, seed, dropWorst, verifyData, device, threads } = args;
        const found = await measure({
          ...{ path, data, rows, repeats, seed, byGroup, rank, dropWorst, verifyData, device, threads, signal },
          onWarning: warn,
          onProgress: ({ what, share }) => screen.live(() => shareLine(what, share)),
        });
        screen.print(formatMeasured(found));
        screen.print(dropTable(found, byGroup, screen));
        await write?.(found);
        if (out !== undefined) screen.print(`written to ${out}`);
        const { proposal } = found;
        if (proposal !== undefined) {
          if (config !== undefined) await writeFileAtomic(config, proposal.config);
          const next = config === undefined ? ':' : `: ${config}; ${MTL} train ${config}`;
          screen.print(`without ${proposal.leftOut.join(', ')}${next}`);
          if (config === undefined) screen.print(proposal.config);
        }
        result({ run: path, out, ...found });
        return EXIT_CODES.done;
      },
    );
  },
});

function formatMeasured({ checkpoint, step, split, rows, totalRows, repeats, seed }: ImportanceResult): string {
  return (
    `checkpoint ${checkpoint}, after ${count(step)} steps; ${split}: ${count(rows)} of ${count(totalRows)} rows, ` +
    `${repeats} ${repeats === 1 ? 'permutation' : 'permutations'} each, seed ${seed}`
  );
}

/** Builds a table of the drop of each metric per field, below a row with the unpermuted values. */
function dropTable({ unpermuted, importances }: ImportanceResult, byGroup: boolean, screen: Terminal): string {
  const names = Object.keys(unpermuted);
  const values = ['unpermuted', ...names.map((name) => unpermuted[name]?.toFixed(4) ?? '-')];
  const rows = importances.map(({ name, drops }) => [
    name,
    ...names.map((measure) => formatDrop(drops[measure] ?? null)),
  ]);
  return table([byGroup ? 'group, drop of' : 'field, drop of', ...names], [values, ...rows], screen);
}

function formatDrop(fall: Interval | null): string {
  if (fall === null) return '-';
  return fall.high === null ? fall.mean.toFixed(4) : `${fall.mean.toFixed(4)} ± ${(fall.high - fall.mean).toFixed(4)}`;
}
