/** A coordinator that ends itself at an armed crash point, and leaves the keys of its rounds to whoever checks its sums. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { toHex } from '#core/bytes';
import { Logger } from '../../apps/coordinator/src/common/logger.ts';
import { startCoordinator } from '../../apps/coordinator/src/coordinator.ts';
import type { RoundSeal } from '../../apps/coordinator/src/rounds/adapter-work.ts';
import { WorkerAdapterWork } from '../../apps/coordinator/src/rounds/worker-adapter-work.ts';
import { armedCrashPoints } from './armed-points.ts';
import { roundKeyFile, type RoundKeyRecord } from './round-keys.ts';

const optionsSchema = z.object({
  data: z.string(),
  port: z.coerce.number().int(),
  armed: z.string(),
  keys: z.string(),
});

/** The work of production; the key that each update is opened with is kept for the witness first. */
class WitnessedWork extends WorkerAdapterWork {
  readonly #folder: string;

  constructor(folder: string) {
    super();
    this.#folder = folder;
  }

  override verifyUpdate(
    job: Parameters<WorkerAdapterWork['verifyUpdate']>[0],
  ): ReturnType<WorkerAdapterWork['verifyUpdate']> {
    this.#keep(job.seal);
    return super.verifyUpdate(job);
  }

  #keep(seal: RoundSeal): void {
    const file = join(this.#folder, roundKeyFile(seal.openDigest));
    if (existsSync(file)) return;
    const record: RoundKeyRecord = {
      publicKey: toHex(seal.roundPublicKey),
      secretKey: toHex(seal.roundSecretKey),
      openDigest: seal.openDigest,
      federation: seal.federation,
      trainedTensors: [...seal.trainedTensors],
    };
    writeFileSync(file, JSON.stringify(record), { mode: 0o600 });
  }
}

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    port: { type: 'string' },
    armed: { type: 'string' },
    keys: { type: 'string' },
  },
});
const options = optionsSchema.parse(values);
const databaseUrl = process.env['DATABASE_URL'];
const coordinator = await startCoordinator({
  dataFolder: options.data,
  host: '127.0.0.1',
  port: options.port,
  logger: new Logger('info'),
  work: new WitnessedWork(options.keys),
  crashPoints: armedCrashPoints(options.armed),
  // Short, so that the end of retention comes while the run lasts.
  settings: { retentionMs: 0 },
  ...(databaseUrl === undefined ? {} : { databaseUrl }),
});
const { url, tokenFile } = coordinator;
process.stdout.write(`${JSON.stringify({ event: 'listening', url, tokenFile })}\n`);
await new Promise((stopped) => process.once('SIGTERM', stopped));
await coordinator.close();
