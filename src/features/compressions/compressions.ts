import { registry } from '../../core/component.js';
import * as all from './all.js';

/** Every compression of tables by its name in the config. */
export const compressions = registry(all);
