import { z } from 'zod';
import { userError } from '../../errors.js';
import type { StateSection } from '../../state-section.js';

const dataStateSchema = z.strictObject({
  /** Usable rows of train: with others, the place in an epoch means nothing. */
  trainRows: z.int().min(0),
});
type DataState = z.output<typeof dataStateSchema>;

/** The data's section of a checkpoint. */
export const dataSection: StateSection<DataState> = { name: 'data', version: 1, schema: dataStateSchema };

/**
 * Refuses other data than a run was trained with.
 * @throws UserError (data)
 */
export function refuseOtherData(known: DataState, trainRows: number): void {
  if (known.trainRows === trainRows) return;
  const message = `has ${trainRows} usable rows, the run was trained with ${known.trainRows}`;
  throw userError('data', { key: 'data.train', message, fix: 'go on with the same data, or start a new run' });
}
