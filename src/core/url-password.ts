import type { Problem } from './errors.js';

/** A port, after which the text of a URL has no password. */
const PORT = /\d{1,5}(?:[/?#,"'\s)\]}>;]|$)/.source;
/** Texts that contain a secret: repetitions are bounded, so that a long text takes linear time. */
const SECRETS = [
  // A user, which may be empty, and a password. A password may contain characters that URLs encode, such as /.
  new RegExp(String.raw`\b(?<scheme>[a-z][a-z0-9+.-]{0,20})://[^\s@/?#:[\]]{0,500}:(?!${PORT})\S{0,500}@`, 'i'),
  // A user without a password: for NATS a token, for HTTP servers often one.
  /\b(?<scheme>https?|nats):\/\/[^\s@/?#:"'[\]]{1,500}@/i,
  /\b(?<scheme>[a-z][a-z0-9+.-]{0,20}):\/\/[^\s"']{0,500}[?&](?:[\w.-]{0,50}(?:password|passwd|token|secret|signature|credential|api[_-]?key|access[_-]?key)|pwd|sig)=[^&\s]/i,
];

/** Returns the environment variable with the password of streams of a scheme. */
export function passwordVariable(scheme: string): string {
  return `MTL_${scheme.toUpperCase()}_PASSWORD`;
}

/** A secret in a text. */
export interface UrlPassword {
  /** Offset of its URL in the text. */
  readonly offset: number;
  /** What is wrong and what to type, without the secret. */
  readonly problem: Pick<Problem, 'message' | 'fix'>;
}

/**
 * Finds a URL with a password or a token, in its user part or in an option. A user of NATS is no token if the
 * environment has the password.
 */
export function findPassword(text: string): UrlPassword | undefined {
  for (const [i, pattern] of SECRETS.entries()) {
    const match = pattern.exec(text);
    const scheme = match?.groups?.['scheme']?.toLowerCase();
    if (match === null || scheme === undefined) continue;
    const isUser = i === 1;
    if (isUser && scheme === 'nats' && process.env[passwordVariable(scheme)] !== undefined) continue;
    const what = isUser ? 'has a user without a password, which may be a token that' : 'has a password, which';
    return {
      offset: match.index,
      problem: { message: `${what} files and logs would contain`, fix: describeFix(scheme, isUser) },
    };
  }
  return undefined;
}

function describeFix(scheme: string, isUser: boolean): string {
  const variable = passwordVariable(scheme);
  if (scheme === 'nats' && isUser)
    return `set MTL_NATS_TOKEN in the environment instead, or ${variable} if the user has one`;
  if (scheme === 'kafka' || scheme === 'nats') return `set ${variable} in the environment instead`;
  if (scheme.startsWith('http'))
    return 'remove it, and for MLflow set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the environment';
  return 'remove it from the URL';
}
