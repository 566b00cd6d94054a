import { Counter, Gauge, type Registry } from 'prom-client';
import type { CanaryReport } from './canary-report.js';
import type { Canary } from './canary.js';
import { SIDES } from './options.js';

/** A sample with the values of its labels. */
type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

/** Adds the Prometheus metrics of a canary; their label `model` is the name of the present model unless noted. */
export function addCanaryMetrics(registry: Registry, canary: Pick<Canary, 'report'>): void {
  const add = (
    Series: typeof Gauge | typeof Counter,
    name: string,
    help: string,
    labelNames: readonly string[],
    list: (report: CanaryReport) => readonly Sample[],
  ): void => {
    new Series({
      name,
      help,
      labelNames: ['model', ...labelNames],
      registers: [registry],
      async collect(this: Gauge | Counter) {
        const report = await canary.report();
        this.reset();
        for (const [labels, value] of list(report)) this.inc({ model: report.present.name, ...labels }, value);
      },
    });
  };
  add(Gauge, 'mtl_canary_state', '1 for the state of the canary or shadow', ['kind', 'state'], ({ kind, state }) => [
    [{ kind, state }, 1],
  ]);
  add(Gauge, 'mtl_live_value', 'figures of labeled requests, by model', ['output', 'value'], listFigures);
  add(
    Gauge,
    'mtl_canary_difference',
    'candidate minus present model on labeled requests, with its 95% interval',
    ['output', 'metric', 'bound'],
    listDifferences,
  );
  add(Gauge, 'mtl_outcomes_waiting', 'requests that wait for their labels', [], ({ waiting }) => [[{}, waiting]]);
  add(Counter, 'mtl_outcomes_total', 'requests with labels, by result', ['result'], ({ counts }) =>
    (['joined', 'repeated', 'expired', 'unknown', 'unpaired'] as const).map((result) => [{ result }, counts[result]]),
  );
  const requests = ['unassigned', 'dropped', 'unlabeled'] as const;
  add(
    Counter,
    'mtl_canary_uncompared_total',
    'requests that are not compared: without a value to assign, dropped by a shadow, or without labels in time',
    ['reason'],
    ({ counts }) => requests.map((reason) => [{ reason }, counts[reason]]),
  );
}

function listFigures({ figures, ...models }: CanaryReport): readonly Sample[] {
  return SIDES.flatMap((side) =>
    Object.entries(figures[side]).flatMap(([output, values]) =>
      Object.entries(values).flatMap(([value, number]): Sample[] =>
        number === null ? [] : [[{ model: models[side].name, output, value }, number]],
      ),
    ),
  );
}

function listDifferences({ figures }: CanaryReport): readonly Sample[] {
  return figures.differences.flatMap(({ output, metric, difference, low, high }) =>
    Object.entries({ value: difference, low, high }).flatMap(([bound, number]): Sample[] =>
      number === null ? [] : [[{ output, metric, bound }, number]],
    ),
  );
}
