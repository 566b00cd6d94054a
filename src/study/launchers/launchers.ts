import { registry } from '../../core/component.js';
import * as all from './all.js';

/** Launchers by name. */
export const launchers = registry(all, 'name', all.local.name);
