import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { z } from 'zod';
import { listLiveDecisions, nameDecision, type Gate } from '../runs/channels.js';
import { liveFiguresSchema, type LiveFigures } from '../runs/live-figures.js';
import { shownPath } from '../runs/runs-root.js';

/** Two runs on live requests: a decision that a channel recorded, or the state of a running server. */
export interface ShownComparison {
  /** Name of the channel and time of the decision, or address of the server; unique. */
  readonly source: string;
  readonly present: string;
  readonly candidate: string;
  /** Text such as `promoted`. */
  readonly decision: string;
  /** The look that decided; undefined without a rule. */
  readonly gate?: Gate | undefined;
  /** Undefined in records of earlier versions. */
  readonly live?: LiveFigures | undefined;
}

/** Lists the decisions about a run: as the candidate, or as the run that served. */
export function listComparisons(folder: string, root: string): readonly ShownComparison[] {
  const pathOf = (run: string): string => resolve(existsSync(root) ? realpathSync(root) : root, run);
  const own = existsSync(folder) ? realpathSync(folder) : resolve(folder);
  return listLiveDecisions(root)
    .filter(({ run, over }) => pathOf(run) === own || (over !== null && pathOf(over) === own))
    .map((decision) => ({
      source: `channel ${decision.channel}, ${decision.time.replace('T', ' ').replace(/:\d+\.\d+Z$/, ' UTC')}`,
      present: decision.over === null ? 'no run' : shownPath(pathOf(decision.over)),
      candidate: shownPath(pathOf(decision.run)),
      decision: nameDecision(decision),
      gate: decision.gate ?? undefined,
      live: decision.live,
    }));
}

const modelSchema = z.object({ checkpoint: z.string() });

/** What `GET /canary` returns. */
export const serverStateSchema = liveFiguresSchema.extend({
  state: z.enum(['running', 'promoted', 'rolledBack', 'ended']),
  present: modelSchema,
  candidate: modelSchema,
});
export type ServerState = z.output<typeof serverStateSchema>;

/** Describes the state of a server. */
export function describeServer(url: string, { state, present, candidate, ...live }: ServerState): ShownComparison {
  const nameOf = (side: z.output<typeof modelSchema>): string => nameRun(dirname(dirname(side.checkpoint)));
  const decision = state === 'rolledBack' ? 'rejected' : state;
  return { source: url, present: nameOf(present), candidate: nameOf(candidate), decision, live };
}

/** Whether a run is one of the models of a comparison of a server, whose runs may have another parent directory. */
export function isCompared(folder: string, { present, candidate }: ShownComparison): boolean {
  return [present, candidate].includes(nameRun(realpathSync(folder)));
}

/** Shortens the path of a run to its last two parts, as in `esmm/004`. */
function nameRun(folder: string): string {
  return `${basename(dirname(folder))}/${basename(folder)}`;
}
