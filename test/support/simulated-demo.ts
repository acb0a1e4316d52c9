/** The demo's federated column once more, simulated in this process: what it must be equal to is the demo's own adapter. */
import { join } from 'node:path';
import { activationOfLoss, taskDefinitionSchema } from '#core/protocol';
import { findDataset } from '../../apps/site-agent/src/data/dataset.ts';
import { decodeImage } from '../../apps/site-agent/src/data/decode-image.ts';
import { ImageStore } from '../../apps/site-agent/src/data/image-store.ts';
import { prepareImages } from '../../apps/site-agent/src/data/labelled-images.ts';
import { runColumn, type Member } from '../../apps/site-agent/src/simulation/column-work.ts';
import { WorkStore } from '../../apps/site-agent/src/simulation/work-store.ts';
import { WarmModel } from '../../apps/site-agent/src/trainer/warm-model.ts';
import { layOutBackbone } from '../../tools/demo/backbone.ts';
import { demoColumns } from '../../tools/demo/columns.ts';
import { layOutHospitals } from '../../tools/demo/hospitals.ts';
import { parseOptions } from '../../tools/demo/options.ts';
import { describeBackbone } from './collections.ts';

/** Threads of the demo's agents. */
const threads = 1;

/** Draw the demo's images again, and train and aggregate as its processes do; gives the last adapter's file. */
export async function simulateDemo(
  directory: string,
  commandLine: readonly string[],
): Promise<Uint8Array> {
  const options = parseOptions(commandLine);
  if (options === 'help') throw new RangeError('demo: expected options of a run');
  const { signal } = new AbortController();
  const control = { signal, onImage: () => undefined };
  const hospitals = await layOutHospitals(join(directory, 'hospitals'), options, control);
  const backboneDirectory = await layOutBackbone(undefined, directory);
  const backbone = await describeBackbone(backboneDirectory);
  const { rounds, seed } = options;
  const { federated } = demoColumns({ ...hospitals, backbone, rounds, seed });
  const definition = taskDefinitionSchema.parse(federated.definition);
  const { classes, plan, preprocessing } = definition;
  const images = new ImageStore();
  await images.beginJob(join(directory, 'images'), 2 ** 30);
  const members: Member[] = [];
  for (const hospital of hospitals.hospitals) {
    const task = { heldOutShare: 0.2, splitSeed: 'melo', ...hospital.images };
    const about = { classes, activation: activationOfLoss(plan.loss) };
    const { training } = await findDataset(task, about);
    const how = { store: images, decode: decodeImage, preprocessing, concurrency: 2 };
    const { labelled } = await prepareImages(training, how);
    members.push({ site: hospital.name, images: labelled });
  }
  const cacheDirectory = join(directory, 'engine');
  const engine = { name: 'onnx', device: 'auto', threads, isAlone: false, cacheDirectory } as const;
  const model = new WarmModel();
  const store = new WorkStore(join(directory, 'work'));
  try {
    const records = await runColumn({
      ...{ column: { name: 'federated', trainedAt: null, definition }, members, sites: [] },
      ...{ measureEvery: rounds, store, signal, onPasses: () => undefined },
      loadModel: (specification) => model.get({ backboneDirectory, engine }, specification),
    });
    const last = records.at(-1);
    if (last === undefined) throw new RangeError('demo: expected a round or more');
    return await store.lastVersion(last);
  } finally {
    await model.dispose();
  }
}
