import { createHash, timingSafeEqual } from 'node:crypto';

/** Whether the header of a request holds a token; how long that takes tells nothing of the token. */
export function holdsToken(token: string): (authorization: string | undefined) => boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const expected = digest(token);
  return (authorization) => {
    const [, given] = /^Bearer +(\S+) *$/i.exec(authorization ?? '') ?? [];
    return given !== undefined && timingSafeEqual(digest(given), expected);
  };
}
