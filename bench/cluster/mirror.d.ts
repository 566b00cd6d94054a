import type { ProcessGroup } from '../../src/core/process-group.js';

/** Creates a process group that counts what a step would send. */
export function mirrorPeers(
  size: number,
): Pick<
  ProcessGroup,
  | 'rank'
  | 'size'
  | 'allReduceSumF32'
  | 'startAllReduce'
  | 'pollAllReduce'
  | 'waitAllReduce'
  | 'allReduceSumF64'
  | 'allGather'
  | 'allToAll'
> & { sent(): { readonly bytes: number; readonly messages: number } };
