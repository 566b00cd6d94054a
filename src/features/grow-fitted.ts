import type { Field, Grown } from './feature.js';
import type { Fitted } from './feature-types.js';

/** Result of merging the fits of all fields. */
export interface GrownFitted {
  readonly fitted: Fitted;
  /** Changes of the fields that grew. */
  readonly changes: ReadonlyMap<string, Omit<Grown, 'fitted'>>;
  /** Fields that kept their previous fit because they cannot grow. */
  readonly unchanged: readonly string[];
}

/**
 * Merges previous fits with new ones: fields that can grow keep their ids and add new ones; others keep their previous
 * fit.
 * @param fields with the same meaning as the fields of `before`
 * @param keeps whether a field uses its previous fit; otherwise only the new one counts
 * @param drops whether to release ids that the new fit alone would not assign
 */
export function growFitted(
  fields: readonly Field[],
  before: Fitted,
  now: Fitted,
  keeps: (field: Field) => boolean,
  drops = false,
): GrownFitted {
  const changes = new Map<string, Omit<Grown, 'fitted'>>();
  const unchanged: string[] = [];
  const fitted = Object.entries(now).map(([name, learned]) => {
    const field = fields.find((each) => each.name === name)!;
    if (!Object.hasOwn(before, name) || !keeps(field)) return [name, learned] as const;
    if (field.grow === undefined) {
      unchanged.push(name);
      return [name, before[name]] as const;
    }
    const { fitted: grown, ...change } = field.grow(before[name], learned, drops);
    changes.set(name, change);
    return [name, grown] as const;
  });
  return { fitted: Object.fromEntries(fitted), changes, unchanged };
}
