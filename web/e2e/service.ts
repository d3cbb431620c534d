/** A service of its own for the tests: a real `firn standalone` on free ports in a directory that goes with it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { BOOTSTRAP } from './seed';

const BINARY = process.env['FIRN_BIN'] ?? resolve(import.meta.dirname, '../../target/debug/firn');
const START_MS = 60_000;
const STOP_MS = 40_000;

export const OPERATOR = { tenant: '', username: 'operator', password: 'operator-password' } as const;

export interface Service {
  /** `http://127.0.0.1:PORT`. */
  api: string;
  /** `127.0.0.1:PORT`. */
  grpc: string;
  /** Where the console is, without `/console/`. */
  web: string;
  stop: () => Promise<void>;
}

/** Runs a program until its output has what is looked for. */
function started(program: string, args: string[], env: NodeJS.ProcessEnv, wanted: RegExp) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise<{ child: ChildProcess; found: string[] }>((settle, fail) => {
    let output = '';
    const timer = setTimeout(() => fail(new Error(`${program} does not start:\n${output}`)), START_MS);
    const read = (part: Buffer) => {
      output += part.toString();
      const match = wanted.exec(output);
      if (match !== null) {
        clearTimeout(timer);
        settle({ child, found: match.slice(1) });
      }
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.on('error', fail);
    child.on('exit', (code) => fail(new Error(`${program} ended with ${code}:\n${output}`)));
  });
}

function stopped(child: ChildProcess): Promise<void> {
  return new Promise((settle) => {
    const kill = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    child.on('exit', () => {
      clearTimeout(kill);
      settle();
    });
    child.kill('SIGTERM');
  });
}

/**
 * With `E2E_PREVIEW=1` the console is the build in `dist/`, served by Vite in front of the
 * service: for work on pages with a binary that has an older console, or none.
 */
async function preview(api: string): Promise<{ web: string; child: ChildProcess | null }> {
  if (process.env['E2E_PREVIEW'] !== '1') {
    return { web: api, child: null };
  }
  const vite = resolve(import.meta.dirname, '../node_modules/vite/bin/vite.js');
  const args = [vite, 'preview', '--host', '127.0.0.1', '--port', '0'];
  const env = { FIRN_URL: api, NO_COLOR: '1' };
  const { child, found } = await started(process.execPath, args, env, /(http:\/\/127\.0\.0\.1:\d+)\/console\//);
  return { web: found[0] ?? '', child };
}

export async function startService(): Promise<Service> {
  const folder = mkdtempSync(join(tmpdir(), 'firn-console-'));
  const bootstrap = join(folder, 'bootstrap.toml');
  writeFileSync(bootstrap, BOOTSTRAP);
  const listen = (name: string) => [`--${name}-listen`, '127.0.0.1:0'];
  const args = ['standalone', '--data-dir', join(folder, 'data'), '--bootstrap', bootstrap];
  const { child, found } = await started(
    BINARY,
    [...args, ...listen('http'), ...listen('grpc'), ...listen('ops'), '--stop-timeout', '5s'],
    { FIRN_OPERATOR_PASSWORD: OPERATOR.password },
    /HTTP API\s+(http:\/\/\S+).*\s+gRPC\s+(\S+)/,
  );
  const [api = '', grpc = ''] = found;
  const front = await preview(api);
  const stop = async () => {
    if (front.child !== null) {
      await stopped(front.child);
    }
    await stopped(child);
    rmSync(folder, { recursive: true, force: true });
  };
  return { api, grpc, web: front.web, stop };
}
