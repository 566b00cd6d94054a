import { userError } from '../core/errors.js';

/** Environment variable with the token that requests must send. */
export const TOKEN = 'MTL_TOKEN';

/**
 * Returns the token of the environment; undefined without one.
 * @throws UserError (usage) if it is blank
 */
export function readToken(): string | undefined {
  const token = process.env[TOKEN];
  if (token?.trim() === '')
    throw userError('usage', { where: TOKEN, message: 'is set but empty', fix: 'unset it, or set it to a token' });
  return token;
}
