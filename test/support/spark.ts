import { execFileSync, spawnSync } from 'node:child_process';
import type { TestContext } from 'vitest';
import { needsPython, PYTHON } from './python.js';

/** Skips a test, with the reason, if PySpark or Java is missing. */
export function needsSpark(context: Pick<TestContext, 'skip'>): void {
  needsPython(context, 'pyspark');
  if (spawnSync('java', ['-version'], { stdio: 'ignore' }).status !== 0)
    context.skip('there is no java, which Spark runs on: apt-get install default-jre-headless');
}

/** A script for Spark, which runs in a directory with arguments. */
export interface SparkJob {
  readonly cwd: string;
  readonly script: string;
  readonly args?: readonly string[];
}

/** Runs jobs from standard input; prints the error of each, or null, as JSON. */
const RUNNER = `
import json, os, sys, traceback
from pyspark.sql import SparkSession
builder = SparkSession.builder.master('local[2]')
builder = builder.config('spark.ui.enabled', 'false').config('spark.sql.shuffle.partitions', '2')
builder = builder.config('spark.driver.bindAddress', '127.0.0.1').config('spark.driver.host', '127.0.0.1')
# The tables are small: compiling queries and bytecode takes longer than interpreting them.
builder = builder.config('spark.sql.codegen.wholeStage', 'false').config('spark.sql.codegen.factoryMode', 'NO_CODEGEN')
builder = builder.config('spark.driver.extraJavaOptions', '-XX:TieredStopAtLevel=1')
first = builder.getOrCreate()
hadoop = first._jvm.org.apache.hadoop.fs
files = hadoop.FileSystem.get(first._jsc.hadoopConfiguration())

def run(job):
    os.chdir(job['cwd'])
    # Relative paths of Spark are those of this directory.
    files.setWorkingDirectory(hadoop.Path(job['cwd']))
    # A session has temporary views of its own.
    session = first.newSession()
    def statements(text):
        for statement in filter(str.strip, text.split(';')):
            session.sql(statement)
    sys.argv = ['-c', *job['args']]
    exec(job['script'], {'spark': session, 'statements': statements})

errors = []
for job in json.load(sys.stdin):
    try:
        run(job)
        errors.append(None)
    except Exception:
        errors.append(traceback.format_exc())
print(json.dumps(errors))
`;

/**
 * Runs jobs one after the other in one Spark application. A script has a session on two threads as `spark`, and
 * `statements(text)`, which runs SQL separated by semicolons.
 * @returns the error of each job; undefined if it completed
 */
export function runOnSpark(jobs: readonly SparkJob[]): readonly (string | undefined)[] {
  const input = JSON.stringify(jobs.map(({ args = [], ...job }) => ({ ...job, args })));
  const stdout = execFileSync(PYTHON, ['-c', RUNNER], {
    encoding: 'utf8',
    input,
    stdio: ['pipe', 'pipe', 'pipe'],
    maxBuffer: 2 ** 26,
  });
  const errors = JSON.parse(stdout.trim().split('\n').at(-1)!) as readonly (string | null)[];
  return errors.map((error) => error ?? undefined);
}
