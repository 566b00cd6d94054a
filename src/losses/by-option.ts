import { columnName } from '../core/conditions.js';

/** The column of the data whose cells are groups, within which a loss compares rows. */
export const byOption = columnName.describe('Group column, as in user; rows of a batch are compared within groups');
