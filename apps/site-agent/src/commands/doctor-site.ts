/** `melo doctor --config`: what the configuration points at: images, backbones, the coordinator. */
import { readdir } from 'node:fs/promises';
import { fingerprintBackbone } from '#core/backbone';
import { finding } from '#core/evaluation';
import { loadBackbone } from '#core/engine';
import type { AgentConfig, TaskConfig } from '../config/agent-config.ts';
import { findDataset } from '../data/dataset.ts';
import { scanFolders } from '../data/folders.ts';
import { findingColumns } from '../data/manifest.ts';
import { checkConnection } from './doctor-connection.ts';
import type { Finding } from './doctor-finding.ts';

/** Turn whatever a check throws into a finding; the message of an error of ours says what to do. */
async function found(check: string, look: () => Promise<Omit<Finding, 'check'>>): Promise<Finding> {
  try {
    return { check, ...(await look()) };
  } catch (error) {
    const message = error instanceof Error ? error.message : 'it failed without a message';
    return { check, status: 'failed', message };
  }
}

/** Count a task's labels: the manifest's findings where it has any, else the images of each folder. */
async function checkImages(task: TaskConfig): Promise<Omit<Finding, 'check'>> {
  const classes = task.manifest === undefined ? [] : await findingColumns(task.manifest);
  return classes.length === 0 ? checkFolders(task) : checkFindings(task, classes);
}

/** Count a task's findings by class; which classes the task has, only the coordinator knows. */
async function checkFindings(
  task: TaskConfig,
  classes: readonly string[],
): Promise<Omit<Finding, 'check'>> {
  const { training, heldOut, ignored } = await findDataset(task, {
    classes,
    activation: 'sigmoid',
  });
  const images = [...training, ...heldOut];
  const counts = classes.map((name, index) => {
    const count = (value: number): number =>
      images.filter(({ label }) => typeof label !== 'number' && label[index] === value).length;
    return `${name} ${count(finding.present)} yes, ${count(finding.absent)} no, ${count(finding.unknown)} unknown`;
  });
  const message =
    `${training.length} images to train with and ${heldOut.length} held out (${counts.join('; ')}), ` +
    `${ignored} other files in ${task.images}`;
  return { status: 'ok', message };
}

/** Count a task's images by class; without classFolders every folder is taken as a class of its own. */
async function checkFolders(task: TaskConfig): Promise<Omit<Finding, 'check'>> {
  const { images: directory, classFolders } = task;
  const classes =
    classFolders === undefined
      ? (await readdir(directory, { withFileTypes: true }))
          .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
          .map(({ name }) => name)
      : [...new Set(Object.values(classFolders))];
  const { images, ignored } = await scanFolders({ directory, classes, classFolders });
  const counts = classes.map(
    (name, index) => `${name} ${images.filter(({ classIndex }) => classIndex === index).length}`,
  );
  const message = `${images.length} images (${counts.join(', ')}), ${ignored} other files in ${directory}`;
  return { status: images.length === 0 ? 'failed' : 'ok', message };
}

async function checkBackbone(path: string, pinned: string | null): Promise<Omit<Finding, 'check'>> {
  const backbone = await loadBackbone(path);
  try {
    const actual = await fingerprintBackbone(backbone);
    if (pinned !== null && pinned !== actual) {
      const message = `${path}: expected the pinned fingerprint ${pinned}, it has ${actual}; restore the file or correct the configuration`;
      return { status: 'failed', message };
    }
    const isPinned = pinned === null ? 'not pinned' : 'as pinned';
    return { status: 'ok', message: `${backbone.name} ${actual} (${isPinned}) in ${path}` };
  } finally {
    await backbone.close();
  }
}

/** A caFile or a proxy that cannot be used is a finding too. */
async function connectionFindings(config: AgentConfig): Promise<Finding[]> {
  let findings: Finding[] = [];
  const whole = await found('coordinator', async () => {
    findings = await checkConnection(config);
    return { status: 'ok', message: '' };
  });
  return whole.status === 'failed' ? [whole] : findings;
}

/** Look at everything that a configuration points at. */
export async function checkSite(config: AgentConfig): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [name, task] of config.tasks)
    findings.push(await found(`images of ${name}`, () => checkImages(task)));
  for (const { path, fingerprint: pinned } of config.backbones)
    findings.push(await found('backbone', () => checkBackbone(path, pinned)));
  findings.push(...(await connectionFindings(config)));
  return findings;
}
