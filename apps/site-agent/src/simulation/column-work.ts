/**
 * Trains one column in this process: rounds of local training, aggregation as the coordinator does it, and measurement.
 *
 * The same definition over the same images gives the bytes that a federation of processes gives: updates go through the files
 * that travel, and versions are written with the same cards.
 */
import {
  adapterCard,
  adapterDigest,
  adapterLayout,
  decodeAdapterFile,
  decodeUpdate,
  encodeAdapterFile,
  encodeUpdate,
  initialAdapter,
  specificationOf,
  type AdapterLayout,
  type AdapterSpecification,
} from '#core/adapter';
import {
  aggregateRound,
  aggregationMethod,
  decodeState,
  encodeState,
  type SiteUpdate,
} from '#core/aggregation';
import type { EngineModel } from '#core/engine';
import { assert } from '#core/errors';
import type { ScoreReport } from '#core/evaluation';
import { activationOfLoss, type TaskDefinition } from '#core/protocol';
import {
  decodeSiteState,
  emptySiteState,
  encodeSiteState,
  evaluate,
  personalised,
  trainLocally,
  type LabelledImages,
  type SiteState,
} from '#core/training';
import { agentVersion } from '../common/agent-version.ts';
import { keptState, localTraining, sentChange } from '../trainer/local-round.ts';
import { forwardPass, headPass, selectedTensors, type Column } from './columns.ts';
import type { SimulatedSite } from './sites.ts';
import type { RoundRecord, StoredRound, WorkStore } from './work-store.ts';

/** A member of a column: who trains, and on what. */
export interface Member {
  readonly site: string;
  readonly images: LabelledImages;
}

/** What a column's work needs. */
export interface ColumnContext {
  readonly column: Column;
  readonly members: readonly Member[];
  /** Where everything is measured. */
  readonly sites: readonly SimulatedSite[];
  readonly measureEvery: number;
  readonly store: WorkStore;
  readonly loadModel: (specification: AdapterSpecification) => Promise<EngineModel>;
  readonly signal: AbortSignal;
  /** Passes over images that are done, full steps counting 1. */
  readonly onPasses: (passes: number) => void;
}

const library = `melo-federation ${agentVersion}`;
const aggregationArithmetic = 'float64 sums in site order';
/** As an agent has it where its configuration does not say. */
const evaluationBatchSize = 16;

/** Version 0, which nobody has trained. */
function initialRound(definition: TaskDefinition): StoredRound {
  const specification = specificationOf(definition);
  const card = adapterCard({
    ...{ definition, version: 0, parentDigest: null, round: null, members: [] },
    software: { library, engine: 'public seed' },
  });
  const values = initialAdapter(specification, definition.publicSeed);
  const version = encodeAdapterFile({ specification, values, card });
  return { version, aggregation: null, sites: new Map() };
}

/** One column from its first round that is not done to its last. */
class ColumnWork {
  readonly #context: ColumnContext;
  readonly #definition: TaskDefinition;
  readonly #layout: AdapterLayout;
  readonly #specification: AdapterSpecification;

  constructor(context: ColumnContext) {
    this.#context = context;
    this.#definition = context.column.definition;
    this.#specification = specificationOf(this.#definition);
    this.#layout = adapterLayout(this.#specification);
  }

