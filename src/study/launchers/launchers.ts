import { registry } from '../../core/component.js';
import * as all from './all.js';

export const launchers = registry(all, 'name', all.local.name);
