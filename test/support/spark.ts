import { execFileSync, spawnSync } from 'node:child_process';
import type { TestContext } from 'vitest';
import { needsPython, PYTHON } from './python.js';

/** Skips a test, with the reason, if PySpark or Java is missing. */
export function needsSpark(context: Pick<TestContext, 'skip'>): void {
  needsPython(context, 'pyspark');
  if (spawnSync('java', ['-version'], { stdio: 'ignore' }).status !== 0)
    context.skip('there is no java, which Spark runs on: apt-get install default-jre-headless');
}

/**
 * Runs a script with a Spark session on two threads as `spark`, and `statements(text)`, which runs SQL separated by
 * semicolons.
 */
export function spark(cwd: string, script: string, args: readonly string[] = []): string {
  const before = `
from pyspark.sql import SparkSession
builder = SparkSession.builder.master('local[2]')
builder = builder.config('spark.ui.enabled', 'false').config('spark.sql.shuffle.partitions', '2')
builder = builder.config('spark.driver.bindAddress', '127.0.0.1').config('spark.driver.host', '127.0.0.1')
spark = builder.getOrCreate()
def statements(text):
    for statement in filter(str.strip, text.split(';')):
        spark.sql(statement)
`;
  return execFileSync(PYTHON, ['-c', before + script, ...args], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 2 ** 26,
  });
}
