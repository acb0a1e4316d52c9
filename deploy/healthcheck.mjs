/**
 * Health of a container: `healthcheck.mjs coordinator [URL]` asks the coordinator, `healthcheck.mjs agent [FOLDER]` looks
 * whether an agent holds its data folder. Ends with 0 or 1.
 *
 * The address is this container's own loopback, so its certificate need not be checked.
 */
import { readFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import path from 'node:path';

const timeoutMs = 5000;
const bootFile = '/proc/sys/kernel/random/boot_id';
const [kind, target] = process.argv.slice(2);

function askCoordinator(url) {
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve) => {
    const asking = request(url, { timeout: timeoutMs, rejectUnauthorized: false }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    asking.once('timeout', () => asking.destroy());
    asking.once('error', () => resolve(false));
    asking.end();
  });
}

function isAgentAlive(folder) {
  try {
    const lock = readFileSync(path.join(folder, 'agent.lock'), 'utf8').trim().split(' ');
    const [processId, boot, start] = [Number.parseInt(lock[0], 10), lock[1], lock[2]];
    process.kill(processId, 0);
    if (boot === undefined) return processId > 0; // as earlier releases wrote it
    const status = readFileSync(`/proc/${processId}/stat`, 'utf8');
    const started = status.slice(status.lastIndexOf(')') + 2).split(' ')[19];
    return started === start && readFileSync(bootFile, 'utf8').trim() === boot;
  } catch {
    return false; // no lock, or its holder is gone and the id belongs to nobody or to another process
  }
}

async function isHealthy() {
  if (kind === 'coordinator') {
    return askCoordinator(new URL('/v1/health', target ?? 'http://127.0.0.1:8440'));
  }
  if (kind === 'agent') return isAgentAlive(target ?? '/var/lib/melo');
  process.stderr.write('usage: healthcheck.mjs coordinator [URL] | agent [FOLDER]\n');
  return false;
}

process.exitCode = (await isHealthy()) ? 0 : 1;
