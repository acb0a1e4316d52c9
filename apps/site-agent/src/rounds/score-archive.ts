/** Scores of this site's held-out images under each version that it evaluated, and under what it trained alone. They stay here. */
import { readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDirectory, systemErrorCode } from '../common/durable-file.ts';
import { readScores, type HeldOutScores } from '../trainer/held-out-scores.ts';

/** Versions whose scores are kept of one task: the newest. */
const versionsMax = 32;
const versionName = /^version-(\d{1,9})\.json$/;

/** The folder of scores. */
export class ScoreArchive {
  readonly #directory: string;

  constructor(dataDirectory: string) {
    this.#directory = join(dataDirectory, 'scores');
  }

  #path(task: string, name: string): string {
    return join(this.#directory, task, `${name}.json`);
  }

  /** Where the scores of what this site trained alone are. */
  baselinePath(task: string): string {
    return this.#path(task, 'baseline');
  }

  /** Take scores over from the folder of the work that made them; `version` is null for the baseline. */
  async keep(task: string, version: number | null, from: string): Promise<void> {
    const directory = await makePrivateDirectory(join(this.#directory, task));
    try {
      await rename(from, this.#path(task, version === null ? 'baseline' : `version-${version}`));
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return; // taken over before a crash
      throw error;
    }
    const old = (await this.versions(task)).slice(0, -versionsMax);
    for (const each of old) await rm(join(directory, `version-${each}.json`), { force: true });
  }

  /** Versions whose scores are here, ascending. */
  async versions(task: string): Promise<number[]> {
    try {
      const names = await readdir(join(this.#directory, task));
      const found = names.flatMap((name) => versionName.exec(name)?.[1] ?? []);
      return found.map(Number).sort((a, b) => a - b);
    } catch (error) {
      if (systemErrorCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  /** Scores of a version, or of the baseline for null; null where there are none. */
  read(task: string, version: number | null): Promise<HeldOutScores | null> {
    const name = version === null ? 'baseline' : `version-${version}`;
    return readScores(this.#path(task, name));
  }
}
