import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { parseEnrollmentCode, encodeEnrollmentCode, randomBytes } from '#core/crypto';
import { healthRoutes } from '../../apps/coordinator/src/health/health.contract.ts';
import { siteRoutes } from '../../apps/coordinator/src/sites/sites.contract.ts';
import {
  collectionTask,
  drawnCollection,
  enrollSites,
  layOutSites,
  type Collection,
} from '../support/collections.ts';
import { Federation, type AgentTask } from '../support/federation.ts';
import { killAllProcesses, MeloProcess } from '../support/melo-process.ts';
import { makeWorkDirectory } from '../support/package-root.ts';
import { writeSmallBackbone } from '../support/small-federation.ts';

const timeoutMs = 600_000;
const exitCodes = { portTaken: 4, dataFolderLocked: 5, brokenPipe: 141 };

describe('what goes wrong at start and at enrolment is said', () => {
  let federation: Federation;
  let removeDirectory: () => Promise<void>;

  beforeAll(async () => {
    const { path, remove } = await makeWorkDirectory('bad-start');
    removeDirectory = remove;
    federation = new Federation(join(path, 'federation'));
    await federation.startCoordinator();
  }, timeoutMs);

  afterAll(async () => {
    await killAllProcesses();
    await removeDirectory();
  }, timeoutMs);

  const expectStillServing = async (): Promise<void> => {
    expect(await federation.call(healthRoutes.health)).toMatchObject({ status: 'ok' });
  };

  test(
    'a second coordinator on the same data folder ends, and the first one serves on',
    async () => {
      const second = federation.spawnCoordinator('second', federation.dataDirectory, 0);
      expect(await second.exit()).toBe(exitCodes.dataFolderLocked);
      expect(second.output).toContain('DATA_FOLDER_LOCKED');
      await expectStillServing();
    },
    timeoutMs,
  );

  test(
    'a taken port is named, and the data folder is free again',
    async () => {
      const data = join(federation.directory, 'other-data');
      const other = federation.spawnCoordinator('other', data, federation.port);
      expect(await other.exit()).toBe(exitCodes.portTaken);
      expect(other.output).toContain('PORT_TAKEN');
      expect(other.output).toContain(String(federation.port));
      const again = federation.spawnCoordinator('again', data, 0);
      await again.waitForEvent('listening');
      expect(await again.stop()).toBe(0);
      await expectStillServing();
    },
    timeoutMs,
  );

  test(
    'a command whose reader ends first ends without a word, and what serves goes on',
    async () => {
      const helping = new MeloProcess({
        name: 'helping',
        args: ['admin', '--help'],
        logFile: join(federation.directory, 'helping.log'),
      });
      helping.stopReading();
      expect(await helping.exit()).toBe(exitCodes.brokenPipe);
      const data = join(federation.directory, 'unread-data');
      const unread = federation.spawnCoordinator('unread', data, 0);
      const { url } = z.object({ url: z.string() }).parse(await unread.waitForEvent('listening'));
      unread.stopReading();
      for (let asked = 0; asked < 5; asked++) {
        expect((await fetch(`${url}/v1/not-there`)).status).toBe(404); // it logs each of them
      }
      expect((await fetch(`${url}/v1/health`)).status).toBe(200);
      expect(await unread.stop()).toBe(0);
    },
    timeoutMs,
  );

  describe('codes of enrolment', () => {
    const expectRefused = async (site: string, code: string, errorCode: string): Promise<void> => {
      await federation.configure(site, { backbone: 'backbone', tasks: {}, threads: 1 });
      const enrolling = federation.spawnEnrollment(site, code);
      expect(await enrolling.exit()).not.toBe(0);
      expect(enrolling.output).toContain(errorCode);
      expect(enrolling.output).not.toContain(code);
    };

    test(
      'one that the coordinator never made is refused',
      async () => {
        const real = parseEnrollmentCode(await federation.invite('never-made'));
        const code = encodeEnrollmentCode({ ...real, secret: randomBytes(16) });
        await expectRefused('never-made', code, 'ENROLLMENT_CODE_UNKNOWN');
      },
      timeoutMs,
    );

    test(
      'one that a newer invitation replaced is refused, the newer one is taken once',
      async () => {
        const site = 'invited-twice';
        const older = await federation.invite(site);
        const { code: newer } = await federation.call(siteRoutes.inviteAgain, { params: { site } });
        await expectRefused(site, older, 'ENROLLMENT_CODE_UNKNOWN');
        const enrolling = federation.spawnEnrollment(site, newer);
        expect(await enrolling.exit()).toBe(0);
        await expectRefused('someone-else', newer, 'ENROLLMENT_CODE_UNKNOWN');
      },
      timeoutMs,
    );

    test(
      'one with a character missing is refused before anything is asked',
      async () => {
        const code = (await federation.invite('copied-badly')).slice(0, -1);
        await expectRefused('copied-badly', code, 'ENROLLMENT_CODE_MALFORMED');
      },
      timeoutMs,
    );

    test(
      "one that pins another coordinator's key is refused before trust",
      async () => {
        const real = parseEnrollmentCode(await federation.invite('pinned-elsewhere'));
        const code = encodeEnrollmentCode({ ...real, coordinatorFingerprint: 'ab'.repeat(32) });
        await expectRefused('pinned-elsewhere', code, 'COORDINATOR_KEY_MISMATCH');
      },
      timeoutMs,
    );
  });
});

