import { didYouMean, joined, quoted } from '../core/errors.js';
import { getBaseOutput, type MetricDirections } from '../evaluation/metric-direction.js';

/** A monitored metric and its factor. */
export interface MonitorTerm {
  readonly factor: number;
  /** Output, such as `ctcvr` or `ctcvr[hour=13]`; undefined for the loss. */
  readonly output: string | undefined;
  readonly metric: string;
}

const TERM = /^(?:(\d+(?:\.\d*)?|\.\d+)\s*\*\s*)?(?:([^.[\s*()]+(?:\[[^\]]*\])?)\.)?([^\s*()]+)$/;

/**
 * Parses a monitor: a metric, or a weighted sum such as `0.5*ctr.auc + 0.5*ctcvr.auc`, with spaces around + and -.
 * @returns undefined if it has another form
 */
export function parseMonitor(text: string): readonly MonitorTerm[] | undefined {
  // Signs have even indices; the sign of the first term is optional.
  const parts = text
    .trim()
    .replace(/^(-?)\s*/, ' $1+ ')
    .replace(' -+ ', ' - ')
    .split(/\s+([+-])\s+/)
    .slice(1);
  const terms: MonitorTerm[] = [];
  for (let i = 0; i < parts.length; i += 2) {
    const [, factor = '1', output, metric] = TERM.exec(parts[i + 1]!) ?? [];
    if (metric === undefined || (output === undefined && metric !== 'loss')) return undefined;
    terms.push({ factor: (parts[i] === '-' ? -1 : 1) * Number(factor), output, metric });
  }
  return terms;
}

/** Returns a positive number if the sum improves as the metric rises, a negative one if it worsens, otherwise 0. */
export function getDirection({ factor, output, metric }: MonitorTerm, goals: MetricDirections): number {
  const goal = output === undefined ? 'lower' : goals.get(`${getBaseOutput(output)}.${metric}`);
  return goal === undefined ? 0 : goal === 'higher' ? factor : -factor;
}

/**
 * Returns the error message of an invalid monitor, otherwise undefined.
 * @param by segment columns
 */
export function explainInvalidMonitor(
  text: string,
  goals: MetricDirections,
  by: readonly string[],
): string | undefined {
  const names = ['loss', ...goals.keys()];
  const terms = parseMonitor(text);
  if (terms === undefined || (terms.length === 1 && !isKnown(terms[0]!, goals, by) && terms[0]!.factor === 1)) {
    const isSum = /[*+()/]|\s-/.test(text);
    if (isSum)
      return (
        `expected a weighted sum, such as 0.5*${names.at(-1)} + 0.5*${names[1] ?? 'ctr.auc'}, ` +
        `found ${quoted(text)}; each term is a number, * and one of ${names.join(', ')}, with spaces around + and -`
      );
    return joined(
      `expected one of ${names.join(', ')}, or a weighted sum of these, found ${quoted(text)}`,
      didYouMean(text, names),
    );
  }
  const unknown = terms.find((term) => !isKnown(term, goals, by));
  if (unknown !== undefined) {
    const name = unknown.output === undefined ? unknown.metric : `${unknown.output}.${unknown.metric}`;
    return joined(`'${name}' is not measured; expected one of ${names.join(', ')}`, didYouMean(name, names));
  }
  if (terms.some(({ factor }) => factor === 0)) return `expected nonzero factors, found ${quoted(text)}`;
  const directions = new Set(terms.map((term) => Math.sign(getDirection(term, goals))));
  if (directions.size > 1)
    return (
      `mixes metrics to maximize and to minimize, in ${quoted(text)}; ` +
      `subtract those to minimize, as in ${names[1] ?? 'ctr.auc'} - 0.1*loss`
    );
  // The direction of a single metric follows from its name; a negation would be ambiguous.
  if (terms.length === 1 && terms[0]!.factor < 0)
    return `expected no minus before a single metric, found ${quoted(text)}; its direction is known`;
  return undefined;
}

function isKnown(term: MonitorTerm, goals: MetricDirections, by: readonly string[]): boolean {
  if (term.output === undefined) return true;
  const segment = /\[([^=\]]+)=/.exec(term.output)?.[1];
  return goals.has(`${getBaseOutput(term.output)}.${term.metric}`) && (segment === undefined || by.includes(segment));
}
