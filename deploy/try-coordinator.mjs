/** Start the coordinator on an empty data folder, ask for its health, stop it; fails where any of it does. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';

const limitMs = 600_000; // generous: a busy builder is slow, and only a hang should end here
const folder = mkdtempSync(path.join(tmpdir(), 'melo-try-'));
const program = path.resolve(import.meta.dirname, '../bin/melo.mjs');
const coordinator = spawn(
  process.execPath,
  [program, 'coordinator', 'start', '--data', path.join(folder, 'data'), '--port', '0', '--json'],
  { stdio: ['ignore', 'pipe', 'inherit'] },
);
let isLate = false;
const timer = setTimeout(() => {
  isLate = true;
  coordinator.kill('SIGKILL');
}, limitMs);
const ended = new Promise((resolve) => coordinator.once('exit', resolve));

try {
  const url = await Promise.race([findUrl(), ended.then(failEarly)]);
  const response = await fetch(`${url}/v1/health`);
  const health = await response.json();
  if (response.status !== 200 || health.status !== 'ok') {
    throw new Error(`try-coordinator: expected health ok, got ${response.status}`);
  }
  coordinator.kill('SIGTERM');
  const code = await ended;
  if (code !== 0) throw new Error(`try-coordinator: expected exit code 0, got ${code}`);
  process.stdout.write(`coordinator ${health.version} starts, answers and stops\n`);
} finally {
  clearTimeout(timer);
  coordinator.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
}

async function findUrl() {
  for await (const line of createInterface({ input: coordinator.stdout })) {
    const event = JSON.parse(line);
    if (event.event === 'listening') return event.url;
  }
  return ended.then(failEarly);
}

function failEarly(code) {
  const how = isLate ? `did not in ${limitMs / 1000} s` : `ended with code ${code}`;
  throw new Error(`try-coordinator: expected it to listen, it ${how}`);
}
