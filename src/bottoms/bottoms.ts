import { registry } from '../part.js';
import * as all from './all.js';

/** Shared layers by their name in the YAML; none where it is not given. */
export const bottoms = registry(all, 'name', all.none.name);
