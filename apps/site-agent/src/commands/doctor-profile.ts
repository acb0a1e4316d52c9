/** `melo doctor --profile`: where the time of a training step goes on this machine. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { backboneSizes, randomBackbone, type Backbone } from '#core/backbone';
import { loadBackbone } from '#core/engine';
import { profileSteps, type StepProfile } from '#core/engine/onnx';

const batch = 8;
const rank = 4;
const steps = 5;

/** What was profiled, and what came out. */
export interface EngineProfile extends StepProfile {
  readonly backbone: string;
  readonly batch: number;
  readonly rank: number;
  readonly threads: number;
  readonly isAlone: boolean;
}

/** What {@link profileEngine} needs. */
export interface EngineProfileOptions {
  /** Folder of a backbone; a ViT-Tiny with random weights where it is left out, which takes as long as a trained one. */
  readonly backbone?: string | undefined;
  readonly threads: number;
  readonly isAlone: boolean;
}

async function openBackbone(
  directory: string | undefined,
): Promise<{ readonly backbone: Backbone; readonly close: () => Promise<void> }> {
  if (directory !== undefined) {
    const backbone = await loadBackbone(directory);
    return { backbone, close: () => backbone.close() };
  }
  const backbone = randomBackbone({
    configuration: {
      ...{ ...backboneSizes.vit_tiny, patchSize: 16, imageSize: 224, channels: 3 },
      ...{ layerNormEpsilon: 1e-6, activation: 'gelu', pooling: 'cls' },
      ...{ mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
    },
    seed: 'vit_tiny',
  });
  return { backbone, close: () => Promise.resolve() };
}

/** Take a few steps of the engine `onnx` and tell where their time went. */
export async function profileEngine(options: EngineProfileOptions): Promise<EngineProfile> {
  const { threads, isAlone } = options;
  const directory = await mkdtemp(join(tmpdir(), 'melo-profile-'));
  const { backbone, close } = await openBackbone(options.backbone);
  try {
    const profile = await profileSteps({
      ...{ backbone, rank, batch, threads, isAlone, steps, directory },
    });
    return { backbone: backbone.name, batch, rank, threads, isAlone, ...profile };
  } finally {
    await close();
    await rm(directory, { recursive: true, force: true });
  }
}

const operatorsShown = 8;

/** Write a profile as a table of lines. */
export function profileTable(profile: EngineProfile): string[] {
  const { backbone, threads, isAlone, kinds, operators, msPerImage } = profile;
  const row = (name: string, ms: string, share: string, calls: string): string =>
    `${name.padEnd(22)}${ms.padStart(10)}${share.padStart(9)}${calls.padStart(13)}`;
  const rows = (list: StepProfile['kinds']): string[] =>
    list.map((each) =>
      row(
        each.name,
        each.msPerImage.toFixed(2),
        `${(100 * each.share).toFixed(1)} %`,
        each.callsPerStep.toFixed(0),
      ),
    );
  const slowest = operators.slice(0, operatorsShown);
  return [
    `profile of a step: ${backbone}, batch ${batch}, rank ${rank}, ${threads} threads${isAlone ? ', alone' : ''}: ${msPerImage.toFixed(1)} ms an image`,
    row('kind', 'ms/image', 'share', 'calls/step'),
    ...rows(kinds),
    row('slowest operators', '', '', ''),
    ...rows(slowest),
  ];
}
