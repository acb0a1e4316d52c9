/** `melo doctor`: whether this machine can train, and with --config whether this site is set up. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { defaultThreads } from '#core/engine';
import { MeloError } from '#core/errors';
import { loadAgentConfig, type AgentConfig, type EngineConfig } from '../config/agent-config.ts';
import { checkEngine } from './doctor-engine.ts';
import type { Finding } from './doctor-finding.ts';
import { checkMachine } from './doctor-machine.ts';
import { checkSite } from './doctor-site.ts';

/** What the command line asks for. */
export interface DoctorOptions {
  readonly config?: string | undefined;
  readonly isJson: boolean;
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
  const { name, device, threads } = engine;
  try {
    return await checkEngine({ engine: name, device, threads, cacheDirectory });
  } finally {
    await rm(cacheDirectory, { recursive: true, force: true });
  }
}

/** Look at everything and return what was found. */
export async function examine(file: string | undefined): Promise<Finding[]> {
  const { config, findings } = await readConfig(file);
  const standard: EngineConfig = { name: 'auto', device: 'auto', threads: defaultThreads(1) };
  return [
    ...(await checkMachine(config?.dataDirectory ?? resolve('.'))),
    ...(await checkEngineApart(config?.engine ?? standard)),
    ...findings,
    ...(config === null ? [] : await checkSite(config)),
  ];
}

/** Print what was found; returns whether nothing failed. */
export async function runDoctor({ config, isJson }: DoctorOptions): Promise<boolean> {
  const findings = await examine(config);
  const isHealthy = findings.every(({ status }) => status !== 'failed');
  if (isJson) process.stdout.write(`${JSON.stringify({ isHealthy, findings })}\n`);
  else {
    for (const { check, status, message } of findings)
      process.stdout.write(`${marks[status]}${check}: ${message}\n`);
  }
  return isHealthy;
}
