import { realpathSync } from 'node:fs';
import { didYouMean, quoted, systemCode, UserError, userError } from '../core/errors.js';
import { findCheckpoint } from '../runs/find-checkpoint.js';
import type { BodyLimits, PredictorSpec } from './messages.js';
import { openPool, type Pool, type PoolOptions } from './pool.js';
import { refusal } from './refusal.js';

/** A served model of a run or checkpoint. */
interface ServedModel {
  readonly path: string;
  readonly name: string | undefined;
  pool: Pool;
  /** Message of the last failed reload, to warn only once. */
  lastFailure: string | undefined;
}

/** Served models by name. */
export interface ServedModels {
  readonly names: readonly string[];
  /** Whether every model can answer. */
  readonly isReady: boolean;
  /** Whether every model can answer or may recover by itself. */
  readonly isLive: boolean;
  /**
   * Returns the threads of a model.
   * @param name undefined for the only model
   * @param version undefined for the current version
   * @throws Refusal if it is unknown
   */
  pool(name: string | undefined, version?: string): Pool;
  /** Loads new checkpoints of all runs next to the current ones, then switches over. */
  reload(): Promise<void>;
  close(): Promise<void>;
}

/** Options of served models. */
export interface ServedOptions extends PoolOptions, Pick<PredictorSpec, 'raw'> {}

/** Valid model names in a URL. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/**
 * Loads models.
 * @param paths run directories or checkpoints
 * @param names model names in the same order; default: config names
 * @throws UserError (usage) for invalid or duplicate names; (checkpoint) if a model cannot be loaded
 */
export async function loadServedModels(
  paths: readonly string[],
  names: readonly string[] | undefined,
  limits: BodyLimits,
  options: ServedOptions,
): Promise<ServedModels> {
  checkNames(paths, names);
  const resolveCheckpoint = (path: string): string => realpathSync(findCheckpoint(path));
  const open = (path: string, name: string | undefined): Promise<Pool> =>
    openPool({ folder: resolveCheckpoint(path), name, limits, raw: options.raw }, options);
  const models: ServedModel[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(models.map(({ pool }) => pool.close()));
  };
  const find = (name: string): ServedModel | undefined => models.find(({ pool }) => pool.facts.name === name);
  try {
    for (const [i, path] of paths.entries()) {
      const name = names?.[i];
      const model = { path, name, pool: await open(path, name), lastFailure: undefined };
      const other = find(model.pool.facts.name);
      models.push(model);
      if (other !== undefined)
        throw userError('usage', {
          where: path,
          message: `has the same name ${quoted(model.pool.facts.name)} as ${other.path}`,
          fix: 'set different names with --name FIRST,SECOND',
        });
    }
  } catch (error) {
    await close();
    throw error;
  }

  const reload = async (model: ServedModel): Promise<void> => {
    try {
      const { checkpoint, name } = model.pool.facts;
      if (resolveCheckpoint(model.path) !== checkpoint) {
        // The name stays, whatever the new config says.
        const [previous, next] = [model.pool, await open(model.path, name)];
        model.pool = next;
        options.onWarning(`${name}: loaded ${next.facts.checkpoint} in place of ${checkpoint}`);
        await previous.close();
      }
      model.lastFailure = undefined;
    } catch (error) {
      if (!(error instanceof UserError) && systemCode(error) === undefined) throw error;
      // A new run may have no checkpoint yet; warn only once.
      const { message } = error as Error;
      if (model.lastFailure !== message)
        options.onWarning(
          `${model.pool.facts.name}: cannot load a newer checkpoint, still serving the current one: ${message}`,
        );
      model.lastFailure = message;
    }
  };

  return {
    get names() {
      return models.map(({ pool }) => pool.facts.name);
    },
    get isReady() {
      return models.every(({ pool }) => pool.isReady);
    },
    get isLive() {
      return models.every(({ pool }) => pool.isLive);
    },
    pool(name, version) {
      const known = models.map(({ pool }) => pool.facts.name);
      const model = name === undefined ? (models.length === 1 ? models[0] : undefined) : find(name);
      if (model === undefined) {
        const available = `available: ${known.join(', ')}`;
        if (name === undefined)
          throw refusal(404, {
            where: '/predict',
            message: `several models are served; ${available}`,
            fix: 'use POST /models/NAME/predict',
          });
        const fix = didYouMean(name, known);
        throw refusal(404, {
          where: 'model',
          message: `unknown model ${quoted(name)}; ${available}`,
          ...(fix !== undefined && { fix }),
        });
      }
      const { facts } = model.pool;
      if (version !== undefined && version !== facts.version)
        throw refusal(404, {
          where: 'version',
          message: `unknown version ${quoted(version)} of ${facts.name}; the current version is ${facts.version}`,
          fix: 'remove the version from the path',
        });
      return model.pool;
    },
    async reload() {
      // Sequentially: each model needs twice its memory during its reload.
      for (const model of models) await reload(model);
    },
    close,
  };
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
