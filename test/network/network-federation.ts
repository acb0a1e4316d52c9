/** A federation of real processes whose sites reach their coordinator through the fault proxy and train next to nothing. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Federation } from '../support/federation.ts';
import { MeloProcess } from '../support/melo-process.ts';
import { packageRoot } from '../support/package-root.ts';
import { classes } from './adapter.ts';

const siteEntry = join(packageRoot, 'dist', 'test', 'network', 'site-entry.js');
const imagesPerClass = 4;

/** A federation whose sites train next to nothing. */
export class NetworkFederation extends Federation {
  /** Lay out a site's images, which nobody decodes, and enrol it for these tasks through an address. */
  async bringIn(site: string, tasks: readonly string[], url: string): Promise<void> {
    const images = join(this.directory, 'images', site);
    for (const name of classes) {
      await mkdir(join(images, name), { recursive: true });
      for (let index = 0; index < imagesPerClass; index++)
        await writeFile(join(images, name, `${index}.png`), `${site} ${name} ${index}`);
    }
    await this.enroll(site, {
      backbone: images,
      tasks: Object.fromEntries(tasks.map((task) => [task, { images }])),
      threads: 1,
      url,
    });
  }

  override startAgent(site: string): MeloProcess {
    const agent = new MeloProcess({
      name: site,
      script: siteEntry,
      args: ['--config', this.configPath(site)],
      logFile: join(this.directory, `${site}.log`),
    });
    this.agents.set(site, agent);
    return agent;
  }
}
