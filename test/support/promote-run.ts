import { promote, type PromoteOptions, type PromoteResult } from '../../src/promote.js';

/** Promotes a run to the channel `prod`, without a comparison unless the options have a gate. */
export function promoteRun(run: string | undefined, options: Partial<PromoteOptions> = {}): Promise<PromoteResult> {
  return promote({
    run,
    to: 'prod',
    gate: undefined,
    limit: 1e6,
    device: 'cpu',
    threads: 1,
    onWarning: () => undefined,
    signal: new AbortController().signal,
    ...options,
  });
}
