import { EXIT_CODES, userError } from '../core/errors.js';
import { importance, type ImportanceOptions, type ImportanceResult } from '../importance.js';
import type { Interval } from '../importance/interval.js';
import { openFindings } from '../importance/output.js';
import { writeFileAtomic } from '../io/disk.js';
import { count, shareLine, table } from './format.js';
import { createOutput } from './output.js';
import type { Terminal } from './terminal.js';
import { runUntilSignal } from './signals.js';

/** The arguments of `mtl importance`. */
export interface ImportanceArguments extends Pick<
  ImportanceOptions,
  'path' | 'data' | 'rows' | 'repeats' | 'seed' | 'byGroup' | 'rank' | 'dropWorst' | 'verifyData' | 'device' | 'threads'
> {
  readonly out: string | undefined;
  readonly config: string | undefined;
  readonly json: boolean;
}

/** `mtl importance`: measures, prints a table, writes what is asked for, and gives the exit code. */
export async function runImportance({ out, config, json, ...options }: ImportanceArguments): Promise<number> {
  if (config !== undefined && options.dropWorst === undefined)
    throw userError('usage', {
      where: '--config',
      message: 'is for --drop-worst alone',
      fix: 'say how many fields are left out, as in --drop-worst 3',
    });
  const write =
    out === undefined
      ? undefined
      : openFindings(out, `What ${options.path} owes to its ${options.byGroup ? 'groups' : 'fields'}`);
  const { screen, notice, result } = createOutput(json);
  return runUntilSignal(
    (signal) => screen.print(`${signal}: stopping; nothing is written`),
    async (stop) => {
      const found = await importance({
        ...options,
        onWarning: notice,
        onProgress: ({ what, share }) => screen.live(() => shareLine(what, share)),
        signal: stop.signal,
      });
      screen.print(
        `checkpoint ${found.checkpoint}, after ${count(found.step)} steps; ${found.split}: ${count(found.rows)} of ${count(found.totalRows)} rows, ${found.repeats} ${found.repeats === 1 ? 'permutation' : 'permutations'} each, seed ${found.seed}`,
      );
      screen.print(fallTable(found, options.byGroup, screen));
      await write?.(found);
      if (out !== undefined) screen.print(`written to ${out}`);
      const { proposal } = found;
      if (proposal !== undefined) {
        if (config !== undefined) await writeFileAtomic(config, proposal.config);
        screen.print(
          `without ${proposal.leftOut.join(', ')}${config === undefined ? ':' : `: ${config}; mtl train ${config}`}`,
        );
        if (config === undefined) screen.print(proposal.config);
      }
      result({ run: options.path, out, ...found });
      return EXIT_CODES.done;
    },
  );
}

/** How much worse each measure is without each field, the values as they are above. */
function fallTable({ baseline: plain, importances }: ImportanceResult, byGroup: boolean, screen: Terminal): string {
  const names = Object.keys(plain);
  const values = ['as it is', ...names.map((name) => plain[name]?.toFixed(4) ?? '-')];
  const rows = importances.map(({ name, drops: falls }) => [
    name,
    ...names.map((measure) => fallText(falls[measure] ?? null)),
  ]);
  return table([byGroup ? 'group, worse by' : 'field, worse by', ...names], [values, ...rows], screen);
}

function fallText(fall: Interval | null): string {
  if (fall === null) return '-';
  return fall.high === null ? fall.mean.toFixed(4) : `${fall.mean.toFixed(4)} ± ${(fall.high - fall.mean).toFixed(4)}`;
}
