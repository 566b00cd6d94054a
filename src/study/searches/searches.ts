import { registry } from '../../core/component.js';
import * as all from './all.js';

/** Search algorithms by name. */
export const searches = registry(all, 'name', all.tpe.name);
