import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir, uptime } from 'node:os';
import { join } from 'node:path';
import { lockDirectory } from './instance-lock.ts';

const otherBoot = '00000000-0000-0000-0000-000000000000';
/** Alive, and not this process. */
const foreign = process.ppid;
const refused = expect.objectContaining({ code: 'DATA_FOLDER_LOCKED' });
const onLinux = existsSync('/proc/sys/kernel/random/boot_id') ? describe : describe.skip;

let folder: string;
let lock: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'melo-agent-lock-'));
  lock = join(folder, 'agent.lock');
});
afterEach(() => rm(folder, { recursive: true }));

async function expectTakenOver(): Promise<void> {
  const unlock = await lockDirectory(folder);
  expect((await readFile(lock, 'utf8')).split(/\s/)[0]).toBe(String(process.pid));
  await unlock();
  expect(await readdir(folder)).toEqual([]);
}

onLinux('a lock that names boot and start of its holder', () => {
  let boot: string;
  let start: string;
  beforeEach(async () => {
    boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
    const status = await readFile(`/proc/${foreign}/stat`, 'utf8');
    start = status.slice(status.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  });

  test('is refused while that process lives, with the way out', async () => {
    await writeFile(lock, `${foreign} ${boot} ${start}\n`);
    await expect(lockDirectory(folder)).rejects.toEqual(refused);
    await expect(lockDirectory(folder)).rejects.toThrow(
      `if process ${foreign} is no melo, remove ${lock}`,
    );
  });

  test('is taken over where its id belongs to a process that started at another time', async () => {
    await writeFile(lock, `${foreign} ${boot} ${BigInt(start) + 1n}\n`);
    await expectTakenOver();
  });

  test('is taken over after another boot, however new it looks', async () => {
    await writeFile(lock, `${foreign} ${otherBoot} ${start}\n`);
    await expectTakenOver();
  });

  test('is taken over where its id is our own by chance, as in a container', async () => {
    await writeFile(lock, `${process.pid} ${boot} 1\n`);
    await expectTakenOver();
  });

  test('is not given twice to one process', async () => {
    const unlock = await lockDirectory(folder);
    await expect(lockDirectory(folder)).rejects.toEqual(refused);
    await unlock();
  });

  const isHealthy = (): Promise<boolean> =>
    new Promise((resolve) => {
      execFile(process.execPath, ['deploy/healthcheck.mjs', 'agent', folder], (error) => {
        resolve(error === null);
      });
    });

  test('makes a container healthy by its holder alone', async () => {
    const unlock = await lockDirectory(folder);
    expect(await isHealthy()).toBe(true);
    await writeFile(lock, `${foreign} ${boot} 1\n`);
    expect(await isHealthy()).toBe(false);
    await writeFile(lock, String(process.pid)); // as earlier releases wrote it
    expect(await isHealthy()).toBe(true);
    await unlock();
  });
});

describe('a lock with a process id alone', () => {
  test('is refused while such a process lives', async () => {
    await writeFile(lock, String(foreign));
    await expect(lockDirectory(folder)).rejects.toEqual(refused);
  });

  test('is taken over where it is older than the boot', async () => {
    await writeFile(lock, String(foreign));
    const beforeBoot = new Date(Date.now() - uptime() * 1000 - 3_600_000);
    await utimes(lock, beforeBoot, beforeBoot);
    await expectTakenOver();
  });

  test('is taken over where there is no such process', async () => {
    await writeFile(lock, String(2 ** 22 + 1)); // above the largest process id of Linux
    await expectTakenOver();
  });

  test('is taken over where the id is our own, as in a container', async () => {
    await writeFile(lock, String(process.pid));
    await expectTakenOver();
  });
});

test('a lock that a power cut left empty is taken over', async () => {
  await writeFile(lock, '');
  await expectTakenOver();
});

test('a lock that cannot be read is named, and stays', async () => {
  await mkdir(lock);
  await expect(lockDirectory(folder)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  await expect(lockDirectory(folder)).rejects.toThrow(`${lock}: expected a lock`);
  expect(await readdir(folder)).toEqual(['agent.lock']);
});
