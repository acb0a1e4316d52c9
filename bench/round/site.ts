/**
 * A site that does everything of a round but training: pull, fetch the global adapter, accept, seal a random finite
 * update, upload, commit. A process of its own, started by bench/round.ts.
 */
import { adapterLayout, encodeUpdate, specificationOf } from '#core/adapter';
import { envelopeDigest, sealUpdate, signDomains } from '#core/crypto';
import { fromHex } from '#core/bytes';
import {
  decodePayload,
  limits,
  roundResultSchema,
  siteCommands,
  type Assignment,
  type BackboneReference,
  type TaskId,
} from '#core/protocol';
import { seededRng } from '#core/rng';
import { ScriptedSite } from '../../test/support/scripted-site.ts';
import { orderSchema, type Order, type Reply } from './messages.ts';

const samples = 100;
const deltaStd = 1e-3;

/** One site's part in the rounds of one task. */
class RoundSite {
  readonly #site: ScriptedSite;
  readonly #task: TaskId;
  readonly #backbone: BackboneReference;
  #plaintext: Uint8Array | undefined;
  #known = 0;
  #awaited: { readonly version: number; readonly reached: () => void } | undefined;
  #reported = 0;
  #isWorking = false;
  #isStateNew = false;

  constructor(site: ScriptedSite, task: TaskId, backbone: BackboneReference) {
    this.#site = site;
    this.#task = task;
    this.#backbone = backbone;
  }

  /** Pull whenever the coordinator announces something, one pull at a time. */
  async onState(): Promise<void> {
    this.#isStateNew = true;
    if (this.#isWorking) return;
    this.#isWorking = true;
    while (this.#isStateNew) {
      this.#isStateNew = false;
      await this.#pull();
    }
    this.#isWorking = false;
  }

  /** Wait until this version is known. */
  knows(version: number): Promise<void> {
    return new Promise((reached) => {
      this.#awaited = { version, reached };
      this.#checkAwaited();
    });
  }

  #checkAwaited(): void {
    if (this.#awaited !== undefined && this.#known >= this.#awaited.version)
      this.#awaited.reached();
  }

  async #pull(): Promise<void> {
    const { assignments, results, hasMore } = await this.#site.pull([
      { task: this.#task, version: this.#known },
    ]);
    for (const { result } of results) {
      const { version } = decodePayload(roundResultSchema, result.payload, 'result');
      this.#known = Math.max(this.#known, version);
    }
    this.#checkAwaited();
    for (const assignment of assignments) await this.#takePart(assignment);
    if (hasMore) this.#isStateNew = true;
  }

  async #takePart(assignment: Assignment): Promise<void> {
    const { round } = this.#site.open(assignment);
    if (round <= this.#reported) return;
    await this.#fetch(assignment.adapter);
    expectGranted(await this.#site.accept(assignment, samples));
    expectGranted(await this.#site.upload(assignment, this.#seal(assignment), samples));
    this.#reported = round;
  }

  /** Fetch the sealed global adapter, range by range, as an agent does before it trains. */
  async #fetch({ ciphertextDigest, ciphertextBytes }: Assignment['adapter']): Promise<void> {
    for (let offset = 0; offset < ciphertextBytes; offset += limits.rangeBytes) {
      const request = { digest: ciphertextDigest, offset, length: limits.rangeBytes };
      expectGranted(await this.#site.ask('blob:get', siteCommands['blob:get'].response, request));
    }
  }

  #seal(assignment: Assignment): Uint8Array {
    const open = this.#site.open(assignment);
    const layout = adapterLayout(specificationOf({ ...open, backbone: this.#backbone }));
    if (this.#plaintext === undefined) {
      const rng = seededRng(this.#site.site);
      const delta = Float32Array.from({ length: layout.size }, () => deltaStd * rng.nextNormal());
      this.#plaintext = encodeUpdate({ layout, trainedTensors: open.trainedTensors, delta });
    }
    const { federation, task, round, attempt } = open;
    const { ciphertext } = sealUpdate({
      plaintext: this.#plaintext,
      roundPublicKey: fromHex(open.roundPublicKey),
      roundOpenDigest: envelopeDigest(signDomains.roundOpen, assignment.open.payload),
      context: {
        ...{ federation, task, round, attempt },
        site: this.#site.site,
        layoutHash: layout.hash,
      },
    });
    return ciphertext;
  }
}

function expectGranted(answer: { readonly ok: boolean; readonly code?: string }): void {
  if (!answer.ok) throw new Error(`site: expected to be granted, got ${answer.code ?? 'no code'}`);
}

let scripted: ScriptedSite | undefined;
let part: RoundSite | undefined;

async function obey(order: Order): Promise<void> {
  if (order.order === 'enroll') {
    scripted = new ScriptedSite({ site: order.site, url: order.url });
    part = new RoundSite(scripted, order.task, order.backbone);
    await scripted.enroll(order.code);
    return;
  }
  if (scripted === undefined || part === undefined) throw new Error('site: enrol first');
  const member = part;
  if (order.order === 'await') return member.knows(order.version);
  await scripted.connect('websocket');
  scripted.onState(() => {
    member.onState().catch(fail);
  });
  await member.onState();
}

function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : 'failed'}\n`);
  process.exit(1);
}

process.on('message', (message) => {
  const order = orderSchema.parse(message);
  const reply: Reply = { done: order.order };
  obey(order)
    .then(() => process.send?.(reply))
    .catch(fail);
});
process.once('disconnect', () => process.exit(0));
