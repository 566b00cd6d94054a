import type { IncomingHttpHeaders } from 'node:http';
import { setImmediate } from 'node:timers/promises';
import { printable, UserError, formatStack } from '../../core/errors.js';
import { rowsOfObjects, type Row } from '../../data/objects/given-rows.js';
import { startThread, type Thread } from '../../system/thread.js';
import { wallClockMs } from '../../system/clock.js';
import type { Answered, BodyKind, ModelFacts } from '../messages.js';
import type { Pool } from '../pool.js';
import { refusal } from '../refusal.js';
import type { ServedModels } from '../served-models.js';
import type {
  CanaryCounts,
  CanaryModel,
  CanaryReport,
  CanaryState,
  JoinedOutcomes,
  Outcome,
  Unjoined,
} from './canary-report.js';
import { ChannelVerdict, runDirectory } from './channel-verdict.js';
import type { Addition, AddRequests, FiguresRequest } from './comparison-worker.js';
import { KeptPredictions, type Kept } from './kept-predictions.js';
import type { ComparisonSpec, Figures, LabeledRequest } from './live-comparison.js';
import { formatLook, type Look } from './looks.js';
import type { CanaryOptions, Side } from './options.js';
import { describePair } from './pair.js';
import { readRequestId } from './request-id.js';
import { createShare } from './share.js';

/** Dependencies of a canary. */
export interface CanaryContext {
  readonly models: ServedModels;
  /** Path of the present model. */
  readonly path: string;
  /** Whether a rule may promote a run of a stream whose last window has alarms. Default: false. */
  readonly ignoreAlarms?: boolean | undefined;
  /** Receives warnings, and each decision. */
  onWarning(text: string): void;
  /** Receives the stack of unexpected errors. */
  onBug(text: string): void;
}

/** The model that answers a request. */
export interface Assignment {
  readonly pool: Pool;
  readonly kind: BodyKind;
  /** Id by which labels refer to the request. */
  readonly id?: string;
  /** Receives the response, just before it is sent. */
  finish?(answered: Answered): void;
}

/** Maximum number of requests that a shadow predicts at a time; further ones are dropped. */
const MAX_SHADOWED = 64;
/** Threads of a shadow: it takes no more than one core from the present model. */
const SHADOW_WORKERS = 1;
/** Confidence level of the reported intervals. */
const CONFIDENCE = 0.95;

