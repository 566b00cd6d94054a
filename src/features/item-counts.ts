import type { Field } from './feature.js';
import { numberField } from './numeric.js';
import { itemOutputs } from './sequence-items.js';

/**
 * Returns the name of the field with the number of items of a sequence that may be read: those before the time of the
 * row that match, before `keep` limits them. No data column has such a name.
 */
export function countName(sequence: string): string {
  return `\u001fitems\u001f${sequence}`;
}

/** Returns a field per sequence with the number of its items that may be read; none for sequences of event logs. */
export function itemCountFields(fields: readonly Field[]): readonly Field[] {
  const found = new Map<string, Field>();
  for (const field of fields) {
    if (!('sequence' in field) || field.computed === undefined || field.logged !== undefined) continue;
    const { sequence, columns, cells, computed } = field;
    if (found.has(sequence.name)) continue;
    found.set(sequence.name, {
      ...numberField(countName(sequence.name), { scaling: 'none' }),
      kind: 'number',
      columns,
      ...(cells !== undefined && { cells }),
      computed: { ...computed, output: itemOutputs.eligible },
    });
  }
  return [...found.values()];
}
