import { describe, expect, it } from 'vitest';
import { readCanaryOptions, type CanaryArguments } from '../../src/cli/canary-options.js';

const read = (given: Partial<CanaryArguments>): ReturnType<typeof readCanaryOptions> =>
  readCanaryOptions({
    canary: undefined,
    shadow: undefined,
    share: undefined,
    shareBy: undefined,
    outcomeTimeout: undefined,
    promoteIf: undefined,
    after: undefined,
    confidence: undefined,
    ...given,
  });

describe('the options of a second model', () => {
  it('have defaults and units', () => {
    expect(read({})).toBeUndefined();
    expect(read({ canary: 'b' })).toEqual({
      kind: 'canary',
      path: 'b',
      share: 0.05,
      shareBy: undefined,
      keepMs: 3_600_000,
      rule: undefined,
    });
    expect(read({ shadow: 'b', outcomeTimeout: '90s', promoteIf: 'ctr.auc', after: 7, confidence: 0.9 })).toMatchObject(
      {
        kind: 'shadow',
        keepMs: 90_000,
        rule: { metric: 'ctr.auc', after: 7, confidence: 0.9 },
      },
    );
    expect(read({ canary: 'b', promoteIf: 'ctr.auc' })?.rule).toEqual({
      metric: 'ctr.auc',
      after: 10_000,
      confidence: 0.95,
    });
  });

  it.each([
    [{ share: 5 }, '--share: requires --canary RUN; add --canary RUN, or remove --share'],
    [{ shadow: 'b', shareBy: 'user' }, '--share-by: requires --canary RUN'],
    [{ outcomeTimeout: '1h' }, '--outcome-timeout: requires --canary RUN or --shadow RUN'],
    [{ promoteIf: 'ctr.auc' }, '--promote-if: requires --canary RUN or --shadow RUN'],
    [{ canary: 'b', after: 10 }, '--after: requires --promote-if METRIC'],
    [{ canary: 'b', share: 0 }, '--share: expected a percentage between 0 and 100, found 0; write --share 5'],
    [{ canary: 'b', share: 100 }, '--share: expected a percentage between 0 and 100, found 100'],
    [{ canary: 'b', outcomeTimeout: '1 hour' }, '--outcome-timeout: expected a number with a unit (s, m, h or d)'],
  ])('are rejected with a fix: %j', (given, message) => {
    expect(() => read(given)).toThrow(message);
  });
});