/** Compares a second model with the present one on live requests and their labels, and applies the rule. */
export class Canary {
  readonly #options: CanaryOptions;
  readonly #context: CanaryContext;
  readonly #verdict: ChannelVerdict | undefined;
  readonly #choose: ReturnType<typeof createShare>;
  readonly #names: Readonly<Record<Side, string>>;
  readonly #counts: Record<keyof CanaryCounts, number> = {
    joined: 0,
    repeated: 0,
    expired: 0,
    unknown: 0,
    unpaired: 0,
    unassigned: 0,
    dropped: 0,
    unlabeled: 0,
  };
  /** Pools that the comparison was started or checked with; a reload may have replaced them since. */
  #checked: Readonly<Record<Side, Pool>>;
  #kept: KeptPredictions;
  #comparison: Thread;
  #looks: Look[] = [];
  /** Undefined after further labels. */
  #figures: Promise<Figures> | undefined;
  #state: CanaryState = 'running';
  /** Facts at the end of the comparison. */
  #last: Readonly<Record<Side, ModelFacts>> | undefined;
  #numShadowed = 0;
  #isDeciding = false;

  private constructor(
    options: CanaryOptions,
    context: CanaryContext,
    verdict: ChannelVerdict | undefined,
    pools: Readonly<Record<Side, Pool>>,
    spec: ComparisonSpec,
  ) {
    this.#options = options;
    this.#context = context;
    this.#verdict = verdict;
    this.#choose = createShare(options);
    this.#checked = pools;
    this.#names = { present: pools.present.facts.name, candidate: pools.candidate.facts.name };
    this.#kept = new KeptPredictions(options.keepMs);
    this.#comparison = startThread('serve/canary/comparison-worker', spec);
  }

  /**
   * Loads the candidate as a further model, `NAME-canary` or `NAME-shadow`.
   * @returns undefined, after a warning, if the present model is the candidate already, or the rule rejected it before
   * @throws UserError (usage) if the models cannot be compared or the rule cannot be applied; (checkpoint)
   */
  static async start(options: CanaryOptions, context: CanaryContext): Promise<Canary | undefined> {
    const { kind, path, rule } = options;
    const { models, ignoreAlarms = false, onWarning } = context;
    const verdict = rule && new ChannelVerdict(context.path, options, rule, onWarning);
    if (!ignoreAlarms) await verdict?.refuseAlarms();
    const [name] = models.names;
    const present = models.pool(name);
    const candidate = await models.addCandidate(
      path,
      `${name}-${kind}`,
      kind === 'shadow' ? SHADOW_WORKERS : undefined,
    );
    try {
      const facts = { present: present.facts, candidate: candidate.facts };
      const rejected = await verdict?.findRejection(candidate.facts);
      const reason =
        facts.present.checkpoint === facts.candidate.checkpoint
          ? 'the present model is that checkpoint'
          : rejected && `the rule rejected it at ${rejected}; start without --promote-if to compare it again`;
      if (reason === undefined)
        return new Canary(options, context, verdict, { present, candidate }, describePair(facts, options));
      onWarning(`--${kind} ${path}: not started, since ${reason}`);
    } catch (error) {
      await models.removeCandidate();
      throw error;
    }
    await models.removeCandidate();
    return undefined;
  }

  /** Adds events of the present model to the counters of the candidate, whose problems are warnings. */
  addEvents(pool: Pool, rows: readonly Row[], of: readonly string[] | undefined): void {
    if (this.#state !== 'running' || pool !== this.#pools.present) return;
    try {
      this.#pools.candidate.counters?.add(rowsOfObjects(rows), of);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.#context.onWarning(`${this.#names.candidate}: cannot add events: ${error.message}`);
    }
  }

  /**
   * Chooses the model that answers a request to the present model.
   * @throws Refusal (400) for an invalid request id
   */
  assign(pool: Pool, body: Uint8Array, kind: BodyKind, headers: IncomingHttpHeaders): Assignment {
    if (this.#state !== 'running' || kind.version !== undefined) return { pool, kind };
    const pools = this.#pools;
    if (pool !== pools.present) return { pool, kind };
    const id = readRequestId(headers);
    const side = this.#choose({ id, body, kind, headers });
    // A model of another run is compared after it was checked.
    const isCompared = side !== undefined && pools.candidate.isReady && !this.#hasOtherRun(pools);
    if (!isCompared) {
      this.#counts.unassigned++;
      return { pool, kind };
    }
    const recorded = { ...kind, isRecorded: true };
    return {
      pool: pools[side],
      kind: recorded,
      id,
      finish: ({ predictions }) => {
        if (predictions === undefined) return;
        const rows = Object.values(predictions)[0]?.length ?? 0;
        const kept: Kept = { id, savedMs: wallClockMs(), rows, predictions: { [side]: predictions } };
        this.#kept.add(kept);
        // The response is sent before.
        if (this.#options.kind === 'shadow')
          kept.shadowed = setImmediate().then(() => this.#shadow(kept, body, recorded));
      },
    };
  }

  /**
   * Joins labels with predictions.
   * @throws Refusal (400) for a wrong number of rows; UserError (data) for invalid labels; nothing is joined then
   */
  async join(outcomes: readonly Outcome[]): Promise<JoinedOutcomes> {
    const unjoined: Record<keyof Unjoined, string[]> = { repeated: [], expired: [], unknown: [], unpaired: [] };
    const taken: Kept[] = [];
    const requests: LabeledRequest[] = [];
    try {
      for (const [i, { id, labels }] of outcomes.entries()) {
        const found = this.#kept.take(id, wallClockMs()) ?? 'unknown';
        if (typeof found === 'string') {
          unjoined[found].push(id);
          continue;
        }
        taken.push(found);
        if (labels.length !== found.rows) throw refuseLabels(i, labels.length, found.rows);
        await found.shadowed;
        if (this.#options.kind === 'shadow' && found.predictions.candidate === undefined) unjoined.unpaired.push(id);
        else requests.push({ where: `outcomes[${i}]`, labels, ...found.predictions });
      }
      const { rows, look } = await this.#add(requests);
      this.#counts.joined += requests.length;
      for (const [reason, ids] of Object.entries(unjoined)) this.#counts[reason as keyof Unjoined] += ids.length;
      if (look !== undefined) void this.#decide(look);
      return { joined: requests.length, rows, ...unjoined };
    } catch (error) {
      for (const kept of taken) this.#kept.add(kept);
      throw error;
    }
  }

  async report(): Promise<CanaryReport> {
    this.#kept.expire(wallClockMs());
    const { present, candidate } = this.#facts();
    const { kind, share } = this.#options;
    const describe = ({ name, version, checkpoint }: ModelFacts): CanaryModel => ({ name, version, checkpoint });
    return {
      kind,
      state: this.#state,
      present: describe(present),
      candidate: describe(candidate),
      share: kind === 'canary' ? share : null,
      waiting: this.#kept.count,
      counts: { ...this.#counts, unlabeled: this.#kept.numExpired },
      looks: this.#looks,
      figures: await this.#readCachedFigures(),
    };
  }

  /** Continues with the models that a reload has loaded; ends if they are the same, or can no longer be compared. */
  async followReload(): Promise<void> {
    if (!this.#isDeciding) await this.#follow();
  }

  async #follow(): Promise<void> {
    if (this.#state !== 'running') return;
    const pools = this.#pools;
    const facts = this.#facts();
    if (facts.present.checkpoint === facts.candidate.checkpoint)
      return this.#end('ended', 'the present model is now that checkpoint');
    if (pools.present === this.#checked.present && pools.candidate === this.#checked.candidate) return;
    try {
      const spec = describePair(facts, this.#options);
      const isOther = this.#hasOtherRun(pools);
      this.#checked = pools;
      if (isOther) await this.#restart(spec);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      await this.#end('ended', error.message);
    }
  }

  close(): Promise<void> {
    return this.#comparison.close();
  }

  /** Pools of both models, while the comparison is running. */
  get #pools(): Readonly<Record<Side, Pool>> {
    const { models } = this.#context;
    return { present: models.pool(this.#names.present), candidate: models.pool(this.#names.candidate) };
  }

  /** Returns whether a model is of another run than the one that was checked. */
  #hasOtherRun({ present, candidate }: Readonly<Record<Side, Pool>>): boolean {
    const isOther = (pool: Pool, checked: Pool): boolean => runDirectory(pool.facts) !== runDirectory(checked.facts);
    return isOther(present, this.#checked.present) || isOther(candidate, this.#checked.candidate);
  }

  #facts(): Readonly<Record<Side, ModelFacts>> {
    return this.#last ?? { present: this.#pools.present.facts, candidate: this.#pools.candidate.facts };
  }

  #ask(message: AddRequests | FiguresRequest): Promise<unknown> {
    return this.#comparison.ask(message);
  }

  async #add(requests: readonly LabeledRequest[]): Promise<Addition> {
    if (requests.length === 0) return { rows: 0, look: undefined };
    const added = (await this.#ask({ requests })) as Addition;
    this.#figures = undefined;
    return added;
  }

  #readCachedFigures(): Promise<Figures> {
    return (this.#figures ??= this.#readFigures());
  }

  /** Returns no figures if the thread has ended, as without memory; the comparison ends then. */
  async #readFigures(): Promise<Figures> {
    try {
      return (await this.#ask({ confidence: CONFIDENCE })) as Figures;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      if (this.#state === 'running') await this.#end('ended', error.message);
      return { present: {}, candidate: {}, confidence: CONFIDENCE, differences: [] };
    }
  }

  /** Predicts a request that the present model has answered; its answer is dropped. */
  async #shadow(kept: Kept, body: Uint8Array, kind: BodyKind): Promise<void> {
    if (this.#state !== 'running') return;
    if (this.#numShadowed >= MAX_SHADOWED) {
      this.#counts.dropped++;
      return;
    }
    this.#numShadowed++;
    const { predictions } = await this.#pools.candidate.ask(body, kind);
    this.#numShadowed--;
    if (predictions === undefined) this.#counts.dropped++;
    else this.#kept.addSide(kept, 'candidate', predictions);
  }

  /** Logs a look of the rule and applies its verdict. */
  async #decide(look: Look): Promise<void> {
    const { onWarning, onBug } = this.#context;
    if (this.#state !== 'running' || this.#isDeciding) return;
    this.#looks.push(look);
    onWarning(`${this.#names.candidate}: ${formatLook(look, this.#options.rule!)}`);
    if (look.verdict === 'undecided') return;
    this.#isDeciding = true;
    try {
      await this.#apply(look);
    } catch (error) {
      if (error instanceof UserError) onWarning(`${this.#names.candidate}: cannot apply the rule: ${error.message}`);
      else onBug(formatStack(error));
    } finally {
      this.#isDeciding = false;
    }
  }

  async #apply(look: Look): Promise<void> {
    const { models, path } = this.#context;
    const { kind, share } = this.#options;
    const live = {
      kind,
      share: kind === 'canary' ? share : null,
      looks: this.#looks,
      figures: await this.#readCachedFigures(),
    };
    if (this.#state !== 'running') return;
    if (!(await this.#verdict!.record(look, this.#facts(), live))) {
      // The channel has another run.
      await models.reload();
      await this.#follow();
    } else if (look.verdict === 'better') {
      await this.#end('promoted', `promoted ${this.#options.path}`);
      await models.reload();
    } else await this.#end('rolledBack', `rolled back to ${path}`);
  }

  async #end(state: Exclude<CanaryState, 'running'>, reason: string): Promise<void> {
    this.#last = this.#facts();
    this.#state = state;
    this.#context.onWarning(`${this.#names.candidate}: ended, ${printable(reason)}`);
    await this.#context.models.removeCandidate();
  }

  /** Compares other runs from the start. */
  async #restart(spec: ComparisonSpec): Promise<void> {
    const previous = this.#comparison;
    this.#comparison = startThread('serve/canary/comparison-worker', spec);
    this.#kept = new KeptPredictions(this.#options.keepMs);
    this.#looks = [];
    this.#figures = undefined;
    this.#context.onWarning(`${this.#names.candidate}: compared from the start, since a model is of another run`);
    await previous.close();
  }
}

function refuseLabels(outcome: number, found: number, expected: number): Error {
  return refusal(400, {
    where: `outcomes[${outcome}].labels`,
    message: `expected ${expected} rows, as the request had, found ${found}`,
    fix: 'send an object with labels for each row, in order',
  });
}
