/** How soon fifty sites are back once a coordinator that was killed serves again: connections as agents make them, without their work. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fromHex } from '#core/bytes';
import { siteIdSchema } from '#core/protocol';
import { silentLogger } from '../../apps/site-agent/src/common/events.ts';
import { proxyChoice } from '../../apps/site-agent/src/common/proxy-settings.ts';
import { agentConfigSchema } from '../../apps/site-agent/src/config/agent-config.ts';
import { enrollSite } from '../../apps/site-agent/src/identity/enroll.ts';
import { loadCoordinator, loadSiteKeys } from '../../apps/site-agent/src/identity/identity.ts';
import { CoordinatorConnection } from '../../apps/site-agent/src/transport/connection.ts';
import { quantile } from '../crash/quantile.ts';
import type { Federation } from '../support/federation.ts';

/** Connections that are made. */
export const lightSites = 50;
/** How long the coordinator is away, each time: not at all, and so long that the sites wait as long as they ever do. */
const awayMs = [0, 45_000];
const waitMaxMs = 120_000;

/** How soon they were back. */
export interface ReturnReport {
  readonly sites: number;
  readonly awaySeconds: number;
  /** From the start of its process until the coordinator serves. */
  readonly servingSeconds: number;
  /** From then until a site was answered, the median and the last. */
  readonly medianSeconds: number;
  readonly lastSeconds: number;
}

/** One site's connection, with the waits that agents have unless they are told otherwise. */
class LightSite {
  readonly #connection: CoordinatorConnection;
  /** When it was last answered: milliseconds of the monotonic clock. */
  answeredAtMs = 0;

  private constructor(connection: CoordinatorConnection) {
    this.#connection = connection;
    connection.onChange = (reason) => {
      if (reason === 'connected') void this.#pull();
    };
    connection.start();
  }

  static async enroll(federation: Federation, name: string): Promise<LightSite> {
    const dataDirectory = join(federation.directory, 'light', name);
    const code = await federation.invite(name);
    const network = { certificateAuthority: null, proxy: proxyChoice('none', {}) };
    await enrollSite({ dataDirectory, code, timeoutMs: 30_000, ...network });
    await federation.approve(name);
    const [keys, coordinator] = [
      await loadSiteKeys(dataDirectory),
      await loadCoordinator(dataDirectory),
    ];
    if (keys === null || coordinator === null) throw new Error(`${name}: expected an enrolment`);
    const standard = agentConfigSchema.parse({ dataDirectory, backbones: ['none'] }).connection;
    const { backoffMinimumMs: minimumMs, backoffMaximumMs: maximumMs } = standard;
    return new LightSite(
      new CoordinatorConnection({
        ...standard,
        url: coordinator.url,
        federation: coordinator.federation,
        site: siteIdSchema.parse(coordinator.site),
        signingSecretKey: keys.signing.secretKey,
        coordinatorPublicKey: fromHex(coordinator.signingPublicKey),
        ...network,
        backoff: { minimumMs, maximumMs },
        emit: () => undefined,
        logger: silentLogger,
      }),
    );
  }

  async #pull(): Promise<void> {
    try {
      await this.#connection.command('round:get', { known: [] });
      this.answeredAtMs = performance.now();
    } catch {
      // The connection broke again: the next one asks anew.
    }
  }

  stop(): Promise<void> {
    return this.#connection.stop();
  }
}

/** Wait until every site was answered since a time; the times they took after `sinceMs`. */
async function allAnswered(sites: readonly LightSite[], sinceMs: number): Promise<number[]> {
  const deadlineMs = performance.now() + waitMaxMs;
  while (sites.some(({ answeredAtMs }) => answeredAtMs < sinceMs)) {
    if (performance.now() > deadlineMs) break;
    await sleep(50);
  }
  return sites.map(({ answeredAtMs }) =>
    answeredAtMs < sinceMs ? waitMaxMs : answeredAtMs - sinceMs,
  );
}

/** Connect fifty sites, kill the coordinator twice and report how soon they are back. */
export async function measureReturn(
  federation: Federation,
  say: (line: string) => void,
): Promise<ReturnReport[]> {
  const sites: LightSite[] = [];
  try {
    for (let at = 1; at <= lightSites; at++)
      sites.push(await LightSite.enroll(federation, `light-${at}`));
    await allAnswered(sites, 1);
    const reports: ReturnReport[] = [];
    for (const wait of awayMs) {
      const killedMs = performance.now();
      await federation.coordinator?.kill();
      await sleep(wait);
      const startedMs = performance.now();
      await federation.startCoordinator();
      const servingMs = performance.now();
      // A site may be back before the line that says the coordinator listens has been read.
      const seconds = (await allAnswered(sites, killedMs)).map(
        (tookMs) => Math.max(0, killedMs + tookMs - servingMs) / 1000,
      );
      reports.push({
        sites: sites.length,
        awaySeconds: wait / 1000,
        servingSeconds: (servingMs - startedMs) / 1000,
        medianSeconds: quantile(seconds, 0.5),
        lastSeconds: quantile(seconds, 1),
      });
      say(`${sites.length} sites back, the last after ${quantile(seconds, 1).toFixed(1)} s`);
    }
    return reports;
  } finally {
    await Promise.all(sites.map((site) => site.stop()));
  }
}
