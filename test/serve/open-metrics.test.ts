import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { prefersOpenMetrics, toOpenMetrics } from '../../src/serve/open-metrics.js';
import { ServeMetrics } from '../../src/serve/metrics.js';
import { needsPython, pythonAside } from '../support/python.js';
import { scratchFolder } from '../support/scratch.js';

const prometheus =
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;' +
  'version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2';

describe('OpenMetrics', () => {
  it.each([
    ['application/openmetrics-text; version=1.0.0', true],
    ['application/openmetrics-text', true],
    ['Application/OpenMetrics-Text;Version=1.0.0, */*', true],
    [prometheus, true],
    [undefined, false],
    ['*/*', false],
    ['text/html,application/xhtml+xml,*/*;q=0.8', false],
    ['text/plain;version=0.0.4', false],
    ['text/plain;version=0.0.4;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5', false],
    ['application/openmetrics-text;version=0.0.1', false],
    ['application/openmetrics-text;version=1.0.0;q=0', false],
  ])('is chosen for Accept: %s: %s', (accept, isChosen) => {
    expect(prefersOpenMetrics(accept)).toBe(isChosen);
  });

  it('names families of counters without _total, writes bounds as floats and ends with # EOF', async () => {
    const registry = new Registry();
    const registers = [registry];
    new Counter({ name: 'asks_total', help: 'asks', labelNames: ['le'], registers }).inc({ le: 'x' }, 3);
    new Gauge({ name: 'in_total', help: 'a gauge', registers }).set(1.5);
    new Histogram({ name: 'size', help: 'sizes', buckets: [0.5, 1, 16], registers }).observe(1);
    expect(toOpenMetrics(await registry.metrics())).toBe(
      '# HELP asks asks\n# TYPE asks counter\nasks_total{le="x"} 3\n' +
        '# HELP in_total a gauge\n# TYPE in_total gauge\nin_total 1.5\n' +
        '# HELP size sizes\n# TYPE size histogram\nsize_bucket{le="0.5"} 0\nsize_bucket{le="1.0"} 1\n' +
        'size_bucket{le="16.0"} 1\nsize_bucket{le="+Inf"} 1\nsize_sum 1\nsize_count 1\n# EOF\n',
    );
  });

  it("is read by the Python client's parser, with the values of Prometheus text", async (test) => {
    needsPython(test, 'prometheus_client');
    const metrics = new ServeMetrics(
      () => [],
      () => false,
    );
    metrics.countRequest('m "1"', 200, 0.002);
    metrics.countBundle({ name: 'm "1"' } as never, 2, 5, new Map([['a', { nulls: 1, oov: 2 }]]));
    const text = await metrics.text();
    const script = `
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
def read(families):
    return {f"{s.name} {sorted((k, v if k != 'le' else float(v)) for k, v in s.labels.items())}": str(s.value)
            for family in families for s in family.samples}
text, converted = json.loads(sys.argv[1])
assert read(open_metrics(converted)) == read(prometheus(text))
print(len(read(open_metrics(converted))))
`;
    const printed = await pythonAside(scratchFolder(), script, [JSON.stringify([text, toOpenMetrics(text)])]);
    expect(Number(printed)).toBeGreaterThan(50);
  });
});
