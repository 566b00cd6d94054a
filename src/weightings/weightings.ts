import { registry } from '../core/component.js';
import * as all from './all.js';

/** Every loss weighting by its name in the config. */
export const weightings = registry(all, 'name', all.fixed.name);
export type WeightingSpec = Parameters<typeof weightings.build>[0];
