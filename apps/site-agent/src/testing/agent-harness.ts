/** One agent of the site north with a folder of images, against a fake coordinator with one task. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '#core/bytes';
import { signDomains, verifyPayload } from '#core/crypto';
import {
  decisionSchema,
  decodePayload,
  siteCommands,
  siteIdSchema,
  type Decision,
} from '#core/protocol';
import { silentLogger, type AgentEvent } from '../common/events.ts';
import { parseAgentConfig } from '../config/agent-config.ts';
import { ensureSiteKeys, type SiteKeys } from '../identity/identity.ts';
import { SiteAgent } from '../rounds/site-agent.ts';
import { CoordinatorConnection } from '../transport/connection.ts';
import { FakeCoordinator } from './fake-coordinator.ts';
import { fakeDefinition } from './fake-definition.ts';
import { FakeTask } from './fake-task.ts';
import { FakeUploads } from './fake-uploads.ts';
import { InProcessTrainer } from './in-process-trainer.ts';

const site = siteIdSchema.parse('north');
const fingerprint = 'ab'.repeat(32);
const images = 25;

/** One agent and what it talks to. */
export class AgentHarness {
  readonly directory: string;
  readonly keys: SiteKeys;
  readonly coordinator: FakeCoordinator;
  readonly task: FakeTask;
  readonly uploads: FakeUploads;
  readonly events: AgentEvent[] = [];
  trainer = new InProcessTrainer();
  /** What a spec changes in the configuration before it starts the agent. */
  settings = { tasks: '{ lung: { images: images } }', more: '' };
  #running: { readonly agent: SiteAgent; readonly connection: CoordinatorConnection } | null = null;

  private constructor(directory: string, keys: SiteKeys, coordinator: FakeCoordinator) {
    this.directory = directory;
    this.keys = keys;
    this.coordinator = coordinator;
    this.uploads = new FakeUploads(coordinator);
    const definition = fakeDefinition(fingerprint, ['north', 'south']);
    this.task = new FakeTask(coordinator, this.uploads, { definition, siteKeys: keys });
  }

  /** Make the folder, draw images and start the coordinator; the agent starts later. */
  static async create(): Promise<AgentHarness> {
    const directory = await mkdtemp(join(tmpdir(), 'melo-agent-'));
    for (const name of ['normal', 'pneumonia']) {
      await mkdir(join(directory, 'images', name), { recursive: true });
      for (let index = 0; index < images; index++) {
        await writeFile(join(directory, 'images', name, `${index}.png`), `${name} ${index}`);
      }
    }
    const coordinator = new FakeCoordinator();
    const keys = await ensureSiteKeys(join(directory, 'data'));
    coordinator.sites.set(site, keys.signing.publicKey);
    const harness = new AgentHarness(directory, keys, coordinator);
    await coordinator.start();
    return harness;
  }

  async start(): Promise<void> {
    const { directory, coordinator, keys } = this;
    const config = parseAgentConfig(
      `dataDirectory: data\nbackbones: [vit]\ntasks: ${this.settings.tasks}\nengine: { threads: 1 }\n${this.settings.more}` +
        'connection: { backoffMinimumMs: 5, backoffMaximumMs: 20, slowRetryMs: 50, heartbeatIntervalMs: 1000 }\n' +
        'trainer: { checkpointIntervalMs: 1, longRetryMs: 30 }\n',
      join(directory, 'agent.yaml'),
    );
    const connection = new CoordinatorConnection({
      url: coordinator.url,
      federation: coordinator.federation,
      site,
      signingSecretKey: keys.signing.secretKey,
      coordinatorPublicKey: coordinator.signing.publicKey,
      certificateAuthority: null,
      acknowledgementTimeoutMs: 5000,
      backoff: { minimumMs: 5, maximumMs: 20 },
      slowRetryMs: 50,
      transports: ['websocket'],
      emit: () => undefined,
      logger: silentLogger,
    });
    const agent = await SiteAgent.create({
      config,
      keys,
      coordinator: {
        version: 1,
        url: coordinator.url,
        federation: coordinator.federation,
        site,
        signingPublicKey: toHex(coordinator.signing.publicKey),
        agreementPublicKey: toHex(coordinator.agreement.publicKey),
      },
      backbones: [
        { path: '/vit', name: 'tiny', fingerprint, dimension: 8, blocks: 1, imageSize: 16 },
      ],
      connection,
      trainer: this.trainer,
      emit: (event) => this.events.push(event),
      logger: silentLogger,
    });
    connection.onChange = (reason) => {
      if (reason === 'connected') agent.onConnected();
      else agent.synchronise();
    };
    connection.start();
    this.#running = { agent, connection };
  }

  async stop(): Promise<void> {
    await Promise.all([this.#running?.agent.stop(), this.#running?.connection.stop()]);
    this.#running = null;
  }

  async remove(): Promise<void> {
    await this.stop();
    await this.coordinator.stop();
    // What the agent was just removing may be there for a moment yet.
    await rm(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }

  /** What the site decided, in order for each kind. */
  decisions(): Decision[] {
    return ['round:accept', 'round:decline', 'round:withdraw'].flatMap((name) =>
      this.coordinator.requestsOf(name).map((raw) => {
        const { decision } = siteCommands['round:accept'].request.parse(raw);
        const payload = verifyPayload(signDomains.decision, decision, this.keys.signing.publicKey);
        return decodePayload(decisionSchema, payload, 'decision');
      }),
    );
  }
}
