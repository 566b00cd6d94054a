import type { Field, Grown } from './feature.js';
import type { Fitted } from './feature-types.js';

/** What was learned for all fields, from before and now. */
export interface GrownFitted {
  readonly fitted: Fitted;
  /** By table: ids from before that now would not have been given. */
  readonly forgotten: ReadonlyMap<string, Grown['forgotten']>;
}

/**
 * Goes on from what was learned before: what can grow does, so that ids stay what they are, and what cannot is as it was.
 * @param fields with the same meaning as those that `before` was learned for
 * @param keeps whether a field goes on from before; if not, what was learned now is all
 */
export function growFitted(fields: readonly Field[], before: Fitted, now: Fitted, keeps: (field: Field) => boolean): GrownFitted {
  const forgotten = new Map<string, Grown['forgotten']>();
  const fitted = Object.entries(now).map(([name, learned]) => {
    const field = fields.find((each) => each.name === name)!;
    if (!Object.hasOwn(before, name) || !keeps(field)) return [name, learned] as const;
    if (field.grow === undefined) return [name, before[name]] as const;
    const grown = field.grow(before[name], learned);
    forgotten.set(name, grown.forgotten);
    return [name, grown.fitted] as const;
  });
  return { fitted: Object.fromEntries(fitted), forgotten };
}
