/** The model of the job before, kept for the next one if that is over the same backbone, specification and engine. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { AdapterSpecification } from '#core/adapter';
import { canonicalJson } from '#core/bytes';
import { createEngine, loadBackbone, type EngineModel } from '#core/engine';
import { systemErrorCode } from '../common/durable-file.ts';
import type { RoundJob } from './messages.ts';

/** Files that decide what a backbone's folder computes. */
const backboneFiles = ['model.safetensors', 'config.json', 'preprocessor_config.json'];

/** Tell a file from what may stand in its place later; its change time says nothing, since the engine links to it. */
async function fileIdentity(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    return [ino, size, mtimeNs].join('/');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return 'absent';
    throw error;
  }
}

/** What a model is loaded from and for. */
export type ModelSource = Pick<RoundJob, 'backboneDirectory' | 'engine'>;

async function keyOf(source: ModelSource, specification: AdapterSpecification): Promise<string> {
  const { backboneDirectory, engine } = source;
  const paths = backboneFiles.map((name) => join(backboneDirectory, name));
  const files = await Promise.all(paths.map(fileIdentity));
  return canonicalJson({ backboneDirectory, files, engine, specification });
}

interface HeldModel {
  readonly key: string;
  readonly model: EngineModel;
}

/** Loads a backbone and compiles a model for a specification. */
export type LoadModel = (
  source: ModelSource,
  specification: AdapterSpecification,
) => Promise<EngineModel>;

/** Load from the files; the model keeps none of them open by way of the backbone. */
export const loadModelFromFiles: LoadModel = async (source, specification) => {
  const backbone = await loadBackbone(source.backboneDirectory);
  try {
    const { name, ...options } = source.engine;
    const engine = await createEngine({ engine: name, ...options });
    return await engine.load(backbone, specification);
  } finally {
    await backbone.close();
  }
};

/** At most one model, the one of the last job. */
export class WarmModel {
  readonly #load: LoadModel;
  #held: HeldModel | null = null;

  constructor(load: LoadModel = loadModelFromFiles) {
    this.#load = load;
  }

  /** The model for a job; another job's is disposed of first, so that there is never memory for two. */
  async get(source: ModelSource, specification: AdapterSpecification): Promise<EngineModel> {
    const key = await keyOf(source, specification);
    if (this.#held?.key === key) return this.#held.model;
    await this.dispose();
    const model = await this.#load(source, specification);
    this.#held = { key, model };
    return model;
  }

  /** Free the model. */
  async dispose(): Promise<void> {
    const held = this.#held;
    this.#held = null;
    await held?.model.dispose();
  }
}
