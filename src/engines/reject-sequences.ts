import { userError } from '../core/errors.js';
import type { Plan } from './engine.js';

/** @throws UserError (config) if a plan has sequences, which only the CPU engine computes */
export function rejectSequences({ layout: { sequences = [] } }: Plan, where: string): void {
  const [first] = sequences;
  if (first === undefined) return;
  throw userError('config', {
    key: 'features',
    message: `${where} has no kernels for sequences such as '${first.field}'`,
    fix: 'use --device cpu',
  });
}
