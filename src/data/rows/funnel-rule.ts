import { BadValue } from '../../features/feature.js';
import type { RowRule } from './row-rule.js';

/** A label that may be 1 only where another is: a purchase needs a click. */
export interface Funnel {
  readonly label: string;
  readonly given: string;
}

/** The rule that no label is 1 where the label that it is given is not. */
export function funnelRule(funnels: readonly Funnel[]): RowRule {
  return {
    columns: [],
    start(block) {
      const columns = funnels.map(({ label, given }) => ({
        labels: block.labels.get(label)!,
        givens: block.labels.get(given)!,
        broken: new BadValue(`${given} to be 1 where ${label} is 1`),
      }));
      return {
        readers: [],
        settle() {
          for (const { labels, givens, broken } of columns) if (labels[block.rows] === 1 && givens[block.rows] !== 1) throw broken;
          return undefined;
        },
      };
    },
  };
}
