import { EXIT_CODES, userError } from '../core/errors.js';
import { importance, type ImportanceOptions, type ImportanceResult } from '../importance.js';
import type { Interval } from '../importance/interval.js';
import { openFindings } from '../importance/output.js';
import { writeFileAtomic } from '../io/disk.js';
import { count, shareLine, table } from './format.js';
import { createOutput } from './output.js';
import type { Terminal } from './terminal.js';
import { runUntilSignal } from './signals.js';
import { MTL } from '../system/command-name.js';

export interface ImportanceArguments extends Pick<
  ImportanceOptions,
  'path' | 'data' | 'rows' | 'repeats' | 'seed' | 'byGroup' | 'rank' | 'dropWorst' | 'verifyData' | 'device' | 'threads'
> {
  readonly out: string | undefined;
  readonly config: string | undefined;
  readonly json: boolean;
}

/** Runs `mtl importance`: prints a table and writes the requested files. Returns the exit code. */
export async function runImportance({ out, config, json, ...options }: ImportanceArguments): Promise<number> {
  if (config !== undefined && options.dropWorst === undefined)
    throw userError('usage', {
      where: '--config',
      message: 'requires --drop-worst',
      fix: 'add the number of fields to drop, as in --drop-worst 3',
    });
  const write =
    out === undefined
      ? undefined
      : openFindings(
          out,
          `Permutation importance of the ${options.byGroup ? 'feature groups' : 'fields'} of ${options.path}`,
        );
  const { screen, warn, result } = createOutput(json);
  return runUntilSignal(
    (signal) => screen.print(`${signal}: stopping without writing anything`),
    async (stop) => {
      const found = await importance({
        ...options,
        onWarning: warn,
        onProgress: ({ what, share }) => screen.live(() => shareLine(what, share)),
        signal: stop.signal,
      });
      screen.print(
        `checkpoint ${found.checkpoint}, after ${count(found.step)} steps; ${found.split}: ` +
          `${count(found.rows)} of ${count(found.totalRows)} rows, ${found.repeats} ` +
          `${found.repeats === 1 ? 'permutation' : 'permutations'} each, seed ${found.seed}`,
      );
      screen.print(dropTable(found, options.byGroup, screen));
      await write?.(found);
      if (out !== undefined) screen.print(`written to ${out}`);
      const { proposal } = found;
      if (proposal !== undefined) {
        if (config !== undefined) await writeFileAtomic(config, proposal.config);
        screen.print(
          `without ${proposal.leftOut.join(', ')}${config === undefined ? ':' : `: ${config}; ${MTL} train ${config}`}`,
        );
        if (config === undefined) screen.print(proposal.config);
      }
      result({ run: options.path, out, ...found });
      return EXIT_CODES.done;
    },
  );
}

/** Builds a table of the drop of each metric per field, below a row with the baseline values. */
function dropTable({ baseline, importances }: ImportanceResult, byGroup: boolean, screen: Terminal): string {
  const names = Object.keys(baseline);
  const values = ['baseline', ...names.map((name) => baseline[name]?.toFixed(4) ?? '-')];
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
