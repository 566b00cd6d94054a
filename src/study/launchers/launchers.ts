import { registry } from '../../core/component.js';
import * as all from './all.js';

/** Every launcher by its name in the YAML. */
export const launchers = registry(all, 'name', all.local.name);
