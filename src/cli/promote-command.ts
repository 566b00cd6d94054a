import { EXIT_CODES } from '../core/errors.js';
import { promote, type PromoteOptions, type PromoteResult } from '../promote.js';
import type { Gate } from '../runs/channels.js';
import { count, decimals, shareLine, signed } from './format.js';
import { createOutput } from './output.js';
import { runUntilSignal } from './signals.js';

export interface PromoteArguments extends Omit<PromoteOptions, 'onWarning' | 'onProgress' | 'signal'> {
  readonly json: boolean;
}

/** Runs `mtl promote` and prints the formatOutcome. Returns the exit code. */
export async function runPromote({ json, ...options }: PromoteArguments): Promise<number> {
  const { screen, warn, result } = createOutput(json);
  return runUntilSignal(
    (signal) => warn(`${signal}: stopping`),
    async ({ signal }) => {
      const found = await promote({
        ...options,
        onWarning: warn,
        onProgress: ({ what, share }) => screen.live(() => shareLine(what, share)),
        signal,
      });
      screen.print(formatResult(found).join('\n'));
      result(found);
      return found.isPromoted ? EXIT_CODES.done : EXIT_CODES.notPromoted;
    },
  );
}

function formatResult(found: PromoteResult): readonly string[] {
  const title = `${found.channel}  `;
  return [
    `${title}${formatOutcome(found)}`,
    ...(found.gate === null ? [] : [`${' '.repeat(title.length)}${formatGate(found.gate)}`]),
  ];
}

function formatOutcome({ reason, run, over }: PromoteResult): string {
  if (reason === 'first') return `points to ${run}, its first run`;
  if (reason === 'present') return `already points to ${run}`;
  if (reason === 'trainingRows')
    return `keeps ${over}: ${run} was trained on rows of the comparison; name other rows, or add --allow-training-rows`;
  if (reason === 'notBetter') return `keeps ${over}: ${run} is not better`;
  return (
    `points to ${run} in place of ` +
    `${over}${reason === 'ungated' ? ', without a comparison' : reason === 'previous' ? ', as before' : ''}`
  );
}

function formatGate({
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
  const rule = goal === 'higher' ? `be above ${margin}` : `be below ${margin === 0 ? 0 : -margin}`;
  const percent = Number((100 * confidence).toPrecision(6));
  const interval = `${percent}% interval ${signed(low)} … ${signed(high)}; must ${rule}`;
  return (
    `${metric} ${decimals(candidate)} in place of ${decimals(present)}, ${signed(difference)} (${interval}), on ` +
    `${count(rows)} paired rows of ${data?.join(', ') ?? split}`
  );
}
