import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { wallClockMs } from '../system/clock.js';
import type { CountsByColumn } from '../data/objects/object-reader.js';
import type { ModelFacts, ModelStatistics } from './messages.js';
import type { ReloadKind } from './served-models.js';

type Writable<Of> = { -readonly [Key in keyof Of]: Of[Key] extends object ? Writable<Of[Key]> : Of[Key] };

/** Histogram buckets from 0.5 ms to 10 s. */
const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const POWERS_OF_TWO = Array.from({ length: 14 }, (_, i) => 2 ** i);

/** Creates the Prometheus metrics of requests in a registry; all start at 0. */
function createSeries(registers: readonly Registry[]) {
  const labelNames = ['model'] as const;
  const columnLabels = ['model', 'column'] as const;
  const counter = <Label extends string>(name: string, help: string, labels: readonly Label[]): Counter<Label> =>
    new Counter({ name, help, labelNames: [...labels], registers: [...registers] });
  const histogram = (name: string, help: string, buckets: number[]): Histogram<'model'> =>
    new Histogram({ name, help, buckets, labelNames: [...labelNames], registers: [...registers] });
  return {
    requests: counter('mtl_requests_total', 'answered prediction requests by HTTP status', ['model', 'status']),
    rows: counter('mtl_rows_total', 'predicted rows', labelNames),
    seconds: histogram('mtl_request_seconds', 'seconds from the headers of a request to its response', SECONDS),
    bundleRequests: histogram('mtl_bundle_requests', 'requests per bundle', POWERS_OF_TWO.slice(0, 9)),
    bundleRows: histogram('mtl_bundle_rows', 'rows per bundle', POWERS_OF_TWO),
    nulls: counter('mtl_null_values_total', 'null, empty and absent values, by column', columnLabels),
    oov: counter('mtl_oov_values_total', 'out-of-vocabulary values, by column', columnLabels),
    reloads: counter('mtl_reloads_total', 'newer checkpoints, by kind: deltas, full, failed or held', [
      'model',
      'kind',
    ]),
    reloadSeconds: histogram(
      'mtl_reload_seconds',
      'seconds from the save of a checkpoint until all threads use it',
      SECONDS,
    ),
  };
}

/** Metrics of a server. */
export class ServeMetrics {
  readonly registry = new Registry();
  readonly #facts: () => readonly ModelFacts[];
  readonly #series = createSeries([this.registry]);
  readonly #statistics = new Map<string, Writable<ModelStatistics>>();
  /** Models whose column series exist. */
  readonly #initialized = new Set<string>();

  /**
   * @param facts returns the currently served models
   * @param isHeld whether a newer checkpoint of a model is not served, because of alarms
   */
  constructor(facts: () => readonly ModelFacts[], isHeld: (model: string) => boolean) {
    this.#facts = facts;
    new Gauge({
      name: 'mtl_model_info',
      help: '1 for the checkpoint of each model',
      labelNames: ['model', 'version', 'checkpoint'],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const { name, version, checkpoint } of facts()) this.set({ model: name, version, checkpoint }, 1);
      },
    });
    this.#addGauge('mtl_model_step', 'training steps of the served weights', ({ version }) => Number(version));
    this.#addGauge(
      'mtl_model_age_seconds',
      'seconds since the served weights were saved',
      ({ savedMs }) => (wallClockMs() - savedMs) / 1000,
    );
    this.#addGauge('mtl_model_held', '1 while newer weights are not served because of alarms', ({ name }) =>
      Number(isHeld(name)),
    );
    collectDefaultMetrics({ register: this.registry });
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** Counts an answered request with its HTTP status and duration in seconds. */
  countRequest(model: string, status: number, seconds: number): void {
    this.#series.requests.inc({ model, status });
    this.#series.seconds.observe({ model }, seconds);
    const own = this.#statisticsOf(model);
    const outcome = status < 400 ? own.success : own.fail;
    outcome.count++;
    outcome.seconds += seconds;
    if (status < 400) own.lastMs = wallClockMs();
  }

  /** Counts the requests of a bundle, their rows, and their null and out-of-vocabulary values. */
  countBundle({ name: model }: ModelFacts, requests: number, rows: number, counts: CountsByColumn): void {
    const { nulls, oov, ...series } = this.#series;
    series.rows.inc({ model }, rows);
    series.bundleRequests.observe({ model }, requests);
    series.bundleRows.observe({ model }, rows);
    const own = this.#statisticsOf(model);
    own.rows += rows;
    if (rows > 0) own.bundles++;
    for (const [column, count] of counts) {
      if (count.nulls > 0) nulls.inc({ model, column }, count.nulls);
      if (count.oov > 0) oov.inc({ model, column }, count.oov);
    }
  }

  /**
   * Counts a newer checkpoint.
   * @param delayMs from its save to its first use
   */
  countReload(model: string, kind: ReloadKind, delayMs?: number): void {
    this.#series.reloads.inc({ model, kind });
    if (delayMs !== undefined) this.#series.reloadSeconds.observe({ model }, delayMs / 1000);
  }

  /** Returns the statistics for Triton's clients. */
  getStatistics(model: string): ModelStatistics {
    return this.#statisticsOf(model);
  }

  /** Formats all metrics as Prometheus text. */
  text(): Promise<string> {
    for (const facts of this.#facts()) this.#initializeColumns(facts);
    return this.registry.metrics();
  }

  /** Adds a number of each served model. */
  #addGauge(name: string, help: string, valueOf: (facts: ModelFacts) => number): void {
    const models = this.#facts;
    new Gauge({
      name,
      help,
      labelNames: ['model'],
      registers: [this.registry],
      collect() {
        for (const facts of models()) this.set({ model: facts.name }, valueOf(facts));
      },
    });
  }

  #statisticsOf(model: string): Writable<ModelStatistics> {
    const found = this.#statistics.get(model) ?? {
      rows: 0,
      bundles: 0,
      lastMs: 0,
      success: { count: 0, seconds: 0 },
      fail: { count: 0, seconds: 0 },
    };
    this.#statistics.set(model, found);
    return found;
  }

  /** Starts series at 0: a rate requires the value before the first increment. */
  #initializeColumns({ name: model, inputs }: ModelFacts): void {
    if (this.#initialized.has(model)) return;
    this.#initialized.add(model);
    const { nulls, oov } = this.#series;
    for (const { name: column } of inputs) for (const counter of [nulls, oov]) counter.inc({ model, column }, 0);
  }
}
