import { EXIT_CODES } from '../core/errors.js';
import { promote, type PromoteOptions, type PromoteResult } from '../promote.js';
import type { Gate } from '../runs/channels.js';
import { count, decimals, shareLine, signed } from './format.js';
import { createOutput } from './output.js';
import { runUntilSignal } from './signals.js';

/** The arguments of `mtl promote`. */
export interface PromoteArguments extends Omit<PromoteOptions, 'onWarning' | 'onProgress' | 'signal'> {
  readonly json: boolean;
}

/** `mtl promote`: promotes a run, prints what came of it, and gives the exit code. */
export async function runPromote({ json, ...options }: PromoteArguments): Promise<number> {
  const { screen, notice, result } = createOutput(json);
  return runUntilSignal(
    (signal) => notice(`${signal}: stopping`),
    async ({ signal }) => {
      const found = await promote({
        ...options,
        onWarning: notice,
        onProgress: ({ what, share }) => screen.live(() => shareLine(what, share)),
        signal,
      });
      screen.print(linesOf(found).join('\n'));
      result(found);
      return found.isPromoted ? EXIT_CODES.done : EXIT_CODES.notPromoted;
    },
  );
}

function linesOf(found: PromoteResult): readonly string[] {
  const title = `${found.channel}  `;
  return [
    `${title}${outcome(found)}`,
    ...(found.gate === null ? [] : [`${' '.repeat(title.length)}${gateLine(found.gate)}`]),
  ];
}

function outcome({ reason, run, over }: PromoteResult): string {
  if (reason === 'first') return `${run}, its first run`;
  if (reason === 'present') return `has ${run} already`;
  if (reason === 'notBetter') return `keeps ${over}: ${run} is not better`;
  return `${run} in place of ${over}${reason === 'ungated' ? ', without a comparison' : reason === 'previous' ? ', as before' : ''}`;
}

function gateLine({
  metric,
  goal,
  present,
  candidate,
  difference,
  low,
  high,
  confidence,
  margin,
  data,
  split,
  rows,
}: Gate): string {
  const rule = goal === 'higher' ? `start above ${margin}` : `end below ${margin === 0 ? 0 : -margin}`;
  const interval = `${Number((100 * confidence).toPrecision(6))}% interval ${signed(low)} … ${signed(high)}; must ${rule}`;
  return `${metric} ${decimals(candidate)} in place of ${decimals(present)}, ${signed(difference)} (${interval}), on ${count(rows)} paired rows of ${data?.join(', ') ?? split}`;
}
