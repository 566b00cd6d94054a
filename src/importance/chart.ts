import type { TopLevelSpec } from 'vega-lite';
import { drawChart } from '../chart.js';
import type { Importance } from './ranking.js';

/** Height of a bar with its gap, and width of a panel, in pixels. */
const [BAR_STEP, PANEL_WIDTH] = [16, 220];

/**
 * A bar chart as SVG: a line a field or group, a panel a measure, each bar with its interval.
 * @param measures in the order of the panels
 */
export async function importanceChart(importances: readonly Importance[], measures: readonly string[], title: string): Promise<string> {
  const names = importances.map(({ name }) => name);
  const values = importances.flatMap(({ name, falls }) => measures.flatMap((measure) => (falls[measure] == null ? [] : [{ name, measure, ...falls[measure] }])));
  const y = { field: 'name', type: 'nominal', sort: names, scale: { domain: names }, title: null } as const;
  const x = { field: 'mean', type: 'quantitative', title: 'worse by' } as const;
  const spec: TopLevelSpec = {
    title,
    data: { values },
    facet: { column: { field: 'measure', type: 'nominal', sort: [...measures], title: null } },
    spec: {
      width: PANEL_WIDTH,
      height: { step: BAR_STEP },
      layer: [
        { mark: 'bar', encoding: { y, x } },
        { mark: 'rule', encoding: { y, x: { ...x, field: 'low' }, x2: { field: 'high' } } },
      ],
    },
    // What one measure falls by says nothing of another.
    resolve: { scale: { x: 'independent' } },
  };
  return drawChart(spec);
}
