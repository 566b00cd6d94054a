import { rowHistories } from '../sequence-options.js';
import { FollowedHistories } from '../streams/followed-histories.js';
import { HeldHistories } from '../objects/held-histories.js';
import type { StateKind } from './state-kind.js';

/** Earlier events of the user of a row, of which a delta has those since the checkpoint before. */
export const histories: StateKind<'histories', HeldHistories> = {
  follow({ histories: plans, join }, { tensors }) {
    return plans.length === 0 ? undefined : new FollowedHistories(plans, join, tensors);
  },
  reads: 'all',
  continue: (full) => new HeldHistories(full),
  serve: (tensors, data) => tensors && new HeldHistories(tensors, rowHistories(data.sequences)),
};
