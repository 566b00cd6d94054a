import { realpathSync } from 'node:fs';
import { didYouMean, quoted, systemCode, UserError, userError } from '../core/errors.js';
import { findCheckpoint } from '../runs/find-checkpoint.js';
import type { BodyLimits, PredictorSpec } from './messages.js';
import { openPool, type Pool, type PoolOptions } from './pool.js';
import { refusal } from './refusal.js';

/** A model that is served: of a run or a checkpoint, under a name. */
interface ServedModel {
  readonly path: string;
  readonly name: string | undefined;
  pool: Pool;
  /** What was wrong when a newer checkpoint was looked for last. */
  told: string | undefined;
}

/** Models by name, each with its threads. */
export interface ServedModels {
  readonly names: readonly string[];
  /** Whether each can answer. */
  readonly isReady: boolean;
  /** Whether no model has lost all of its threads for good, as far as is known. */
  readonly isLive: boolean;
  /**
   * The threads of a model.
   * @param name undefined for the only one
   * @param version undefined for whichever there is
   * @throws Refusal for one that is not there
   */
  pool(name: string | undefined, version?: string): Pool;
  /**
   * Loads the checkpoints that runs point at now, where these are others, beside those that answer, and lets them take
   * over.
   */
  reload(): Promise<void>;
  close(): Promise<void>;
}

/** How models are served. */
export interface ServedOptions extends PoolOptions, Pick<PredictorSpec, 'raw'> {}

/** What a name in a URL may be. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/**
 * Loads models.
 * @param paths of runs or checkpoints
 * @param names of the models in the same order; those of their configs where they are left out
 * @throws UserError (usage) for names that are none or the same, (checkpoint) for what cannot be loaded
 */
export async function loadServedModels(
  paths: readonly string[],
  names: readonly string[] | undefined,
  limits: BodyLimits,
  options: ServedOptions,
): Promise<ServedModels> {
  checkNames(paths, names);
  const folderOf = (path: string): string => realpathSync(findCheckpoint(path));
  const open = (path: string, name: string | undefined): Promise<Pool> =>
    openPool({ folder: folderOf(path), name, limits, raw: options.raw }, options);
  const models: ServedModel[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(models.map(({ pool }) => pool.close()));
  };
  const find = (name: string): ServedModel | undefined => models.find(({ pool }) => pool.facts.name === name);
  try {
    for (const [i, path] of paths.entries()) {
      const name = names?.[i];
      const model = { path, name, pool: await open(path, name), told: undefined };
      const other = find(model.pool.facts.name);
      models.push(model);
      if (other !== undefined)
        throw userError('usage', {
          where: path,
          message: `is called ${quoted(model.pool.facts.name)}, as is ${other.path}`,
          fix: 'name them: --name FIRST,SECOND',
        });
    }
  } catch (error) {
    await close();
    throw error;
  }

  const reload = async (model: ServedModel): Promise<void> => {
    try {
      const { checkpoint, name } = model.pool.facts;
      if (folderOf(model.path) !== checkpoint) {
        // It keeps its name, whatever the other's config says.
        const [before, after] = [model.pool, await open(model.path, name)];
        model.pool = after;
        options.onWarning(`${name}: took ${after.facts.checkpoint} in place of ${checkpoint}`);
        await before.close();
      }
      model.told = undefined;
    } catch (error) {
      if (!(error instanceof UserError) && systemCode(error) === undefined) throw error;
      // A run that has begun may have none yet; that is no news the second time.
      const { message } = error as Error;
      if (model.told !== message)
        options.onWarning(
          `${model.pool.facts.name} stays as it is, since no newer checkpoint can be taken: ${message}`,
        );
      model.told = message;
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
        const which = `${known.length === 1 ? 'the only one is' : 'there are'} ${known.join(', ')}`;
        if (name === undefined)
          throw refusal(404, {
            where: '/predict',
            message: `several models are served: ${which}`,
            fix: 'ask one of them: POST /models/NAME/predict',
          });
        const fix = didYouMean(name, known);
        throw refusal(404, {
          where: 'model',
          message: `there is no model ${quoted(name)}: ${which}`,
          ...(fix !== undefined && { fix }),
        });
      }
      const { facts } = model.pool;
      if (version !== undefined && version !== facts.version)
        throw refusal(404, {
          where: 'version',
          message: `there is no version ${quoted(version)} of ${facts.name}: it is ${facts.version}`,
          fix: 'leave the version out',
        });
      return model.pool;
    },
    async reload() {
      // One after the other: each takes twice its memory while it does.
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
      message: `expected ${paths.length} names, one a model, with commas, found ${names.length}`,
    });
  for (const name of names)
    if (!NAME.test(name))
      throw userError('usage', {
        where: '--name',
        message: `expected letters, digits, dots, - and _ (64 characters at most), found ${quoted(name)}`,
      });
}
