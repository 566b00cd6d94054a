import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onTestFinished, type TestContext } from 'vitest';

const command = process.env['MTL_MLFLOW'] ?? 'mlflow';

/** Options of a server that stores artifacts itself, and of one whose clients write them to a directory. */
export const ARTIFACT_OPTIONS = ['--artifacts-destination', '--default-artifact-root'] as const;

/** Starts a server on a free port until the end of the test; skips the test, with the reason, without MLflow. */
export async function startMlflow(
  { skip }: Pick<TestContext, 'skip'>,
  artifacts: (typeof ARTIFACT_OPTIONS)[number],
): Promise<string> {
  if (spawnSync(command, ['--version'], { stdio: 'ignore' }).status !== 0)
    skip(`there is no ${command}: pip install mlflow, or name it with MTL_MLFLOW`);
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  const folder = mkdtempSync(join(tmpdir(), 'mtl-mlflow-server-'));
  const child: ChildProcess = spawn(
    command,
    [
      'server',
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
      '--workers',
      '1',
      '--backend-store-uri',
      `sqlite:///${join(folder, 'runs.db')}`,
      artifacts,
      join(folder, 'artifacts'),
    ],
    { cwd: folder, stdio: 'ignore', detached: true },
  );
  onTestFinished(() => {
    process.kill(-child.pid!);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });
  for (;;) {
    if (
      await fetch(`http://127.0.0.1:${port}/health`).then(
        ({ ok }) => ok,
        () => false,
      )
    )
      return `http://127.0.0.1:${port}`;
    await sleep(200);
  }
}

/** Returns the Python of MLflow; skips the test, with the reason, if packages of ONNX models are missing there. */
export function findMlflowPython({ skip }: Pick<TestContext, 'skip'>): string {
  const python = command.includes('/') ? join(dirname(command), 'python') : 'python3';
  if (spawnSync(python, ['-c', 'import mlflow, onnx, onnxruntime'], { stdio: 'ignore' }).status !== 0)
    skip(`${python} has no mlflow, onnx and onnxruntime: pip install mlflow onnx onnxruntime`);
  return python;
}
