/** The configuration that a command names, and the data folder that it names in turn: what this user may not do there is told as that. */
import { access, constants } from 'node:fs/promises';
import { makeWritableDirectory, systemErrorCode } from '../common/durable-file.ts';
import { atPath, type NamedPath } from '../common/path-error.ts';
import { loadAgentConfig, type AgentConfig } from '../config/agent-config.ts';

const folderOf = ({ dataDirectory }: AgentConfig): NamedPath => ({
  path: dataDirectory,
  expected: "a dataDirectory that this user, the agent's own, can read and write",
  code: 'CONFIG_INVALID',
});

/**
 * Load a configuration; there need not be a data folder yet.
 *
 * @throws InputError CONFIG_INVALID, also where the data folder is there and cannot be read
 */
export async function loadSiteConfig(file: string): Promise<AgentConfig> {
  const config = await loadAgentConfig(file);
  await atPath(folderOf(config), async () => {
    try {
      await access(config.dataDirectory, constants.R_OK | constants.X_OK);
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT') throw error;
    }
  });
  return config;
}

/**
 * Make the data folder where there is none.
 *
 * @throws InputError CONFIG_INVALID where it cannot be made or written
 */
export function openDataFolder(config: AgentConfig): Promise<string> {
  return atPath(folderOf(config), () => makeWritableDirectory(config.dataDirectory));
}
