import { it } from 'vitest';
import { expectAlone } from './expect-alone.js';

// While it loads, too.
expectAlone();

it('finds nothing of others', expectAlone);
