/**
 * `npm run sbom [-- FILE]`: the packages that are shipped, as CycloneDX JSON; to standard output where no file is named.
 *
 * From package-lock.json alone, so that it is the same on every machine; development packages are left out.
 */
import { writeFileSync } from 'node:fs';
import {
  isStartedAs,
  npmCommand,
  runMain,
  runProgram,
  say,
  ToolError,
} from './support/process.mjs';

const limitMs = 2 * 60_000;

/** Check that this is a list of packages, and return it without what differs from run to run. */
export function readSbom(output) {
  const start = output.search(/^\{/m);
  const sbom = start < 0 ? undefined : JSON.parse(output.slice(start, output.lastIndexOf('}') + 1));
  if (sbom?.bomFormat !== 'CycloneDX' || !Array.isArray(sbom.components)) {
    throw new ToolError('npm sbom: expected CycloneDX JSON, got something else; update npm');
  }
  if (sbom.components.length === 0) throw new ToolError('npm sbom: expected packages, got none');
  const { serialNumber: _serial, metadata, ...rest } = sbom;
  const { timestamp: _timestamp, ...stable } = metadata;
  // npm calls the component by the folder's name, which is whatever the checkout is called.
  const component = { ...stable.component, name: 'melo-federation' };
  return { ...rest, metadata: { ...stable, component } };
}

async function main([file]) {
  const { program, firstArguments } = npmCommand();
  const options = ['--sbom-format', 'cyclonedx', '--package-lock-only', '--omit=dev'];
  const { status, output } = await runProgram(program, [...firstArguments, 'sbom', ...options], {
    captured: true,
    limitMs,
  });
  if (status !== 0) throw new ToolError(`npm sbom: ended with status ${status}\n${output}`);
  const sbom = readSbom(output);
  const text = `${JSON.stringify(sbom, undefined, 2)}\n`;
  if (file === undefined) process.stdout.write(text);
  else {
    writeFileSync(file, text);
    say(`sbom: ${sbom.components.length} packages in ${file}`);
  }
}

if (isStartedAs(import.meta.url)) await runMain(main);
