/**
 * A PostgreSQL of our own for one run of tests: a fresh cluster in a temporary folder, on loopback, gone afterwards.
 *
 * The programs are those of the system's package. PostgreSQL refuses to run as root, so root starts it as user postgres.
 */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { say, timed, ToolError } from './process.mjs';

const startTimeoutMs = 60_000;
const pollMs = 200;

/**
 * Start a cluster, give its address to `use`, and remove it whatever happens. Without `isDurable` it does not wait for the disk: a test
 * kills no machine.
 */
export async function withPostgres(use, { isDurable = false } = {}) {
  const programs = findPrograms();
  const identity = findIdentity();
  const folder = mkdtempSync(path.join(tmpdir(), 'melo-postgres-'));
  if (identity.uid !== undefined) chownSync(folder, identity.uid, identity.gid);
  try {
    const password = randomBytes(16).toString('hex');
    initialise(programs, identity, folder, password);
    const port = await findFreePort();
    const server = await timed('postgresql: start', () =>
      start(programs, identity, folder, port, isDurable),
    );
    try {
      return await use(`postgres://melo:${password}@127.0.0.1:${port}/postgres`);
    } finally {
      await stop(server);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The newest PostgreSQL of Debian's layout, or what stands on the path. */
function findPrograms() {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian)
    ? readdirSync(debian)
        .map(Number)
        .sort((a, b) => b - a)
    : [];
  const folders = versions.map((version) => path.join(debian, String(version), 'bin'));
  const onPath = (process.env.PATH ?? '').split(path.delimiter);
  const found = [...folders, ...onPath].find((folder) => existsSync(path.join(folder, 'initdb')));
  if (found === undefined) {
    throw new ToolError('postgresql: expected initdb, it is not there; apt-get install postgresql');
  }
  const program = (name) => path.join(found, name);
  return {
    initdb: program('initdb'),
    postgres: program('postgres'),
    isReady: program('pg_isready'),
  };
}

function findIdentity() {
  if (process.getuid?.() !== 0) return {};
  const idOf = (option) =>
    Number(execFileSync('id', [option, 'postgres'], { encoding: 'utf8' }).trim());
  return { uid: idOf('-u'), gid: idOf('-g') };
}

function initialise({ initdb }, identity, folder, password) {
  const passwordFile = path.join(folder, 'password');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (identity.uid !== undefined) chownSync(passwordFile, identity.uid, identity.gid);
  const options = ['--auth=scram-sha-256', '--username=melo', `--pwfile=${passwordFile}`];
  const data = path.join(folder, 'data');
  execFileSync(initdb, ['-D', data, '-E', 'UTF8', '--no-sync', ...options], {
    ...identity,
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

async function start({ postgres, isReady }, identity, folder, port, isDurable) {
  const settings = {
    ...{ listen_addresses: '127.0.0.1', unix_socket_directories: folder },
    ...(isDurable ? {} : { fsync: 'off' }),
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const data = path.join(folder, 'data');
  const server = spawn(postgres, ['-D', data, '-p', String(port), ...options], {
    ...identity,
    cwd: folder,
    stdio: 'ignore',
  });
  const deadline = performance.now() + startTimeoutMs;
  while (!answers(isReady, port)) {
    if (server.exitCode !== null || performance.now() > deadline) {
      await stop(server);
      throw new ToolError(
        'postgresql: expected it to answer, it does not; start it by hand to see',
      );
    }
    await sleep(pollMs);
  }
  return server;
}

function answers(isReady, port) {
  try {
    execFileSync(isReady, ['-h', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' });
    return true;
  } catch {
    return false; // it is still starting
  }
}

function stop(server) {
  if (server.exitCode !== null) return undefined;
  const ended = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGINT'); // what PostgreSQL calls a fast shutdown
  say('postgresql: stopped');
  return ended;
}

function findFreePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
