import type { ProcessGroup } from '../../src/core/process-group.js';

/** Of the exchanges of a step, and of what would have been sent. */
export function mirrorPeers(
  size: number,
): Pick<
  ProcessGroup,
  'rank' | 'size' | 'sumFloats' | 'beginSum' | 'goOn' | 'endSum' | 'sumDoubles' | 'gather' | 'exchange'
> & { sent(): { readonly bytes: number; readonly messages: number } };
