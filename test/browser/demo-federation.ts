/**
 * A small federation to look at: three agents that train, and a fourth site played by the test, which declines every round
 * but the last and holds that one open for as long as the test wants.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { siteCommands, siteIdSchema, taskIdSchema } from '#core/protocol';
import { userRoutes } from '../../apps/coordinator/src/users/users.contract.ts';
import {
  collectionTask,
  drawnCollection,
  enrollSites,
  layOutSites,
} from '../support/collections.ts';
import { Federation } from '../support/federation.ts';
import { ScriptedSite } from '../support/scripted-site.ts';

/** Sites with an agent. */
export const agentSites = ['aster-clinic', 'birch-hospital', 'cedar-hospital'] as const;
/** The site that the test plays. */
export const playedSite = siteIdSchema.parse('dune-hospital');
/** A site that was invited and has not enrolled. */
export const invitedSite = 'elm-clinic';
/** The task. */
export const demoTask = taskIdSchema.parse('shapes');
/** Why the played site takes no part before the last round. */
export const declineReason = 'the data steward has not approved this task yet';

/** A small federation with one round open. */
export class DemoFederation {
  readonly federation: Federation;
  readonly played: ScriptedSite;
  readonly rounds: number;

  private constructor(federation: Federation, played: ScriptedSite, rounds: number) {
    this.federation = federation;
    this.played = played;
    this.rounds = rounds;
  }

  /** Run every round but the last, and open that one. */
  static async start(directory: string, rounds: number): Promise<DemoFederation> {
    const collection = await drawnCollection(directory, agentSites, { dimension: 96, blocks: 4 });
    const federation = new Federation(join(directory, 'federation'));
    await federation.startCoordinator();
    const sites = await layOutSites(collection, join(directory, 'images'), 'dashboard');
    await enrollSites({ federation, collection, sites, tasks: [demoTask] });
    const played = new ScriptedSite({ site: playedSite, url: federation.url });
    await played.enroll(await federation.invite(playedSite));
    await federation.approve(playedSite);
    await played.connect('websocket');
    await federation.invite(invitedSite);
    for (const site of agentSites) federation.startAgent(site);
    await federation.createTask(
      collectionTask(collection, {
        task: demoTask,
        members: [...agentSites, playedSite],
        rounds,
        learningRate: 4e-3,
        overrides: {
          title: 'Shapes on noise (drawn images)',
          rules: { quorumSites: agentSites.length, deadlineMs: 3_600_000 },
        },
      }),
    );
    const demo = new DemoFederation(federation, played, rounds);
    await demo.#playUntilLastRound();
    return demo;
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

  /** Wait until every agent has reported in the last round and evaluated the version before it. */
  async untilAgentsReported(): Promise<void> {
    await this.federation.waitUntil('the agents have reported', async () => {
      const { members } = await this.federation.round(demoTask, this.rounds);
      const reported = members.filter(({ status }) => status === 'reported');
      return reported.length === agentSites.length;
    });
    await this.federation.waitForEvaluations(demoTask, this.rounds - 1, agentSites.length);
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

  /** The address of a fresh sign-in link. */
  async signInLink(): Promise<string> {
    return (await this.federation.call(userRoutes.createLink)).url;
  }

  async stop(): Promise<void> {
    this.played.disconnect();
    await this.federation.stop();
  }
}
