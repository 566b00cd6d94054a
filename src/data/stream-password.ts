/** Problem of a URL of a stream with a password. */
export const HAS_PASSWORD = 'has a password, which the files of the run would contain';

const WITH_PASSWORD = /^(?<scheme>[a-z]+):\/\/[^@/?#:]*:[^@/?#]*@/;

/** Returns the environment variable with the password of streams of a scheme. */
export function passwordVariable(scheme: string): string {
  return `MTL_${scheme.toUpperCase()}_PASSWORD`;
}

/** Returns the problem of a path that is a URL with a password, without the password; undefined for others. */
export function describePassword(path: string): string | undefined {
  const scheme = WITH_PASSWORD.exec(path)?.groups?.['scheme'];
  return scheme && `${HAS_PASSWORD}; set ${passwordVariable(scheme)} in the environment instead`;
}
