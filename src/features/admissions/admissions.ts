import { registry } from '../../core/component.js';
import * as all from './all.js';

/** Every admission of new tokens by its name in the config. */
export const admissions = registry(all, 'name', all.exact.name);
