import { DURATION, DURATION_FORM, parseDuration } from '../core/duration.js';
import { quoted, userError } from '../core/errors.js';
import type { ServeOptions } from '../serve.js';
import { optionalFraction, optionalInt, optionalNumber } from './options.js';

const group = 'Canary:';
const [DEFAULT_SHARE_PERCENT, DEFAULT_AFTER, DEFAULT_CONFIDENCE, DEFAULT_OUTCOME_TIMEOUT] = [5, 10_000, 0.95, '1h'];

/** Declares the options of `mtl serve` and `mtl live` for a second model. */
export const canaryOptions = {
  canary: { group, type: 'string', requiresArg: true, describe: 'Run that answers a share of the requests' },
  shadow: {
    group,
    type: 'string',
    requiresArg: true,
    conflicts: 'canary',
    describe: 'Run that predicts all requests, answers none',
  },
  share: {
    group,
    ...optionalNumber('--share', 'With --canary: percent of requests that it answers; default: 5'),
  },
  'share-by': {
    group,
    type: 'string',
    requiresArg: true,
    describe: 'With --canary: column or header:NAME whose value selects the model; default: per request',
  },
  'outcome-timeout': {
    group,
    type: 'string',
    requiresArg: true,
    describe: `Time for which predictions wait for POST /outcomes, as in 30m; default: ${DEFAULT_OUTCOME_TIMEOUT}`,
  },
  'promote-if': {
    group,
    type: 'string',
    requiresArg: true,
    describe: 'Metric that promotes the run if it is better, and ends it if worse, as in ctcvr.logLoss',
  },
  after: {
    group,
    ...optionalInt('--after', 'With --promote-if: labeled rows per model before the first look; default: 10000'),
  },
  confidence: {
    group,
    ...optionalFraction('--confidence', 'With --promote-if: confidence level of all looks; default: 0.95'),
  },
} as const;

/** Values of the canary options. */
export interface CanaryArguments {
  readonly canary: string | undefined;
  readonly shadow: string | undefined;
  /** Share of requests in percent. */
  readonly share: number | undefined;
  readonly shareBy: string | undefined;
  readonly outcomeTimeout: string | undefined;
  readonly promoteIf: string | undefined;
  readonly after: number | undefined;
  readonly confidence: number | undefined;
}

const EITHER_RUN = '--canary RUN or --shadow RUN';

/**
 * Returns the second model that the options name; undefined if there is none.
 * @throws UserError (usage) for an invalid value, and for an option without the one that it belongs to
 */
export function readCanaryOptions(given: CanaryArguments): ServeOptions['canary'] {
  const { canary, shadow, share = DEFAULT_SHARE_PERCENT, shareBy, promoteIf } = given;
  const { outcomeTimeout = DEFAULT_OUTCOME_TIMEOUT, after = DEFAULT_AFTER, confidence = DEFAULT_CONFIDENCE } = given;
  const path = canary ?? shadow;
  if (canary === undefined) requireNone({ '--share': given.share, '--share-by': shareBy }, '--canary RUN');
  if (path === undefined)
    requireNone({ '--outcome-timeout': given.outcomeTimeout, '--promote-if': promoteIf }, EITHER_RUN);
  if (promoteIf === undefined)
    requireNone({ '--after': given.after, '--confidence': given.confidence }, '--promote-if METRIC');
  if (path === undefined) return undefined;
  if (!(share > 0 && share < 100))
    throw userError('usage', {
      where: '--share',
      message: `expected a percentage between 0 and 100, found ${share}`,
      fix: 'write --share 5 for 5% of the requests',
    });
  if (!DURATION.test(outcomeTimeout))
    throw userError('usage', {
      where: '--outcome-timeout',
      message: `expected ${DURATION_FORM}, found ${quoted(outcomeTimeout)}`,
    });
  return {
    kind: canary === undefined ? 'shadow' : 'canary',
    path,
    share: share / 100,
    shareBy,
    keepMs: parseDuration(outcomeTimeout),
    rule: promoteIf === undefined ? undefined : { metric: promoteIf, after, confidence },
  };
}

/** Returns the arguments of `mtl serve` with these values. */
export function listCanaryArguments({
  canary,
  shadow,
  share,
  shareBy,
  outcomeTimeout,
}: Pick<CanaryArguments, 'canary' | 'shadow' | 'share' | 'shareBy' | 'outcomeTimeout'>): readonly string[] {
  return Object.entries({ canary, shadow, share, 'share-by': shareBy, 'outcome-timeout': outcomeTimeout }).flatMap(
    ([name, value]) => (value === undefined ? [] : [`--${name}=${value}`]),
  );
}

function requireNone(options: Readonly<Record<string, unknown>>, required: string): void {
  const [where] = Object.keys(options).filter((name) => options[name] !== undefined);
  if (where === undefined) return;
  throw userError('usage', { where, message: `requires ${required}`, fix: `add ${required}, or remove ${where}` });
}
