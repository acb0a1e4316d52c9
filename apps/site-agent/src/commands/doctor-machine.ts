/** `melo doctor`: Node, cores, memory, room on the disk. */
import { statfs } from 'node:fs/promises';
import { availableParallelism, freemem, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { systemErrorCode } from '../common/durable-file.ts';
import type { Finding } from './doctor-finding.ts';

const advisedNodeMajor = 22;
const gibibyte = 1024 ** 3;
/** A ViT-Base with its activations and an agent fit. */
const memoryBytesAdvised = 4 * gibibyte;
/** The image cache's standard size and some versions. */
const diskBytesAdvised = 4 * gibibyte;

const gibibytes = (bytes: number): string => `${(bytes / gibibyte).toFixed(1)} GiB`;

/** Judge the version of Node. */
export function nodeFinding(version: string): Finding {
  const major = Number.parseInt(version, 10);
  const isAdvised = major >= advisedNodeMajor;
  const advice = isAdvised ? '' : `; ${advisedNodeMajor} or newer is advised`;
  return {
    check: 'node',
    status: isAdvised ? 'ok' : 'warning',
    message: `Node ${version} on ${process.platform}-${process.arch}${advice}`,
  };
}

function memoryFinding(): Finding {
  const total = totalmem();
  const text = `${availableParallelism()} cores, ${gibibytes(total)} of memory, ${gibibytes(freemem())} free`;
  const isEnough = total >= memoryBytesAdvised;
  const advice = isEnough ? '' : `; ${gibibytes(memoryBytesAdvised)} or more is advised`;
  return { check: 'machine', status: isEnough ? 'ok' : 'warning', message: text + advice };
}

/** Bytes free where a folder lies, or will lie: the nearest folder above it that is there. */
async function freeBytes(folder: string): Promise<number> {
  for (let existing = folder; ; existing = dirname(existing)) {
    try {
      const { bavail, bsize } = await statfs(existing);
      return bavail * bsize;
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT' || dirname(existing) === existing) throw error;
    }
  }
}

async function diskFinding(folder: string): Promise<Finding> {
  const free = await freeBytes(folder);
  const isEnough = free >= diskBytesAdvised;
  const advice = isEnough ? '' : `; ${gibibytes(diskBytesAdvised)} or more is advised`;
  const message = `${gibibytes(free)} free for ${folder}${advice}`;
  return { check: 'disk', status: isEnough ? 'ok' : 'warning', message };
}

/** Look at the machine; `folder` is the data directory, there or not. */
export async function checkMachine(folder: string): Promise<Finding[]> {
  return [nodeFinding(process.versions.node), memoryFinding(), await diskFinding(folder)];
}