  async run(): Promise<readonly RoundRecord[]> {
    const { store, members } = this.#context;
    const records = await store.records(this.#definition.rounds);
    const last = records.at(-1);
    if (records.length === this.#definition.rounds) return records;
    const names = members.map(({ site }) => site);
    let before =
      last === undefined ? initialRound(this.#definition) : await store.read(last, names);
    for (let round = records.length + 1; round <= this.#definition.rounds; round++) {
      const { record, stored } = await this.#round(round, before);
      await store.write(record, stored);
      records.push(record);
      before = stored;
    }
    return records;
  }

  async #round(
    round: number,
    before: StoredRound,
  ): Promise<{ record: RoundRecord; stored: StoredRound }> {
    const { aggregation: plan, rounds } = this.#definition;
    const layout = this.#layout;
    const global = decodeAdapterFile(before.version).values;
    const method = aggregationMethod(plan.method);
    const trainedTensors = method.tensorsOfRound(
      selectedTensors(this.#definition, layout),
      round - 1,
    );
    const updates: SiteUpdate[] = [];
    const losses: Record<string, number> = {};
    const kept = new Map<string, Uint8Array>();
    for (const { site, images } of this.#context.members) {
      const siteState = this.#siteState(before, site);
      const trained = await this.#train({
        ...{ site, images, round, global, siteState, trainedTensors },
      });
      const weight = method.isWeighted && plan.weights === 'samples' ? images.count : 1;
      updates.push({ site, weight, delta: trained.delta });
      losses[site] = trained.meanLoss;
      if (trained.kept !== null) kept.set(site, encodeSiteState(layout, trained.kept));
    }
    const state = before.aggregation === null ? null : decodeState(layout, before.aggregation);
    const next = aggregateRound({ plan, layout, trainedTensors, global, updates, state });
    const version = this.#version(round, before.version, updates, next.values);
    const isMeasured = round === rounds || round % this.#context.measureEvery === 0;
    const stored: StoredRound = {
      version,
      aggregation: next.state === null ? null : encodeState(layout, next.state),
      sites: kept,
    };
    return {
      record: {
        version: 1,
        round,
        digest: adapterDigest(version),
        losses,
        reports: isMeasured ? await this.#measure(next.values, stored) : null,
      },
      stored,
    };
  }

  /** What a site kept of the round before for itself. */
  #siteState(before: StoredRound, site: string): SiteState {
    const bytes = before.sites.get(site);
    return bytes === undefined ? emptySiteState : decodeSiteState(this.#layout, bytes);
  }

  /** One site's round, its change read from the file that would travel. */
  async #train(options: {
    readonly site: string;
    readonly images: LabelledImages;
    readonly round: number;
    readonly global: Float32Array;
    readonly siteState: SiteState;
    readonly trainedTensors: readonly string[];
  }): Promise<{ delta: Float32Array; meanLoss: number; kept: SiteState | null }> {
    const { site, images, round, global, siteState, trainedTensors } = options;
    const { plan, task, trainedTensors: selection, site: step } = this.#definition;
    const layout = this.#layout;
    const { loadModel, signal, onPasses } = this.#context;
    const batch = Math.min(plan.batchSize, images.count) * (selection === 'head' ? headPass : 1);
    const start = { layout, values: personalised(layout, global, siteState), siteState };
    const settings = {
      ...{ plan, trainedTensors: [...trainedTensors], scheduleOffset: round - 1 },
      stream: `${task}/${site}/${round}`,
      ...(step === undefined ? {} : { site: step }),
    };
    const result = await trainLocally({
      ...localTraining(settings, start, images),
      ...{ model: await loadModel(this.#specification), signal },
      onProgress: () => onPasses(batch),
    });
    const delta = sentChange(settings, start, result.values);
    const bytes = encodeUpdate({ layout, trainedTensors, delta });
    return {
      delta: decodeUpdate({ bytes, layout, trainedTensors, site }),
      meanLoss: result.meanLoss,
      kept: keptState(settings, start, result),
    };
  }

  #version(
    round: number,
    before: Uint8Array,
    updates: readonly SiteUpdate[],
    values: Float32Array,
  ): Uint8Array {
    const samples = new Map(this.#context.members.map(({ site, images }) => [site, images.count]));
    const card = adapterCard({
      ...{
        definition: this.#definition,
        version: round,
        round,
        parentDigest: adapterDigest(before),
      },
      members: updates.map(({ site, weight }) => {
        return { site, weight, samples: samples.get(site) ?? 0 };
      }),
      software: { library, engine: aggregationArithmetic },
    });
    return encodeAdapterFile({ specification: this.#specification, values, card });
  }

  /** Reports on the held-out images of every site, by its own adapter where a part of it stays there. */
  async #measure(values: Float32Array, stored: StoredRound): Promise<Record<string, ScoreReport>> {
    const { sites, loadModel, signal, onPasses } = this.#context;
    const model = await loadModel(this.#specification);
    const classes = this.#definition.classes.length;
    const activation = activationOfLoss(this.#definition.plan.loss);
    const reports: Record<string, ScoreReport> = {};
    for (const { name, heldOut: images } of sites) {
      const adapter = personalised(this.#layout, values, this.#siteState(stored, name));
      const options = { model, images, adapter, classes, activation, signal };
      reports[name] = await evaluate({ ...options, batchSize: evaluationBatchSize });
      onPasses(images.count * forwardPass);
    }
    return reports;
  }
}

/**
 * Train and measure a column; rounds that are done already are read.
 *
 * @returns the records of all rounds
 * @throws the signal's reason once it is aborted, between two steps
 */
export async function runColumn(context: ColumnContext): Promise<readonly RoundRecord[]> {
  assert(context.members.length > 0, 'column: expected a member or more');
  return new ColumnWork(context).run();
}
