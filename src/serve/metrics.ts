import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { wallClockMs } from '../system/clock.js';
import type { CountsByColumn } from '../data/rows/observe-cells.js';
import type { ModelFacts, ModelStatistics } from './messages.js';

/** What a server counts. */
export interface ServeMetrics {
  /** Counts a request of a model that was answered, with its status of HTTP and the seconds that it took. */
  countRequest(model: string, status: number, seconds: number): void;
  /** Counts requests that went to a thread together, their rows, and their null and out-of-vocabulary values. */
  countBundle(facts: ModelFacts, requests: number, rows: number, counts: CountsByColumn): void;
  /** The same numbers for Triton's clients. */
  statisticsOf(model: string): ModelStatistics;
  readonly contentType: string;
  /** All of it in Prometheus' words. */
  text(): Promise<string>;
}

type Writable<Of> = { -readonly [Key in keyof Of]: Of[Key] extends object ? Writable<Of[Key]> : Of[Key] };

/** From half a millisecond to ten seconds. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const POWERS_OF_TWO = Array.from({ length: 14 }, (_, i) => 2 ** i);

/**
 * Counters that begin at 0.
 * @param facts gives what is known of the models that are served now
 */
export function createMetrics(facts: () => readonly ModelFacts[]): ServeMetrics {
  const register = new Registry();
  const registers = [register];
  const requests = new Counter({
    name: 'mtl_requests_total',
    help: 'requests for predictions that were answered, by status',
    labelNames: ['model', 'status'],
    registers,
  });
  const rows = new Counter({
    name: 'mtl_rows_total',
    help: 'rows that were predicted',
    labelNames: ['model'],
    registers,
  });
  const seconds = new Histogram({
    name: 'mtl_request_seconds',
    help: 'seconds from the head of a request to the end of its answer',
    labelNames: ['model'],
    buckets: SECONDS,
    registers,
  });
  const bundleRequests = new Histogram({
    name: 'mtl_bundle_requests',
    help: 'requests that were predicted together',
    labelNames: ['model'],
    buckets: POWERS_OF_TWO.slice(0, 9),
    registers,
  });
  const bundleRows = new Histogram({
    name: 'mtl_bundle_rows',
    help: 'rows that were predicted together',
    labelNames: ['model'],
    buckets: POWERS_OF_TWO,
    registers,
  });
  const columnLabels = ['model', 'column'];
  const nulls = new Counter({
    name: 'mtl_null_values_total',
    help: 'null, empty and absent values, by column',
    labelNames: columnLabels,
    registers,
  });
  const oov = new Counter({
    name: 'mtl_oov_values_total',
    help: 'out-of-vocabulary values, by column',
    labelNames: columnLabels,
    registers,
  });
  /** Models whose columns have a series. */
  const begun = new Set<string>();
  /** Lets series begin at 0: a rate needs the value before the first increment. */
  const beginColumns = ({ name: model, inputs }: ModelFacts): void => {
    if (begun.has(model)) return;
    begun.add(model);
    for (const { name: column } of inputs) for (const counter of [nulls, oov]) counter.inc({ model, column }, 0);
  };
  new Gauge({
    name: 'mtl_model_info',
    help: '1 for the checkpoint that each model is of',
    labelNames: ['model', 'version', 'checkpoint'],
    registers,
    collect() {
      this.reset();
      for (const { name, version, checkpoint } of facts()) this.set({ model: name, version, checkpoint }, 1);
    },
  });
  collectDefaultMetrics({ register });
  const statistics = new Map<string, Writable<ModelStatistics>>();
  const statisticsOf = (model: string): Writable<ModelStatistics> => {
    const found = statistics.get(model) ?? {
      rows: 0,
      bundles: 0,
      lastMs: 0,
      success: { count: 0, seconds: 0 },
      fail: { count: 0, seconds: 0 },
    };
    statistics.set(model, found);
    return found;
  };
  return {
    countRequest(model, status, elapsed) {
      requests.inc({ model, status });
      seconds.observe({ model }, elapsed);
      const own = statisticsOf(model);
      const outcome = status < 400 ? own.success : own.fail;
      outcome.count++;
      outcome.seconds += elapsed;
      if (status < 400) own.lastMs = wallClockMs();
    },
    countBundle({ name: model }, numRequests, numRows, counts) {
      rows.inc({ model }, numRows);
      bundleRequests.observe({ model }, numRequests);
      bundleRows.observe({ model }, numRows);
      const own = statisticsOf(model);
      own.rows += numRows;
      if (numRows > 0) own.bundles++;
      for (const [column, count] of Object.entries(counts)) {
        if (count.nulls > 0) nulls.inc({ model, column }, count.nulls);
        if (count.oov > 0) oov.inc({ model, column }, count.oov);
      }
    },
    statisticsOf,
    contentType: register.contentType,
    text() {
      facts().forEach(beginColumns);
      return register.metrics();
    },
  };
}
