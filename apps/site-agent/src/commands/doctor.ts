/** `melo doctor`: whether this machine can train, and with --config whether this site is set up. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { defaultThreads } from '#core/engine';
import { MeloError } from '#core/errors';
import { loadAgentConfig, type AgentConfig, type EngineConfig } from '../config/agent-config.ts';
import { checkEngine } from './doctor-engine.ts';
import type { Finding } from './doctor-finding.ts';
import { profileEngine, profileTable, type EngineProfile } from './doctor-profile.ts';
import { checkMachine } from './doctor-machine.ts';
import { checkSite } from './doctor-site.ts';

/** What the command line asks for. */
export interface DoctorOptions {
  readonly config?: string | undefined;
  readonly isJson: boolean;
  /** Profile a training step too. */
  readonly isProfile: boolean;
  /** Folder of the backbone that is profiled; the configuration's first one, or a ViT-Tiny with random weights, where it is left out. */
  readonly backbone?: string | undefined;
}

const marks = { ok: 'ok      ', warning: 'warning ', failed: 'FAILED  ' } as const;

async function readConfig(
  file: string | undefined,
): Promise<{ readonly config: AgentConfig | null; readonly findings: Finding[] }> {
  if (file === undefined) return { config: null, findings: [] };
  try {
    const config = await loadAgentConfig(file);
    return { config, findings: [{ check: 'configuration', status: 'ok', message: config.file }] };
  } catch (error) {
    if (!(error instanceof MeloError)) throw error;
    const finding: Finding = { check: 'configuration', status: 'failed', message: error.message };
    return { config: null, findings: [finding] };
  }
}

async function checkEngineApart(engine: EngineConfig): Promise<Finding[]> {
  const cacheDirectory = await mkdtemp(join(tmpdir(), 'melo-doctor-'));
  const { name, ...options } = engine;
  try {
    return await checkEngine({ engine: name, ...options, cacheDirectory });
  } finally {
    await rm(cacheDirectory, { recursive: true, force: true });
  }
}

const standardEngine = (): EngineConfig => ({
  ...{ name: 'auto', device: 'auto', threads: defaultThreads(1), isAlone: false },
});

/** Look at everything; `read` is what reading the configuration found. */
async function examine(config: AgentConfig | null, read: readonly Finding[]): Promise<Finding[]> {
  return [
    ...(await checkMachine(config?.dataDirectory ?? resolve('.'))),
    ...(await checkEngineApart(config?.engine ?? standardEngine())),
    ...read,
    ...(config === null ? [] : await checkSite(config)),
  ];
}

async function profileOf(
  config: AgentConfig | null,
  { isProfile, backbone }: DoctorOptions,
): Promise<EngineProfile | null> {
  if (!isProfile) return null;
  const { threads, isAlone } = config?.engine ?? standardEngine();
  return profileEngine({ backbone: backbone ?? config?.backbones[0]?.path, threads, isAlone });
}

/**
 * Print what was found; returns whether nothing failed.
 *
 * @throws what a step throws where one is to be profiled
 */
export async function runDoctor(options: DoctorOptions): Promise<boolean> {
  const { config, findings: read } = await readConfig(options.config);
  const findings = await examine(config, read);
  const profile = await profileOf(config, options);
  const isHealthy = findings.every(({ status }) => status !== 'failed');
  if (options.isJson) {
    const found = { isHealthy, findings, ...(profile === null ? {} : { profile }) };
    process.stdout.write(`${JSON.stringify(found)}\n`);
    return isHealthy;
  }
  const lines = findings.map(
    ({ check, status, message }) => `${marks[status]}${check}: ${message}`,
  );
  if (profile !== null) lines.push(...profileTable(profile));
  for (const line of lines) process.stdout.write(`${line}\n`);
  return isHealthy;
}
