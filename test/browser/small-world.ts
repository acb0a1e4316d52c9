/**
 * A coordinator in this process with played sites, which makes in a second what pages show: a task with published rounds, one
 * that is open, figures by site, a site that declined, one that waits for approval, one that was invited.
 */
import { addScores, emptyScoreReport, groupingOf } from '#core/evaluation';
import { protocolVersion } from '#core/protocol';
import type { CoordinatorOptions } from '../../apps/coordinator/src/coordinator.ts';
import { evaluationRequestRoutes } from '../../apps/coordinator/src/evaluation/evaluation-requests.contract.ts';
import { registryRoutes } from '../../apps/coordinator/src/registry/registry.contract.ts';
import { invitationViewSchema } from '../../apps/coordinator/src/sites/sites.contract.ts';
import { FakeSite, layoutOf } from '../../apps/coordinator/src/testing/fake-site.ts';
import { Harness } from '../../apps/coordinator/src/testing/harness.ts';
import { userRoutes } from '../../apps/coordinator/src/users/users.contract.ts';

/** The task whose rounds are played. */
export const playedTask = 'chest';
/** A task that was created and not started. */
export const idleTask = 'fundus';
/** Rounds of the played task that are published; the one after is open. */
export const publishedRounds = 3;
/** Why the third member is in no round. */
export const declineReason = 'the data steward has not approved this task yet';

const members = ['north', 'south', 'west'] as const;

/** A coordinator and played sites. */
export class SmallWorld {
  readonly harness: Harness;

  private constructor(harness: Harness) {
    this.harness = harness;
  }

  /** Start it, with everything that pages show. */
  static async start(options: Partial<CoordinatorOptions> = {}): Promise<SmallWorld> {
    const world = new SmallWorld(await Harness.start(options));
    await world.#play();
    return world;
  }

  get url(): string {
    return this.harness.coordinator.url;
  }

  site(name: string): FakeSite {
    const site = this.harness.sites.get(name);
    if (site === undefined) throw new Error(`no site ${name}`);
    return site;
  }

  /** A fresh sign-in link. */
  async signInLink(): Promise<string> {
    const { method, path, response } = userRoutes.createLink;
    return response.parse(await this.harness.request(method, path, {})).url;
  }

  /** Enrol a site with a code, as its agent does, and return its fingerprint. */
  enroll(site: string, code: string): Promise<string> {
    return new FakeSite(site, this.url).enroll(code);
  }

  /** Invite a site over REST. */
  async invite(site: string): Promise<string> {
    return invitationViewSchema.parse(await this.harness.request('POST', '/v1/sites', { site }))
      .code;
  }

  async #play(): Promise<void> {
    const { harness } = this;
    for (const name of members) await (await harness.join(name)).hello('0.2.0');
    await harness.createTask({
      task: playedTask,
      title: 'Pneumonia on chest X-rays',
      rounds: publishedRounds + 2,
      members: [...members],
    });
    await this.#createIdleTask();
    await this.enroll('far', await this.invite('far'));
    await this.invite('east');
    for (let round = 1; round <= publishedRounds; round++) await this.#playRound(round);
    await this.#openNextRound();
    for (let version = 1; version <= publishedRounds; version++) await this.#evaluate(version);
  }

  async #createIdleTask(): Promise<void> {
    const { definition } = await this.harness.task(playedTask);
    await this.harness.request('POST', '/v1/tasks?start=false', {
      ...definition,
      task: idleTask,
      title: 'Retinopathy on fundus photographs',
    });
  }

  async #decline(): Promise<void> {
    const west = this.site('west');
    const { assignment, open } = await west.assignment(playedTask);
    const change = { decision: 'decline', code: 'TASK_NOT_ALLOWED', reason: declineReason };
    const decision = west.decision(open, assignment.open.payload, change);
    await west.ask('round:decline', { decision });
  }

  async #playRound(round: number): Promise<void> {
    await this.#decline();
    for (const [index, name] of (['north', 'south'] as const).entries()) {
      const site = this.site(name);
      const { size } = layoutOf((await site.assignment(playedTask)).open, site.backbone);
      const delta = new Float32Array(size).map((_, at) => 0.01 * Math.sin(at + index) * round);
      await site.takePart(playedTask, delta, 100 + 40 * index);
    }
    await this.harness.untilVersion(playedTask, round);
  }

  /** North trains in it, south has not answered, west has declined. */
  async #openNextRound(): Promise<void> {
    const north = this.site('north');
    const { assignment, open } = await north.assignment(playedTask);
    const { payload } = assignment.open;
    await north.ask('round:accept', { decision: north.decision(open, payload) });
    await this.beat(0.4);
    await this.#decline();
  }

  /** North says how far its training is. */
  async beat(progress: number): Promise<void> {
    await this.site('north').ask('heartbeat', {
      phase: 'training',
      task: playedTask,
      round: publishedRounds + 1,
      progress,
      load: 1,
    });
  }

  async #evaluate(version: number): Promise<void> {
    const { harness } = this;
    const task = `/v1/tasks/${playedTask}`;
    const request = evaluationRequestRoutes.create.response.parse(
      await harness.request('POST', `${task}/evaluation-requests`, { versions: [version] }),
    );
    const { adapterDigest } = registryRoutes.get.response.parse(
      await harness.request('GET', `${task}/versions/${version}`),
    );
    for (const [index, name] of (['north', 'south'] as const).entries()) {
      const site = this.site(name);
      const { federation } = await site.nonce();
      const labels = Array.from({ length: 40 }, (_, at) => at % 2);
      const strength = 0.6 * version - 0.4 * index;
      const logits = labels.flatMap((label, at) => [
        0,
        strength * (label - 0.5) + Math.sin(7 * at),
      ]);
      const evaluation = site.evaluation({
        ...{ type: 'evaluation', protocol: protocolVersion, federation, task: request.task },
        ...{ site: name, subject: 'global', version, round: null, adapterDigest },
        heldOutImages: labels.length,
        report: addScores(emptyScoreReport(2), Float32Array.from(logits), labels),
        grouping: groupingOf(labels.map((_, at) => `patient-${at >> 1}`)),
      });
      await site.ask('evaluation', { evaluation });
    }
  }

  stop(): Promise<void> {
    return this.harness.stop();
  }
}
