import { parse, View } from 'vega';
import { compile, type TopLevelSpec } from 'vega-lite';

/**
 * Draws a chart as SVG, without a browser; ids in it are different from those of all others that this process draws. What it needs takes half
 * a second to load, so that who may not have to draw imports it only then.
 */
export async function drawChart(spec: TopLevelSpec): Promise<string> {
  const view = new View(parse(compile(spec).spec), { renderer: 'none' });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
