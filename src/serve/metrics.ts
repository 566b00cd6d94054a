import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { wallClockMs } from '../system/clock.js';
import type { CountsByColumn } from '../data/objects/object-reader.js';
import type { ModelFacts, ModelStatistics } from './messages.js';

/** Metrics of a server. */
export interface ServeMetrics {
  /** Counts an answered request with its HTTP status and duration in seconds. */
  countRequest(model: string, status: number, seconds: number): void;
  /** Counts the requests of a bundle, their rows, and their null and out-of-vocabulary values. */
  countBundle(facts: ModelFacts, requests: number, rows: number, counts: CountsByColumn): void;
  /** Returns the statistics for Triton's clients. */
  getStatistics(model: string): ModelStatistics;
  readonly contentType: string;
  /** Formats all metrics as Prometheus text. */
  text(): Promise<string>;
}

type Writable<Of> = { -readonly [Key in keyof Of]: Of[Key] extends object ? Writable<Of[Key]> : Of[Key] };

/** Histogram buckets from 0.5 ms to 10 s. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const POWERS_OF_TWO = Array.from({ length: 14 }, (_, i) => 2 ** i);

/**
 * Creates metrics starting at 0.
 * @param facts returns the currently served models
 */
export function createMetrics(facts: () => readonly ModelFacts[]): ServeMetrics {
  const register = new Registry();
  const registers = [register];
  const requests = new Counter({
    name: 'mtl_requests_total',
    help: 'answered prediction requests by HTTP status',
    labelNames: ['model', 'status'],
    registers,
  });
  const rows = new Counter({
    name: 'mtl_rows_total',
    help: 'predicted rows',
    labelNames: ['model'],
    registers,
  });
  const seconds = new Histogram({
    name: 'mtl_request_seconds',
    help: 'seconds from the headers of a request to its response',
    labelNames: ['model'],
    buckets: SECONDS,
    registers,
  });
  const bundleRequests = new Histogram({
    name: 'mtl_bundle_requests',
    help: 'requests per bundle',
    labelNames: ['model'],
    buckets: POWERS_OF_TWO.slice(0, 9),
    registers,
  });
  const bundleRows = new Histogram({
    name: 'mtl_bundle_rows',
    help: 'rows per bundle',
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
  /** Models whose column series exist. */
  const initialized = new Set<string>();
  /** Starts series at 0: a rate requires the value before the first increment. */
  const initializeColumns = ({ name: model, inputs }: ModelFacts): void => {
    if (initialized.has(model)) return;
    initialized.add(model);
    for (const { name: column } of inputs) for (const counter of [nulls, oov]) counter.inc({ model, column }, 0);
  };
  new Gauge({
    name: 'mtl_model_info',
    help: '1 for the checkpoint of each model',
    labelNames: ['model', 'version', 'checkpoint'],
    registers,
    collect() {
      this.reset();
      for (const { name, version, checkpoint } of facts()) this.set({ model: name, version, checkpoint }, 1);
    },
  });
  collectDefaultMetrics({ register });
  const statistics = new Map<string, Writable<ModelStatistics>>();
  const getStatistics = (model: string): Writable<ModelStatistics> => {
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
      const own = getStatistics(model);
      const outcome = status < 400 ? own.success : own.fail;
      outcome.count++;
      outcome.seconds += elapsed;
      if (status < 400) own.lastMs = wallClockMs();
    },
    countBundle({ name: model }, numRequests, numRows, counts) {
      rows.inc({ model }, numRows);
      bundleRequests.observe({ model }, numRequests);
      bundleRows.observe({ model }, numRows);
      const own = getStatistics(model);
      own.rows += numRows;
      if (numRows > 0) own.bundles++;
      for (const [column, count] of counts) {
        if (count.nulls > 0) nulls.inc({ model, column }, count.nulls);
        if (count.oov > 0) oov.inc({ model, column }, count.oov);
      }
    },
    getStatistics,
    contentType: register.contentType,
    text() {
      facts().forEach(initializeColumns);
      return register.metrics();
    },
  };
}
