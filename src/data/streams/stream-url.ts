import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { parseDuration } from '../../core/duration.js';
import { didYouMean, joined, quoted, UserError, userError, type Problem } from '../../core/errors.js';
import { findPassword } from '../../core/url-password.js';
import { unreadable } from '../readers/unreadable.js';

/** A stream as its URL names it: `scheme://user@server,server/log?option=value`. */
export interface StreamUrl<Options> {
  /** The URL without user and options, for messages. */
  readonly name: string;
  readonly user: string | undefined;
  /** Addresses as `host` or `host:port`; at least one. */
  readonly servers: readonly string[];
  /** Name of the topic or stream. */
  readonly log: string;
  readonly options: Options;
}

/** A flag of a URL: `?tls` or `?tls=true`. */
export const flagOption = z
  .enum(['', 'true', 'false'], 'expected no value, true or false')
  .transform((v) => v !== 'false');

/** A duration of a URL, such as `5s`, in milliseconds; `forever` is infinite. */
export const durationOption = z
  .string()
  .regex(/^(?:\d+(?:\.\d+)?(?:ms|s|m|h|d)|forever)$/, 'expected a duration such as 500ms, 5s or 2m, or forever')
  .transform((text) => {
    if (text === 'forever') return Infinity;
    return text.endsWith('ms') ? parseFloat(text) : parseDuration(text);
  });

/** Files of an encrypted connection, by option. */
export const tlsShape = {
  tls: flagOption.optional(),
  ca: z.string().min(1).optional(),
  cert: z.string().min(1).optional(),
  key: z.string().min(1).optional(),
};

const URL_PARTS =
  /^(?<scheme>[a-z]+):\/\/(?:(?<user>[^@/?#]*)@)?(?<servers>[^@/?#]+)\/(?<log>[^/?#]+)(?:\?(?<query>[^#]*))?$/;

/**
 * Parses the URL of a stream.
 * @param form expected form of the URL, for messages
 * @param schema options by name; each value is the text of the URL
 * @throws UserError (config) for another form, an unknown option, an invalid value, or a password
 */
export function parseStreamUrl<Shape extends z.ZodRawShape>(
  url: string,
  form: string,
  schema: z.ZodObject<Shape>,
): StreamUrl<z.output<z.ZodObject<Shape>>> {
  const parts = URL_PARTS.exec(url)?.groups;
  const name =
    parts === undefined
      ? url.replace(/\/\/.*@/, '//').replace(/\?.*/, '')
      : `${parts['scheme']}://${parts['servers']}/${parts['log']}`;
  const invalid = (message: string, fix?: string): UserError =>
    userError('config', { key: 'data.train', where: name, message, ...(fix !== undefined && { fix }) });
  const { problem } = findPassword(url) ?? {};
  if (problem !== undefined) throw invalid(problem.message, problem.fix);
  if (parts === undefined) throw invalid(`is not the URL of a stream; expected ${form}`);
  const given = Object.fromEntries(new URLSearchParams(parts['query'] ?? ''));
  const known = Object.keys(schema.shape);
  const unknown = Object.keys(given).find((option) => !known.includes(option));
  if (unknown !== undefined)
    throw invalid(`unknown option '${unknown}'`, joined(`use ${known.join(', ')}`, didYouMean(unknown, known)));
  const result = schema.safeParse(given);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw invalid(`option ${issue!.path.join('.')}: ${issue!.message}`);
  }
  return {
    name,
    user: parts['user'] ? decodeURIComponent(parts['user']) : undefined,
    servers: parts['servers']!.split(','),
    log: decodeURIComponent(parts['log']!),
    options: result.data,
  };
}

/**
 * Reads the files of an encrypted connection, in PEM format; returns undefined if the URL requests none.
 * @throws UserError (data) for a file that cannot be read
 */
export function readTlsFiles({
  tls,
  ca,
  cert,
  key,
}: z.output<z.ZodObject<typeof tlsShape>>): Partial<Record<'ca' | 'cert' | 'key', string>> | undefined {
  const paths = Object.entries({ ca, cert, key }).filter((entry): entry is [string, string] => entry[1] !== undefined);
  if (!(tls ?? paths.length > 0)) return undefined;
  return Object.fromEntries(paths.map(([option, path]) => [option, readUrlFile(path).toString()]));
}

/**
 * Reads a file that a URL names.
 * @throws UserError (data) if it cannot be read
 */
export function readUrlFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

/**
 * Describes a topic or stream that servers lack.
 * @param none text for servers without any
 */
export function unknownLog(kind: string, log: string, known: readonly string[], none: string): Problem {
  const names = known.toSorted();
  const use = names.length === 0 ? none : `use one of ${names.slice(0, 20).join(', ')}`;
  return { message: `there is no ${kind} ${quoted(log)}`, fix: joined(use, didYouMean(log, names)) };
}

/**
 * Loads packages that are not part of mtl.
 * @param packages what `npm install` installs
 * @throws UserError (config) if one is not installed
 */
export async function loadPackages<Module>(packages: readonly string[], load: () => Promise<Module>): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')) throw error;
    const message = `requires ${packages.map(packageName).join(' and ')}, not installed with mtl`;
    const fix = `run npm install ${packages.join(' ')}`;
    throw userError('config', { key: 'data.train', message, fix }, error);
  }
}

/** Returns the name of a package without its version. */
function packageName(text: string): string {
  return text.replace(/(?<=.)@.*$/, '');
}
