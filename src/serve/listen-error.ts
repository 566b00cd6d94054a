import { systemCode, userError } from '../core/errors.js';

/** Converts a listen error that the port or host causes to a UserError; returns any other error unchanged. */
export function toListenError(error: unknown, host: string, port: number): unknown {
  const code = systemCode(error);
  if (code === 'EADDRINUSE')
    return userError(
      'usage',
      {
        where: `--port ${port}`,
        message: 'port already in use',
        fix: 'use another port, or --port 0 for a free one',
      },
      error,
    );
  if (code === 'EACCES')
    return userError(
      'usage',
      { where: `--port ${port}`, message: 'permission denied', fix: 'use a port from 1024 on' },
      error,
    );
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return userError(
      'usage',
      {
        where: `--host ${host}`,
        message: `not an address of this machine (${code})`,
        fix: 'use 127.0.0.1, or 0.0.0.0 for all interfaces',
      },
      error,
    );
  return error;
}
