/** `melo agent run`: the agent until it is told to stop. */
import { readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fromHex } from '#core/bytes';
import { noCrashPoints, type CrashPoints } from '#core/crash-points';
import { InputError } from '#core/errors';
import type { Logger } from '../common/events.ts';
import { lockDirectory } from '../common/instance-lock.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { proxyChoice } from '../common/proxy-settings.ts';
import { loadEnrollment, type Enrollment } from '../identity/identity.ts';
import type { KnownBackbone } from '../policy/policy.ts';
import { SiteAgent } from '../rounds/site-agent.ts';
import { CoordinatorConnection } from '../transport/connection.ts';
import type { NetworkOptions } from '../transport/network.ts';
import { ProcessTrainer, type Trainer } from '../trainer/trainer.ts';
import { createLogger, eventSink } from './output.ts';
import { loadSiteConfig, openDataFolder } from './data-folder.ts';

/** How long a stop may take before the process ends anyway; everything on disk is complete at any moment. */
const stopMaxMs = 5000;

/**
 * Read how a configuration reaches the coordinator: its extra certificate authority and its proxy.
 *
 * @throws InputError CONFIG_INVALID where caFile is not a readable PEM file
 */
export async function networkOf(config: AgentConfig): Promise<NetworkOptions> {
  const proxy = proxyChoice(config.connection.proxy, process.env);
  if (config.caFile === null) return { certificateAuthority: null, proxy };
  const certificateAuthority = await readFile(config.caFile, 'utf8').catch(() => '');
  if (certificateAuthority.includes('-----BEGIN CERTIFICATE-----'))
    return { certificateAuthority, proxy };
  throw new InputError(
    'CONFIG_INVALID',
    `caFile ${config.caFile}: expected a readable PEM file with a certificate, it is none; check the path, its rights and that it is not DER`,
  );
}

const defaultTrainerFile = fileURLToPath(new URL('../trainer/trainer-process.js', import.meta.url));

/** Make the trainer of a configuration. */
export function createTrainer(
  config: AgentConfig,
  logger: Logger,
  processFile = defaultTrainerFile,
): ProcessTrainer {
  if (!existsSync(processFile)) {
    throw new InputError(
      'CONFIG_INVALID',
      `${processFile}: expected the built trainer; run \`npm run build\``,
    );
  }
  const { attempts, restartDelayMs, silenceMaxMs, idleMaxMs } = config.trainer;
  return new ProcessTrainer({
    processFile,
    attempts,
    restartDelayMs,
    silenceMaxMs,
    idleMaxMs,
    logger,
  });
}

/**
 * Inspect every backbone of the configuration.
 *
 * @throws InputError BACKBONE_MISMATCH where one is not the one that was pinned
 */
export async function inspectBackbones(
  config: AgentConfig,
  trainer: Trainer,
): Promise<KnownBackbone[]> {
  const known: KnownBackbone[] = [];
  for (const { path, fingerprint } of config.backbones) {
    const found = await trainer.inspectBackbone(path);
    if (fingerprint !== null && found.fingerprint !== fingerprint) {
      throw new InputError(
        'BACKBONE_MISMATCH',
        `${path}: expected the backbone with the pinned fingerprint ${fingerprint.slice(0, 16)}..., it has ${found.fingerprint.slice(0, 16)}...; restore the file or correct the configuration`,
        { expected: fingerprint, actual: found.fingerprint },
      );
    }
    known.push({ path, ...found });
  }
  return known;
}

function createConnection(
  config: AgentConfig,
  { keys, coordinator }: Enrollment,
  options: {
    readonly network: NetworkOptions;
    readonly isJson: boolean;
    readonly logger: Logger;
  },
): CoordinatorConnection {
  const { connection } = config;
  return new CoordinatorConnection({
    url: coordinator.url,
    federation: coordinator.federation,
    site: coordinator.site,
    signingSecretKey: keys.signing.secretKey,
    coordinatorPublicKey: fromHex(coordinator.signingPublicKey),
    ...options.network,
    acknowledgementTimeoutMs: connection.acknowledgementTimeoutMs,
    connectTimeoutMs: connection.connectTimeoutMs,
    silenceMaxMs: connection.silenceMaxMs,
    backoff: { minimumMs: connection.backoffMinimumMs, maximumMs: connection.backoffMaximumMs },
    slowRetryMs: connection.slowRetryMs,
    transports: connection.transports,
    transportFailuresMax: connection.transportFailuresMax,
    emit: eventSink(options.isJson),
    logger: options.logger,
  });
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => resolve());
  });
}

/** Run the agent until SIGINT or SIGTERM. */
export async function runAgent(options: {
  readonly config: string;
  readonly isJson: boolean;
  readonly crashPoints?: CrashPoints;
  /** The program of the trainer; the one beside this by default. */
  readonly trainerFile?: string;
}): Promise<void> {
  const config = await loadSiteConfig(options.config);
  const logger = createLogger(options.isJson, config.logLevel);
  const enrollment = await loadEnrollment(config.dataDirectory);
  const trainer = createTrainer(config, logger, options.trainerFile);
  const unlock = await lockDirectory(await openDataFolder(config));
  try {
    const network = await networkOf(config);
    const backbones = await inspectBackbones(config, trainer);
    const connection = createConnection(config, enrollment, {
      ...options,
      network,
      logger,
    });
    const agent = await SiteAgent.create({
      config,
      ...enrollment,
      backbones,
      connection,
      trainer,
      emit: eventSink(options.isJson),
      logger,
      crashPoints: options.crashPoints ?? noCrashPoints,
    });
    connection.onChange = (reason) => {
      if (reason === 'connected') agent.onConnected();
      else agent.synchronise();
    };
    connection.start();
    await stopSignal();
    setTimeout(() => process.exit(0), stopMaxMs).unref();
    await Promise.all([agent.stop(), connection.stop(), trainer.stop()]);
  } finally {
    await trainer.stop();
    await unlock();
  }
}
