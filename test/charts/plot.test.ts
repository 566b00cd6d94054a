import { curveLinear, curveStepAfter, curveStepBefore, line } from 'd3-shape';
import { scaleLinear, scaleLog } from 'd3-scale';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildAxes } from '../../src/charts/axes.js';
import { lineMark } from '../../src/charts/marks.js';
import { barPlot, linePlot } from '../../src/charts/plot.js';
import { scatterPlot } from '../../src/charts/scatter.js';

const HOSTILE = '</svg><script>alert(1)</script>';
const [X, Y] = [{ title: 'steps' }, { title: 'loss' }];
const pointsOf = (values: readonly number[]) => values.map((y, x) => ({ x, y }));

describe('a chart', () => {
  it('draws every point of a long line', () => {
    const { markup } = linePlot({
      title: 'long',
      x: X,
      y: Y,
      series: [{ name: 'a', points: pointsOf(Array.from({ length: 5000 }, (_, i) => Math.sin(i))) }],
    });
    const [, path] = /<path d="([^"]*)" stroke="var\(--c1\)"/.exec(markup)!;
    expect(path!.match(/[ML]/g)).toHaveLength(5000);
  });

  it('interrupts a line at non-finite values and excludes them from the axis', () => {
    const { markup } = linePlot({
      title: 'gap',
      x: X,
      y: Y,
      points: true,
      series: [{ name: 'a', points: pointsOf([1, 2, NaN, Infinity, 3, 4]) }],
    });
    const [, path] = /<path d="([^"]*)" stroke="var\(--c1\)"/.exec(markup)!;
    expect(path!.match(/M/g)).toHaveLength(2);
    expect(markup.match(/<circle/g)).toHaveLength(4);
    expect(markup).not.toMatch(/NaN|Infinity/);
  });

  it('draws the lines of d3-shape on the scales of d3-scale', () => {
    const curves = { linear: curveLinear, 'step-after': curveStepAfter, 'step-before': curveStepBefore } as const;
    const number = fc.oneof(
      fc.double({ min: -1000, max: 1000, noNaN: true }),
      fc.constantFrom(NaN, Infinity, 0, 1, 1, 1),
    );
    fc.assert(
      fc.property(
        fc.array(fc.record({ x: number, y: number }), { maxLength: 12 }),
        fc.constantFrom('linear', 'step-after', 'step-before'),
        fc.constantFrom('linear', 'log'),
        (points, interpolate, type) => {
          const axes = buildAxes({
            width: 340,
            height: 235,
            x: { title: 'x', type, domain: [0.5, 30], values: [] },
            y: { title: 'y', domain: [-20, 20], values: [] },
          });
          const [x, y] = [
            (type === 'log' ? scaleLog() : scaleLinear()).domain([0.5, 30]).range([axes.left, axes.right]),
            scaleLinear().domain([-20, 20]).range([axes.bottom, axes.top]),
          ];
          const placed = points.map((point) => [x(point.x), y(point.y)] as [number, number]);
          const expected = line()
            .defined(([px, py]) => Number.isFinite(px) && Number.isFinite(py))
            .curve(curves[interpolate])
            .digits(1)(placed);
          expect(/ d="([^"]*)"/.exec(lineMark(axes, points, { color: 'red', interpolate }).markup)![1]).toBe(
            expected ?? '',
          );
        },
      ),
    );
  });

  it('draws no points, one point and equal points', () => {
    for (const values of [[], [0], [7, 7, 7], [NaN]]) {
      for (const type of ['linear', 'log'] as const) {
        const { markup } = linePlot({
          title: 'few',
          x: X,
          y: { title: '', type },
          series: [{ name: 'a', points: pointsOf(values) }],
        });
        expect(markup).not.toMatch(/NaN|Infinity|undefined/);
      }
    }
  });

  it('escapes names and draws bars of proportional length', () => {
    const { markup } = barPlot({
      title: HOSTILE,
      axis: { title: HOSTILE },
      bars: [
        { name: HOSTILE, value: 4 },
        { name: 'b', value: 2, tick: 3 },
      ],
    });
    expect(markup).not.toContain('<script');
    const widths = [...markup.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width));
    expect(widths[0]! / widths[1]!).toBeCloseTo(2, 1);
    expect(
      scatterPlot({ title: 'x', x: X, y: [HOSTILE], groups: [{ name: HOSTILE, points: [{ x: 1, y: 0 }] }] }).markup,
    ).not.toContain('<script');
  });
});

describe('axes', () => {
  const textsOf = (markup: string): readonly { at: number; text: string }[] =>
    [...markup.matchAll(/<text x="([\d.]+)" y="[\d.]+">([^<]*)<\/text>/g)].map(([, at, text]) => ({
      at: Number(at),
      text: text!,
    }));

  it('map the ends of a domain to their ends', () => {
    const axes = buildAxes({
      width: 340,
      height: 235,
      x: { title: '', domain: [2, 4], values: [] },
      y: { title: '', domain: [0, 1], values: [] },
    });
    expect([axes.x(2), axes.x(4), axes.y(0), axes.y(1)]).toEqual([axes.left, axes.right, axes.bottom, axes.top]);
    expect(axes.x(3)).toBeCloseTo((axes.left + axes.right) / 2, 9);
  });

  it('omit labels that would overlap', () => {
    for (const domain of [
      [0, 1e9],
      [1e9, 1e9 + 1],
      [-0.001, 0.0015],
    ] as const) {
      const { markup, bottom } = buildAxes({
        width: 340,
        height: 235,
        x: { title: '', format: ',.6f', domain, values: [] },
        y: { title: '', values: [0, 1] },
      });
      const below = textsOf(markup.markup.slice(markup.markup.indexOf('text-anchor="middle"')));
      expect(below.length).toBeGreaterThan(0);
      expect(bottom).toBeLessThan(235);
      // A letter of this size is about six pixels wide.
      for (const [i, { at, text }] of below.slice(1).entries())
        expect(at - below[i]!.at).toBeGreaterThan(6 * Math.min(text.length, below[i]!.text.length));
    }
  });

  it('reserve space for long names and truncate the longest', () => {
    const axes = buildAxes({
      width: 340,
      x: { title: '', values: [0, 1] },
      y: { names: ['short', '長'.repeat(60)], step: 16 },
    });
    expect(axes.left).toBeLessThan(340 / 2 + 20);
    expect(axes.markup.markup).toMatch(/長{5,20}…</);
    expect(axes.y(1) - axes.y(0)).toBe(16);
  });
});
