import { existsSync, realpathSync } from 'node:fs';
import { didYouMean, quoted, systemCode, UserError, userError } from '../core/errors.js';
import { findCheckpoint } from '../runs/find-checkpoint.js';
import { readSavedMs } from '../runs/manifest.js';
import { wallClockMs } from '../system/clock.js';
import { choosePublishable, type Publishable } from './alarm-hold.js';
import type { BodyLimits, ModelFacts, PredictorSpec } from './messages.js';
import { Pool, type PoolOptions } from './pool.js';
import { refusal, refuseVersion } from './refusal.js';

/** A served model of a run or checkpoint. */
interface ServedModel {
  readonly path: string;
  /** Whether it is compared with another one; it serves requests that name it. */
  readonly isCandidate: boolean;
  /** Number of its threads; default: as for all models. */
  readonly workers?: number;
  pool: Pool;
  /** Message of the last failed reload, to warn only once. */
  lastFailure: string | undefined;
  /** The newest checkpoint, if it is not served because the last window of its stream has alarms. */
  held: string | undefined;
}

/** A model to load, with its name; default: the config name. */
interface AddedModel extends Pick<ServedModel, 'path' | 'isCandidate' | 'workers'> {
  readonly name: string | undefined;
}

/** Options of served models. */
export interface ServedOptions extends PoolOptions, Pick<PredictorSpec, 'raw' | 'histories' | 'precision' | 'tables'> {
  /** Whether the last checkpoint of a run is served in place of its best. */
  readonly isLast: boolean;
  /** Whether checkpoints of streams are served if their last window has alarms. Default: false. */
  readonly ignoreAlarms?: boolean | undefined;
  /**
   * Called after each reload of a checkpoint, each failure, and for each checkpoint that is held.
   * @param delayMs time since the checkpoint was saved
   */
  onReload(model: string, kind: ReloadKind, delayMs?: number): void;
}

/** How a newer checkpoint was loaded: by its deltas alone, or all of it; `held`: not, because of alarms. */
export type ReloadKind = 'deltas' | 'full' | 'failed' | 'held';

/** Checkpoints in a row that training may remove while they are loaded. */
const MAX_ATTEMPTS = 5;

/** Valid model names in a URL. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Served models by name. */
export class ServedModels {
  readonly #options: ServedOptions;
  readonly #limits: BodyLimits;
  #models: readonly ServedModel[] = [];
  /** The last reload: a reload starts after the one before. */
  #reloading: Promise<void> = Promise.resolve();

  private constructor(limits: BodyLimits, options: ServedOptions) {
    this.#limits = limits;
    this.#options = options;
  }

  /**
   * Loads models.
   * @param paths run directories or checkpoints
   * @param names model names in the same order; default: config names
   * @throws UserError (usage) for invalid or duplicate names; (checkpoint) if a model cannot be loaded
   */
  static async load(
    paths: readonly string[],
    names: readonly string[] | undefined,
    limits: BodyLimits,
    options: ServedOptions,
  ): Promise<ServedModels> {
    checkNames(paths, names);
    const models = new ServedModels(limits, options);
    try {
      for (const [i, path] of paths.entries()) await models.#add({ path, name: names?.[i], isCandidate: false });
    } catch (error) {
      await models.close();
      throw error;
    }
    return models;
  }

  get names(): readonly string[] {
    return this.#models.map(({ pool }) => pool.facts.name);
  }

  /** Whether every model but a candidate can answer. */
  get isReady(): boolean {
    return this.#listPresent().every(({ pool }) => pool.isReady);
  }

  /** Whether every model but a candidate can answer or may recover by itself. */
  get isLive(): boolean {
    return this.#listPresent().every(({ pool }) => pool.isLive);
  }

  /** Whether a newer checkpoint of a model is not served, because the last window of its stream has alarms. */
  isHeld(name: string): boolean {
    return this.#models.some(({ pool, held }) => pool.facts.name === name && held !== undefined);
  }

  /**
   * Returns the threads of a model.
   * @param name undefined for the only model
   * @param version undefined for the current version
   * @throws Refusal if it is unknown
   */
  pool(name: string | undefined, version?: string): Pool {
    const { pool } = this.#find(name);
    const { facts } = pool;
    if (version === undefined || version === facts.version) return pool;
    throw refuseVersion(facts, version);
  }

