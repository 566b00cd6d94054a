import { formatChoices, registry } from '../../core/component.js';
import * as all from './all.js';

/** Every eviction of tokens by its name in the config. */
export const evictions = registry(all, 'name', all.lru.name);

/** Schema of an eviction: a name, or a map with options. */
export const evictionOption = formatChoices(evictions.schema, evictions.names);
