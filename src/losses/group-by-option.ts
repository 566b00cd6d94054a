import { columnName } from '../core/conditions.js';

/** Column whose values define the groups within which a loss compares rows. */
export const groupByOption = columnName.describe(
  'Group column, as in user; rows of a batch are compared within groups',
);
