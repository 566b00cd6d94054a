import { registry } from '../../core/component.js';
import * as all from './all.js';

/** Every aggregate of a counter by its name in the config. */
export const aggregates = registry(all, 'aggregate', all.window.name);