describe('what goes wrong at one site is recorded, and the others go on', () => {
  const sites = ['good', 'one-image', 'other-backbone', 'unmapped', 'unreadable'];
  const task = 'mixed';
  const damagedName = 'patient-with-a-name.png';
  let federation: Federation;
  let directory: string;
  let removeDirectory: () => Promise<void>;
  let collection: Collection;

  /** Damage the images of three sites: one alone is left; a folder that no class stands for; a file that is no image. */
  async function damage(images: ReadonlyMap<string, AgentTask>): Promise<void> {
    const alone = images.get('one-image')?.manifest ?? '';
    const [head = '', ...lines] = (await readFile(alone, 'utf8')).split('\n');
    const [first = ''] = lines.filter((line) => line.endsWith(',train'));
    await writeFile(alone, `${head}\n${first}\n`);
    const unmapped = images.get('unmapped')?.images ?? '';
    await mkdir(join(unmapped, 'surprise'), { recursive: true });
    await writeFile(join(unmapped, 'surprise', 'x.png'), 'not an image');
    const { images: folder = '', manifest = '' } = images.get('unreadable') ?? {};
    await writeFile(join(folder, 'disc', damagedName), 'not an image either');
    const rows = await readFile(manifest, 'utf8');
    await writeFile(manifest, `${rows}disc/${damagedName},patient-x,train\n`);
  }

  beforeAll(async () => {
    ({ path: directory, remove: removeDirectory } = await makeWorkDirectory('bad-site'));
    collection = await drawnCollection(directory, sites);
    federation = new Federation(join(directory, 'federation'));
    await federation.startCoordinator();
    const images = await layOutSites(collection, join(directory, 'images'), 'bad input');
    await damage(images);
    await enrollSites({ federation, collection, sites: images, tasks: [task] });
    const other = await writeSmallBackbone(join(directory, 'other'), { seed: 'another backbone' });
    const tasks = { [task]: images.get('other-backbone') ?? { images: '' } };
    await federation.configure('other-backbone', { backbone: other.directory, tasks, threads: 1 });
    for (const site of sites) federation.startAgent(site);
    const overrides = { rules: { quorumSites: 2, deadlineMs: 600_000 } };
    await federation.createTask(
      collectionTask(collection, { task, members: sites, rounds: 1, overrides }),
    );
    await federation.waitForVersion(task, 1);
  }, timeoutMs);

  afterAll(async () => {
    await killAllProcesses();
    await removeDirectory();
  }, timeoutMs);

  const member = async (site: string) => {
    const { members } = await federation.round(task, 1);
    return members.find((each) => each.site === site);
  };

  test('a site with another backbone declines, with the reason in the record', async () => {
    expect(await member('other-backbone')).toMatchObject({
      status: 'declined',
      reason: expect.stringContaining('BACKBONE_MISMATCH'),
    });
  });

  test('a site with one image, so of one class, declines by the name of the class that it lacks', async () => {
    const { reason, ...found } = (await member('one-image')) ?? {};
    expect(found).toMatchObject({ status: 'declined' });
    expect(reason).toContain('DATASET_CLASS_EMPTY');
  });

  test('a site with a folder that no class stands for declines', async () => {
    expect(await member('unmapped')).toMatchObject({
      status: 'declined',
      reason: expect.stringContaining('DATASET_UNMAPPED_FOLDER'),
    });
  });

  test('an image that cannot be read is left out and counted; its name stays at the site', async () => {
    const share = collection.shares.find(({ site }) => site === 'unreadable');
    const readable = Object.values(share?.training ?? {}).reduce((sum, count) => sum + count, 0);
    const { updateDigest, ...found } = (await member('unreadable')) ?? {};
    expect(found).toMatchObject({ status: 'reported' });
    expect(updateDigest).not.toBeNull();
    const version = await federation.version(task, 1);
    const weights = version.resultPayload?.members.map(({ site, weight }) => [site, weight]);
    expect(weights).toContainEqual(['unreadable', readable]);
    const local = await readFile(
      join(federation.directory, 'unreadable', 'data', 'unreadable-images.txt'),
      'utf8',
    );
    expect(local).toContain(damagedName);
    expect(federation.coordinator?.output).not.toContain(damagedName);
    expect(JSON.stringify(await federation.round(task, 1))).not.toContain(damagedName);
  });

  test('the record is complete about who is in the aggregate and who is not', async () => {
    const { resultPayload } = await federation.version(task, 1);
    expect(resultPayload?.members.map(({ site, status }) => [site, status])).toEqual([
      ['good', 'reported'],
      ['one-image', 'declined'],
      ['other-backbone', 'declined'],
      ['unmapped', 'declined'],
      ['unreadable', 'reported'],
    ]);
  });
});

