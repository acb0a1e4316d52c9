/**
 * A small federation to look at: three agents that train, and a fourth site played by the test, which declines every round
 * but the last and holds that one open for as long as the test wants. Two of the agents let out what they trained alone.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { siteCommands, siteIdSchema, taskIdSchema, type TaskDefinitionInput } from '#core/protocol';
import { evaluationRoutes } from '../../apps/coordinator/src/evaluation/evaluation.contract.ts';
import { userRoutes } from '../../apps/coordinator/src/users/users.contract.ts';
import {
  collectionTask,
  drawnCollection,
  enrollSites,
  layOutSites,
  type Collection,
} from '../support/collections.ts';
import { Federation } from '../support/federation.ts';
import { ScriptedSite } from '../support/scripted-site.ts';

/** Sites with an agent. */
export const agentSites = ['aster-clinic', 'birch-hospital', 'cedar-hospital'] as const;
/** The site that the test plays. */
export const playedSite = siteIdSchema.parse('dune-hospital');
/** A site that was invited and has not enrolled. */
export const invitedSite = 'elm-clinic';
/** A site that has enrolled and waits for approval. */
export const pendingSite = siteIdSchema.parse('fir-clinic');
/** Sites whose policy lets out the adapter that they trained alone. */
export const sharingSites = ['aster-clinic', 'birch-hospital'] as const;
/** The task. */
export const demoTask = taskIdSchema.parse('shapes');
/** Its title. */
export const demoTitle = 'Shapes on noise (drawn images)';
/** A task of one round that has ended. */
export const endedTask = taskIdSchema.parse('ended');
/** Tasks that were created and not started, one for each width. */
export const idleTasks = {
  390: taskIdSchema.parse('idle-390'),
  1280: taskIdSchema.parse('idle-1280'),
};
/** The title of all others. */
export const otherTitle = (task: string): string => `Shapes once more (${task})`;
/** Why the played site takes no part before the last round. */
export const declineReason = 'the data steward has not approved this task yet';

/** A small federation with one round open. */
export class DemoFederation {
  readonly federation: Federation;
  readonly played: ScriptedSite;
  readonly rounds: number;
  readonly collection: Collection;

  private constructor(
    parts: Pick<DemoFederation, 'federation' | 'played' | 'rounds' | 'collection'>,
  ) {
    this.federation = parts.federation;
    this.played = parts.played;
    this.rounds = parts.rounds;
    this.collection = parts.collection;
  }

  /** Run every round but the last, and open that one. */
  static async start(directory: string, rounds: number): Promise<DemoFederation> {
    const collection = await drawnCollection(directory, agentSites, { dimension: 96, blocks: 4 });
    const federation = new Federation(join(directory, 'federation'));
    await federation.startCoordinator();
    const sites = await layOutSites(collection, join(directory, 'images'), 'dashboard');
    const tasks = [demoTask, endedTask, ...Object.values(idleTasks)];
    await enrollSites({ federation, collection, sites, tasks, sharing: sharingSites });
    const played = new ScriptedSite({ site: playedSite, url: federation.url });
    await played.enroll(await federation.invite(playedSite));
    await federation.approve(playedSite);
    await played.connect('websocket');
    const pending = new ScriptedSite({ site: pendingSite, url: federation.url });
    await pending.enroll(await federation.invite(pendingSite));
    await federation.invite(invitedSite);
    for (const site of agentSites) federation.startAgent(site);
    const demo = new DemoFederation({ federation, played, rounds, collection });
    await demo.#createTasks();
    await demo.#playUntilLastRound();
    return demo;
  }

  async #createTasks(): Promise<void> {
    const members = [...agentSites, playedSite];
    const isLocal = { localBaseline: true, crossEvaluation: true };
    const quorum = (quorumSites: number) => ({ rules: { quorumSites, deadlineMs: 3_600_000 } });
    const { rounds } = this;
    await this.federation.createTask(
      this.#task(demoTask, members, rounds, {
        ...{ title: demoTitle, ...isLocal, ...quorum(agentSites.length) },
      }),
    );
    await this.federation.createTask(this.#task(endedTask, agentSites, 1));
    // The played site does not answer, and without it the round does not count: it stays open.
    for (const task of Object.values(idleTasks)) {
      const body = this.#task(task, members, 2, quorum(members.length));
      const answer = await this.federation.raw('POST', '/v1/tasks?start=false', body);
      if (!answer.ok) throw new Error(`${task}: ${answer.status} ${await answer.text()}`);
    }
  }

  #task(
    task: string,
    members: readonly string[],
    rounds: number,
    overrides: Partial<TaskDefinitionInput> = {},
  ): TaskDefinitionInput {
    return collectionTask(this.collection, {
      ...{ task, members, rounds, learningRate: 4e-3 },
      overrides: { title: otherTitle(task), ...overrides },
    });
  }

  /** Decline every round but the last, and train in that one. */
  async #playUntilLastRound(): Promise<void> {
    for (let version = 0; ;) {
      // What it says that it knows is not sent again, and leaves room for the round that is open.
      const { assignments } = await this.played.pull([{ task: demoTask, version }]);
      for (const assignment of assignments.filter(({ status }) => status === 'invited')) {
        const { round } = this.played.open(assignment);
        version = round - 1;
        const answer =
          round < this.rounds
            ? await this.played.decline(assignment, declineReason)
            : await this.played.accept(assignment, 36);
        if (!answer.ok) throw new Error(`round ${round}: ${answer.code}`);
        if (round === this.rounds) return;
      }
      await sleep(200);
    }
  }

  /**
   * Wait until every agent has reported in the last round and evaluated the version before it, and what was let out at every
   * site; and until the other task has ended.
   */
  async untilAgentsReported(): Promise<void> {
    await this.federation.waitUntil('the agents have reported', async () => {
      const { members } = await this.federation.round(demoTask, this.rounds);
      const reported = members.filter(({ status }) => status === 'reported');
      return reported.length === agentSites.length;
    });
    await this.federation.waitForEvaluations(demoTask, this.rounds - 1, agentSites.length);
    await this.federation.waitForEvaluations(endedTask, 1, agentSites.length);
    await this.federation.waitUntil('what was let out is evaluated at every site', async () => {
      const params = { task: demoTask };
      const { localAdapters } = await this.federation.call(evaluationRoutes.list, { params });
      const done = localAdapters.filter(({ sites }) => sites.length === agentSites.length);
      return done.length === sharingSites.length;
    });
  }

  /** Say in the played site's name how far its training is. */
  async beat(progress: number): Promise<void> {
    await this.played.ask('heartbeat', siteCommands.heartbeat.response, {
      phase: 'training',
      task: demoTask,
      round: this.rounds,
      progress,
      load: 1,
    });
  }

  /** Run the agent's enrolment with a code, as the page says it, and return the fingerprint that it prints. */
  async enrollAgent(site: string, code: string): Promise<string> {
    const { directory: backbone } = this.collection.backbone;
    await this.federation.configure(site, { backbone, tasks: {}, threads: 1 });
    const enrolling = this.federation.spawnEnrollment(site, code);
    await enrolling.exit();
    const printed = /^ {2}((?:[0-9a-f]{4} ?){16})$/m.exec(enrolling.output)?.[1];
    if (printed === undefined) throw new Error(`no fingerprint:\n${enrolling.output}`);
    return printed;
  }

  /** The address of a fresh sign-in link. */
  async signInLink(): Promise<string> {
    return (await this.federation.call(userRoutes.createLink)).url;
  }

  async stop(): Promise<void> {
    this.played.disconnect();
    await this.federation.stop();
  }
}
