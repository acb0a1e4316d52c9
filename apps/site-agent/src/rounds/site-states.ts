/**
 * What this site keeps of its rounds for itself, one file a round: private tensors, the optimiser's moments, and its own adapter.
 *
 * Below `personal/TASK/`: `round-K.safetensors`, and `adapter.safetensors`, the site's adapter after the last round it trained, for
 * `melo adapter predict`. Nothing of it leaves.
 */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDirectory, systemErrorCode, writeDurably } from '../common/durable-file.ts';
import type { KeptFiles } from '../trainer/work-files.ts';

/** Rounds kept for each task: a task may be run again from so far back with what the site had then. */
const roundsMax = 32;
const pattern = /^round-(\d{1,5})\.safetensors$/;

/** What this site keeps of its rounds. */
export class SiteStates {
  readonly #directory: string;

  constructor(dataDirectory: string) {
    this.#directory = join(dataDirectory, 'personal');
  }

  #path(task: string, round: number): string {
    return join(this.#directory, task, `round-${round}.safetensors`);
  }

  async #rounds(task: string): Promise<number[]> {
    try {
      const names = await readdir(join(this.#directory, task));
      return names
        .flatMap((name) => pattern.exec(name)?.[1] ?? [])
        .map(Number)
        .sort((a, b) => a - b);
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  /** The file of the newest round up to one that published a version; null where there is none. */
  async upTo(task: string, version: number): Promise<string | null> {
    const round = (await this.#rounds(task)).findLast((each) => each <= version);
    return round === undefined ? null : this.#path(task, round);
  }

  /** Keep what a round left; a repeat of the round takes its place. */
  async keep(task: string, round: number, kept: KeptFiles): Promise<void> {
    await makePrivateDirectory(join(this.#directory, task));
    await writeDurably(this.#path(task, round), kept.siteState);
    if (kept.personalAdapter !== null) {
      await writeDurably(join(this.#directory, task, 'adapter.safetensors'), kept.personalAdapter);
    }
    for (const old of (await this.#rounds(task)).slice(0, -roundsMax)) {
      await rm(this.#path(task, old), { force: true });
    }
  }
}
