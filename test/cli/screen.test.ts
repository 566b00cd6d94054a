import { afterEach, describe, expect, it, vi } from 'vitest';
import { milestoneLines, shareLine, stepLine } from '../../src/cli/format.js';
import { createTerminal, endLiveLine, joinFitting } from '../../src/cli/terminal.js';
import type { ValidationEvent } from '../../src/training/loop.js';
import type { StepProgress } from '../../src/training/steps-in-flight.js';

/** A stream that records its output, and a manual clock. */
function fakeTerminal(columns: number | undefined, isTTY = true) {
  const written: string[] = [];
  const clock = { ms: 0 };
  const stream = { isTTY, columns, write: (text: string) => written.push(text) } as unknown as NodeJS.WriteStream;
  return { written, clock, screen: createTerminal(stream, () => clock.ms) };
}

afterEach(() => vi.unstubAllEnvs());

const progress: StepProgress = {
  epoch: 3,
  rows: 12_288,
  totalRows: 20_000,
  elapsedMs: 100,
  loss: 0.61234,
  lrFactors: { dense: 0.1, embeddings: 1 },
};
const start = { epochs: 8, learningRate: 0.002, monitor: 'ctcvr.auc' };
const stepIn = (columns: number): string => stepLine(progress, start, columns);

describe('the live line', () => {
  it('shows rows, throughput, time left, loss and learning rate', () => {
    expect(stepIn(200)).toBe(
      'epoch 3/8  61%  63 ms left  loss 0.6123  122,880 rows/s  12,288 of 20,000 rows  learning rate 0.0002',
    );
  });

  it('omits whole parts on narrow terminals, least important first', () => {
    expect(stepIn(39)).toBe('epoch 3/8  61%  63 ms left  loss 0.6123');
    expect(stepIn(38)).toBe('epoch 3/8  61%  63 ms left');
    for (let columns = 15; columns < 120; columns++) expect(stepIn(columns).length).toBeLessThanOrEqual(columns);
    expect(joinFitting(['never cut'], 3)).toBe('never cut');
  });

  it('is truncated to the width of the terminal and overwritten in place', () => {
    const { written, clock, screen } = fakeTerminal(40);
    clock.ms = 100;
    screen.live(stepIn);
    clock.ms = 150;
    screen.live(() => 'too soon');
    clock.ms = 200;
    screen.live(() => shareLine('reading logs/2026-11-01/part-00000-of-00010.csv', 0.45));
    screen.print('a line');
    expect(written).toEqual([
      '\r\u001b[Kepoch 3/8  61%  63 ms left  loss 0.6123',
      '\r\u001b[K 45.0%  reading logs/2026-11-01/part-0…',
      '\r\u001b[Ka line\n',
    ]);
  });

  it('is cleared once before other output', () => {
    const { written, clock, screen } = fakeTerminal(40);
    clock.ms = 100;
    screen.live(() => 'how it goes');
    endLiveLine();
    endLiveLine();
    screen.print('a line');
    expect(written).toEqual(['\r\u001b[Khow it goes', '\r\u001b[K', 'a line\n']);
  });

  it('is printed as a line every 10 seconds without a terminal', () => {
    for (const terminal of [fakeTerminal(undefined, false), (vi.stubEnv('TERM', 'dumb'), fakeTerminal(40))]) {
      terminal.clock.ms = 9_000;
      terminal.screen.live(() => 'too soon');
      terminal.clock.ms = 10_000;
      terminal.screen.live(stepIn);
      terminal.screen.print('a line');
      expect(terminal.written).toEqual([`${stepIn(Infinity)}\n`, 'a line\n']);
    }
  });

  it.each([
    ['', true],
    ['1', false],
  ])('is bold with NO_COLOR=%j: %j', (value, isBold) => {
    vi.stubEnv('NO_COLOR', value);
    expect(fakeTerminal(80).screen.bold('x').includes('\u001b')).toBe(isBold);
    expect(fakeTerminal(80, false).screen.bold('x')).toBe('x');
  });
});

describe('an epoch', () => {
  const { screen } = fakeTerminal(80, false);
  const milestone = (monitored: number | null, isBest: boolean, best: ValidationEvent['best']): ValidationEvent => ({
    epoch: 4,
    isEpochEnd: true,
    step: 316,
    rows: 20_000,
    elapsedMs: 50,
    loss: { total: 0.6155, losses: {} },
    skippedBatches: 0,
    isBest,
    best,
    valid: { report: { ctcvr: { rows: 10, auc: monitored } }, loss: 0.66, monitored } as unknown as NonNullable<
      ValidationEvent['valid']
    >,
  });
  const lastLine = (of: ValidationEvent): string => milestoneLines(of, start, screen).split('\n').at(-1)!;

  it('shows the value that selected the best epoch', () => {
    expect(lastLine(milestone(0.7956, false, { epoch: 2, value: 0.7958 }))).toBe(
      '  ctcvr.auc 0.7956, best 0.7958 of epoch 2',
    );
    expect(lastLine(milestone(0.7998, true, { epoch: 4, value: 0.7998 }))).toBe('  ctcvr.auc 0.7998, best so far');
    expect(lastLine(milestone(null, false, { epoch: 1, value: null }))).toBe(
      '  ctcvr.auc undefined, no best value so far',
    );
    expect(
      milestoneLines({ ...milestone(null, true, { epoch: 4, value: null }), valid: undefined }, start, screen),
    ).toBe('epoch 4/8  20,000 rows in 50 ms (400,000 rows/s)  loss 0.6155');
  });
});
