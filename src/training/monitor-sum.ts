import { didYouMean, joined } from '../core/errors.js';
import { getBaseOutput, type MetricDirections } from '../evaluation/metric-direction.js';

/** A number that is monitored, and how much it counts. */
export interface MonitorTerm {
  readonly factor: number;
  /** As in `ctcvr`, or `ctcvr[hour=13]`; undefined for the loss. */
  readonly space: string | undefined;
  readonly metric: string;
}

const TERM = /^(?:(\d+(?:\.\d*)?|\.\d+)\s*\*\s*)?(?:([^.[\s*()]+(?:\[[^\]]*\])?)\.)?([^\s*()]+)$/;

/**
 * A monitor in its parts: a number of a report, or a sum of some with factors, as in `0.5*ctr.auc + 0.5*ctcvr.auc`; a
 * sign between two of
 * them has spaces around it.
 * @returns undefined where it is no such sum
 */
export function parseMonitor(text: string): readonly MonitorTerm[] | undefined {
  // Signs stand at even places: one before the first term, written or not.
  const parts = text
    .trim()
    .replace(/^(-?)\s*/, ' $1+ ')
    .replace(' -+ ', ' - ')
    .split(/\s+([+-])\s+/)
    .slice(1);
  const terms: MonitorTerm[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    const [, factor = '1', space, metric] = TERM.exec(parts[i + 1]!) ?? [];
    if (metric === undefined || (space === undefined && metric !== 'loss')) return undefined;
    terms.push({ factor: (parts[i] === '-' ? -1 : 1) * Number(factor), space, metric });
  }
  return terms;
}

/** Above 0 where the sum is better as the term's number rises, below 0 where it is worse, 0 where it is neither. */
export function getDirection({ factor, space, metric }: MonitorTerm, goals: MetricDirections): number {
  const goal = space === undefined ? 'lower' : goals.get(`${getBaseOutput(space)}.${metric}`);
  return goal === undefined ? 0 : goal === 'higher' ? factor : -factor;
}

/**
 * What is wrong with a monitor, in words; undefined where nothing is.
 * @param by columns whose segments are measured too
 */
export function wrongMonitor(text: string, goals: MetricDirections, by: readonly string[]): string | undefined {
  const names = ['loss', ...goals.keys()];
  const terms = parseMonitor(text);
  if (terms === undefined || (terms.length === 1 && !isKnown(terms[0]!, goals, by) && terms[0]!.factor === 1)) {
    const isSum = /[*+()/]|\s-/.test(text);
    if (isSum)
      return `expected a weighted sum and nothing else, as in 0.5*${names.at(-1)} + 0.5*${names[1] ?? 'ctr.auc'}, found '${text}'; each term is a number, * and one of ${names.join(', ')}, with spaces around + and -`;
    return joined(
      `expected one of ${names.join(', ')}, or a weighted sum of these, found '${text}'`,
      didYouMean(text, names),
    );
  }
  const unknown = terms.find((term) => !isKnown(term, goals, by));
  if (unknown !== undefined) {
    const name = unknown.space === undefined ? unknown.metric : `${unknown.space}.${unknown.metric}`;
    return joined(`'${name}' is not measured; expected one of ${names.join(', ')}`, didYouMean(name, names));
  }
  if (terms.some(({ factor }) => factor === 0)) return `expected factors other than 0, found '${text}'`;
  const directions = new Set(terms.map((term) => Math.sign(getDirection(term, goals))));
  if (directions.size > 1)
    return `adds what is better higher to what is better lower, in '${text}'; write a minus before those that are to fall, as in ${names[1] ?? 'ctr.auc'} - 0.1*loss`;
  // Alone, its direction is known by its name; turned round, nobody could tell which is meant.
  if (terms.length === 1 && terms[0]!.factor < 0)
    return `expected no minus before a single number, found '${text}'; which way is better is known`;
  return undefined;
}

function isKnown(term: MonitorTerm, goals: MetricDirections, by: readonly string[]): boolean {
  if (term.space === undefined) return true;
  const segment = /\[([^=\]]+)=/.exec(term.space)?.[1];
  return goals.has(`${getBaseOutput(term.space)}.${term.metric}`) && (segment === undefined || by.includes(segment));
}