  /**
   * Applies new deltas of all runs to the current checkpoints; other new checkpoints are loaded next to the current
   * ones, which then are replaced.
   */
  reload(): Promise<void> {
    const reloading = this.#reloading.then(async () => {
      // Sequentially: a model that is loaded whole needs twice its memory meanwhile.
      for (const model of this.#models) await this.#reload(model);
    });
    // The caller receives an error.
    this.#reloading = reloading.catch(() => undefined);
    return reloading;
  }

  /**
   * Loads a model that is compared with another one; requests that name no model do not find it.
   * @param workers number of its threads; default: as for all models
   * @throws UserError (checkpoint)
   */
  async addCandidate(path: string, name: string, workers?: number): Promise<Pool> {
    return this.#add({ path, name, isCandidate: true, ...(workers !== undefined && { workers }) });
  }

  /** Removes the candidate after a reload in progress, and closes it when its requests are answered. */
  async removeCandidate(): Promise<void> {
    await this.#reloading;
    const removed = this.#models.filter(({ isCandidate }) => isCandidate);
    this.#models = this.#listPresent();
    await Promise.all(removed.map(({ pool }) => pool.close()));
  }

  async close(): Promise<void> {
    await Promise.all(this.#models.map(({ pool }) => pool.close()));
  }

  #listPresent(): readonly ServedModel[] {
    return this.#models.filter(({ isCandidate }) => !isCandidate);
  }

  async #add({ name, ...added }: AddedModel): Promise<Pool> {
    const { path, workers } = added;
    const newest = this.#resolve(path);
    const { folder, alarms } = await this.#choose(path, newest);
    const pool = await this.#open(folder ?? newest, name, workers);
    const other = this.#models.find((model) => model.pool.facts.name === pool.facts.name);
    const model: ServedModel = { ...added, pool, lastFailure: undefined, held: undefined };
    this.#models = [...this.#models, model];
    this.#hold(model, newest, alarms);
    if (other === undefined) return pool;
    throw userError('usage', {
      where: path,
      message: `has the same name ${quoted(pool.facts.name)} as ${other.path}`,
      fix: 'set different names with --name FIRST,SECOND',
    });
  }

  #choose(path: string, newest: string, served?: ModelFacts): Promise<Publishable> {
    const { isReloaded, ignoreAlarms = false } = this.#options;
    // Without reloads, a checkpoint that is held would stay so.
    return isReloaded && !ignoreAlarms
      ? choosePublishable(path, newest, served)
      : Promise.resolve({ folder: newest, alarms: [] });
  }

  #open(folder: string, name: string | undefined, workers = this.#options.workers): Promise<Pool> {
    const { raw, histories, precision, tables } = this.#options;
    const spec = { folder, name, limits: this.#limits, raw, histories, precision, tables };
    return Pool.open(spec, { ...this.#options, workers });
  }

  #resolve(path: string): string {
    return realpathSync(findCheckpoint(path, this.#options.isLast ? ['last'] : undefined));
  }

  #find(name: string | undefined): ServedModel {
    const present = this.#listPresent();
    const model =
      name === undefined && present.length === 1
        ? present[0]
        : this.#models.find(({ pool }) => pool.facts.name === name);
    if (model !== undefined) return model;
    const available = `available: ${this.names.join(', ')}`;
    if (name === undefined)
      throw refusal(404, {
        where: '/predict',
        message: `several models are served; ${available}`,
        fix: 'use POST /models/NAME/predict',
      });
    const fix = didYouMean(name, this.names);
    throw refusal(404, {
      where: 'model',
      message: `unknown model ${quoted(name)}; ${available}`,
      ...(fix !== undefined && { fix }),
    });
  }

  async #reload(model: ServedModel): Promise<void> {
    const { onWarning, onReload } = this.#options;
    const { name } = model.pool.facts;
    try {
      await this.#update(model);
      model.lastFailure = undefined;
    } catch (error) {
      if (!(error instanceof UserError) && systemCode(error) === undefined) throw error;
      // A new run may have no checkpoint yet; warn only once.
      const { message } = error as Error;
      onReload(name, 'failed');
      if (model.lastFailure !== message)
        onWarning(`${name}: cannot load a newer checkpoint, still serving the current one: ${message}`);
      model.lastFailure = message;
    }
  }

  /** Serves the newest checkpoint. One that training removes meanwhile is no failure: there is a newer one. */
  async #update(model: ServedModel): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      const folder = this.#resolve(model.path);
      try {
        if (folder === model.pool.facts.checkpoint) this.#hold(model, folder, []);
        else if (folder !== model.held) await this.#publish(model, folder);
        return;
      } catch (error) {
        if (existsSync(folder) || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  /** Serves a newer checkpoint, or the newest one before it if the last window of its stream has alarms. */
  async #publish(model: ServedModel, newest: string): Promise<void> {
    const { path, pool } = model;
    const { folder, alarms } = await this.#choose(path, newest, pool.facts);
    if (folder !== undefined) await this.#load(model, folder);
    this.#hold(model, newest, alarms);
  }

  /** Notes that the newest checkpoint is not served because of alarms; or that it is, without alarms. */
  #hold(model: ServedModel, newest: string, alarms: readonly string[]): void {
    const { onWarning, onReload } = this.#options;
    const { name, checkpoint } = model.pool.facts;
    const texts = alarms.join('; ');
    if (alarms.length > 0 && newest !== checkpoint) {
      onReload(name, 'held');
      if (model.held === undefined)
        onWarning(`${name}: serving ${checkpoint} until its stream has no alarms; held ${newest}: ${texts}`);
      model.held = newest;
      return;
    }
    if (alarms.length > 0) onWarning(`${name}: no checkpoint without alarms; serving ${checkpoint}: ${texts}`);
    if (model.held !== undefined) onWarning(`${name}: serving ${checkpoint}: its stream has no alarms`);
    model.held = undefined;
  }

  async #load(model: ServedModel, folder: string): Promise<void> {
    const { onWarning, onReload } = this.#options;
    const previous = model.pool;
    const { checkpoint, name } = previous.facts;
    const savedMs = await readSavedMs(folder);
    const isFollowed = await previous.follow(folder);
    if (!isFollowed) {
      // The name stays, whatever the new config says.
      model.pool = await this.#open(folder, name, model.workers);
      onWarning(`${name}: loaded ${model.pool.facts.checkpoint} in place of ${checkpoint}`);
    }
    onReload(name, isFollowed ? 'deltas' : 'full', wallClockMs() - savedMs);
    if (!isFollowed) await previous.close();
  }
}

function checkNames(paths: readonly string[], names: readonly string[] | undefined): void {
  if (names === undefined) return;
  if (names.length !== paths.length)
    throw userError('usage', {
      where: '--name',
      message: `expected ${paths.length} comma-separated names, one per model, found ${names.length}`,
    });
  for (const name of names)
    if (!NAME.test(name))
      throw userError('usage', {
        where: '--name',
        message: `expected at most 64 letters, digits, dots, - and _, found ${quoted(name)}`,
      });
}
