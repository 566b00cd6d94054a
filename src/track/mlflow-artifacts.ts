import { createReadStream, statSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { dirname, isAbsolute, join } from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

/** A file of a run, with its artifact path. */
export interface RunFile {
  readonly path: string;
  readonly file: string;
}

/** A file that mtl writes for MLflow, with its artifact path. */
export interface TextFile {
  readonly path: string;
  readonly text: string;
}

/** Timeout for the upload of one file. */
const UPLOAD_MS = 600_000;

export type ArtifactStore = (files: readonly (RunFile | TextFile)[]) => Promise<void>;

/**
 * Selects how to store the artifacts of a run or a model: through the tracking server, or in a directory if the server
 * runs on this machine.
 * @param artifactUri of the run or the model, from the server
 * @throws Error if only MLflow's own clients can write there
 */
export function artifactStore(
  url: string,
  artifactUri: string,
  headers: Readonly<Record<string, string>>,
): ArtifactStore {
  // One letter is a drive of Windows.
  const [, scheme = 'file'] = /^([a-z][a-z0-9+.-]+):/.exec(artifactUri) ?? [];
  if (scheme === 'mlflow-artifacts') {
    const root = `${url}/api/2.0/mlflow-artifacts/artifacts/${new URL(artifactUri).pathname.replace(/^\/+/, '')}`;
    return async (files) => {
      for (const each of files)
        await upload(`${root}/${each.path.split('/').map(encodeURIComponent).join('/')}`, each, headers);
    };
  }
  const folder = artifactUri.startsWith('file:') ? fileURLToPath(artifactUri) : artifactUri;
  if (scheme === 'file' && isLoopback(url) && isAbsolute(folder)) {
    return async (files) => {
      for (const each of files) {
        const target = join(folder, each.path);
        await mkdir(dirname(target), { recursive: true });
        await ('text' in each ? writeFile(target, each.text) : copyFile(each.file, target));
      }
    };
  }
  const destination = scheme === 'file' ? 'DIRECTORY' : artifactUri.split('/').slice(0, 3).join('/');
  throw new Error(
    `cannot store artifacts at '${artifactUri}' from this machine; let the server store them: ` +
      `mlflow server --artifacts-destination ${destination}`,
  );
}

async function upload(
  target: string,
  source: RunFile | TextFile,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const content =
    'text' in source
      ? { body: source.text, bytes: Buffer.byteLength(source.text) }
      : {
          body: Readable.toWeb(createReadStream(source.file)) as ReadableStream<Uint8Array>,
          bytes: statSync(source.file).size,
        };
  const size = { 'content-type': 'application/octet-stream', 'content-length': String(content.bytes) };
  const response = await fetch(target, {
    method: 'PUT',
    headers: { ...headers, ...size },
    body: content.body,
    duplex: 'half',
    signal: AbortSignal.timeout(UPLOAD_MS),
  });
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`the server rejected the upload of ${source.path}: HTTP ${response.status}`);
}

function isLoopback(url: string): boolean {
  return /^(localhost|127\.[\d.]+|\[::1\])$/.test(new URL(url).hostname);
}
