import { realpathSync } from 'node:fs';
import { didYouMean, quoted, systemCode, UserError, userError } from '../core/errors.js';
import { findCheckpoint } from '../runs/find-checkpoint.js';
import type { BodyLimits, PredictorSpec } from './messages.js';
import { Pool, type PoolOptions } from './pool.js';
import { refusal } from './refusal.js';

/** A served model of a run or checkpoint. */
interface ServedModel {
  readonly path: string;
  pool: Pool;
  /** Message of the last failed reload, to warn only once. */
  lastFailure: string | undefined;
}

/** Options of served models. */
export interface ServedOptions extends PoolOptions, Pick<PredictorSpec, 'raw' | 'histories' | 'precision'> {}

/** Valid model names in a URL. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Served models by name. */
export class ServedModels {
  readonly #options: ServedOptions;
  readonly #limits: BodyLimits;
  readonly #models: ServedModel[] = [];

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
      for (const [i, path] of paths.entries()) await models.#add(path, names?.[i]);
    } catch (error) {
      await models.close();
      throw error;
    }
    return models;
  }

  get names(): readonly string[] {
    return this.#models.map(({ pool }) => pool.facts.name);
  }

  /** Whether every model can answer. */
  get isReady(): boolean {
    return this.#models.every(({ pool }) => pool.isReady);
  }

  /** Whether every model can answer or may recover by itself. */
  get isLive(): boolean {
    return this.#models.every(({ pool }) => pool.isLive);
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
    throw refusal(404, {
      where: 'version',
      message: `unknown version ${quoted(version)} of ${facts.name}; the current version is ${facts.version}`,
      fix: 'remove the version from the path',
    });
  }

  /** Loads new checkpoints of all runs next to the current ones, then switches over. */
  async reload(): Promise<void> {
    // Sequentially: each model needs twice its memory during its reload.
    for (const model of this.#models) await this.#reload(model);
  }

  async close(): Promise<void> {
    await Promise.all(this.#models.map(({ pool }) => pool.close()));
  }

  async #add(path: string, name: string | undefined): Promise<void> {
    const model = { path, pool: await this.#open(path, name), lastFailure: undefined };
    const added = model.pool.facts.name;
    const other = this.#models.find(({ pool }) => pool.facts.name === added);
    this.#models.push(model);
    if (other === undefined) return;
    throw userError('usage', {
      where: path,
      message: `has the same name ${quoted(added)} as ${other.path}`,
      fix: 'set different names with --name FIRST,SECOND',
    });
  }

  #open(path: string, name: string | undefined): Promise<Pool> {
    const { raw, histories, precision } = this.#options;
    const spec = { folder: resolveCheckpoint(path), name, limits: this.#limits, raw, histories, precision };
    return Pool.open(spec, this.#options);
  }

  #find(name: string | undefined): ServedModel {
    const model =
      name === undefined && this.#models.length === 1
        ? this.#models[0]
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
    const { onWarning } = this.#options;
    const previous = model.pool;
    const { checkpoint, name } = previous.facts;
    try {
      if (resolveCheckpoint(model.path) !== checkpoint) {
        // The name stays, whatever the new config says.
        model.pool = await this.#open(model.path, name);
        onWarning(`${name}: loaded ${model.pool.facts.checkpoint} in place of ${checkpoint}`);
        await previous.close();
      }
      model.lastFailure = undefined;
    } catch (error) {
      if (!(error instanceof UserError) && systemCode(error) === undefined) throw error;
      // A new run may have no checkpoint yet; warn only once.
      const { message } = error as Error;
      if (model.lastFailure !== message)
        onWarning(`${name}: cannot load a newer checkpoint, still serving the current one: ${message}`);
      model.lastFailure = message;
    }
  }
}

function resolveCheckpoint(path: string): string {
  return realpathSync(findCheckpoint(path));
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
