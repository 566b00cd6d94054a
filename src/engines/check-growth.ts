import { userError } from '../core/errors.js';
import { tableOptimizer, type Plan } from './engine.js';

/**
 * Checks that the growing tables of a plan can be trained.
 * @throws UserError (config)
 */
export function checkGrowth({ layout, optimizers, peers }: Plan): void {
  const table = layout.tables.find(({ initialRows }) => initialRows !== undefined);
  if (table === undefined) return;
  const { idsOf: field = table.name } = table;
  const refuse = (message: string, fix: string): Error =>
    userError('config', { key: `field '${field}'`, message: `has a vocabulary that grows, ${message}`, fix });
  if ((peers?.size ?? 1) > 1)
    throw refuse('whose order several processes do not share', 'train in one process, or remove capacity');
  if (layout.tables.some((each) => each.initialRows !== undefined && !tableOptimizer(optimizers, each).lazy))
    throw refuse(
      'but the optimizer updates all rows in every step, also those without a token',
      'set lazy: true for the optimizer of embeddings, or remove capacity',
    );
}