/** Whether this machine lets us mount a small file system of our own, to fill it. */
function canMount(): boolean {
  const directory = join(tmpdir(), `melo-mount-${process.pid}`);
  try {
    mkdirSync(directory);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory], {
      stdio: 'ignore',
    });
    execFileSync('umount', [directory]);
    return true;
  } catch {
    return false; // not root, or a container that may not
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

(canMount() ? describe : describe.skip)('a full disk', () => {
  const task = 'full';
  let federation: Federation;
  let uploads: string;
  let removeDirectory: () => Promise<void>;

  beforeAll(async () => {
    const { path, remove } = await makeWorkDirectory('full-disk');
    removeDirectory = remove;
    federation = new Federation(join(path, 'federation'));
    await federation.startCoordinator();
    uploads = join(federation.dataDirectory, 'uploads');
    await mkdir(uploads, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8k', 'tmpfs', uploads]);
    const collection = await drawnCollection(path, ['only']);
    const images = await layOutSites(collection, join(path, 'images'), 'full disk');
    await enrollSites({ federation, collection, sites: images, tasks: [task] });
    federation.startAgent('only');
    // Rank 64: an update of some 100 KB, which the file system under `uploads` cannot take.
    const overrides = { rank: 64, alpha: 64 };
    await federation.createTask(
      collectionTask(collection, { task, members: ['only'], rounds: 1, overrides }),
    );
  }, timeoutMs);

  afterAll(async () => {
    await killAllProcesses();
    execFileSync('umount', ['-l', uploads]);
    await removeDirectory();
  }, timeoutMs);

  test(
    'refuses the range by name, and once there is room the same update goes through',
    async () => {
      await federation.coordinator?.waitForLine((line) =>
        line.includes('DISK_FULL') ? line : undefined,
      );
      expect(await federation.call(healthRoutes.health)).toMatchObject({ status: 'ok' });
      execFileSync('mount', ['-o', 'remount,size=64m', uploads]);
      await federation.waitForVersion(task, 1);
      const { attempt, members } = await federation.round(task, 1);
      expect({ attempt, status: members[0]?.status }).toEqual({ attempt: 1, status: 'reported' });
    },
    timeoutMs,
  );
});
