import { registry } from '../../core/component.js';
import * as all from './all.js';

/** Every way to search by its name in the YAML. */
export const searches = registry(all, 'name', all.tpe.name);
