/**
 * Sends what is stored: at once, and again after longer and longer waits until the address takes it or it is given up. What
 * waits lies in the database, so a restart goes on; a delivery may arrive twice, under the same id, and never goes missing
 * unsaid. Each address has a lane of its own, so that one that hangs keeps nobody else waiting, and no round waits for any.
 */
import { randomInt } from 'node:crypto';
import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { BackgroundWork } from '../common/background-work.ts';
import { Changes } from '../common/changes.ts';
import { Environment } from '../common/environment.ts';
import { AlertsService } from './alerts.service.ts';
import { bodyOf, DeliveryStore, type DeliveryRecord } from './delivery-store.ts';
import { post } from './post.ts';
import { retryDelayMs } from './retry-delays.ts';
import { signedHeaders } from './signature.ts';
import { WebhookStore } from './webhook-store.ts';

const lookIntervalMs = 5000;
/** Milliseconds until a lane goes on whose outcome could not be stored. */
const patienceMs = 10_000;
/** Milliseconds that an address has to answer. */
const answerTimeoutMs = 10_000;
const chanceSteps = 1000;

/** Sends what is stored. */
@Injectable()
export class DeliveriesService implements BeforeApplicationShutdown {
  readonly #environment: Environment;
  readonly #background: BackgroundWork;
  readonly #changes: Changes;
  readonly #webhooks: WebhookStore;
  readonly #store: DeliveryStore;
  readonly #stopping = new AbortController();
  /** Addresses to which something is under way. */
  readonly #busy = new Set<string>();
  #isLooking = false;
  #isAskedAgain = false;

  constructor(
    environment: Environment,
    background: BackgroundWork,
    changes: Changes,
    webhooks: WebhookStore,
    store: DeliveryStore,
    alerts: AlertsService,
  ) {
    this.#environment = environment;
    this.#background = background;
    this.#changes = changes;
    this.#webhooks = webhooks;
    this.#store = store;
    alerts.connect(() => {
      this.kick();
    });
  }

  /** Go on with what waits, and look for what is due now and then. */
  start(): void {
    this.kick();
    this.#background.startEvery('webhooks', lookIntervalMs, async () => {
      this.kick();
    });
  }

  /** Look now for what is due. */
  kick(): void {
    this.#isAskedAgain = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    this.#background.start('webhooks', async () => {
      try {
        while (this.#isAskedAgain) {
          this.#isAskedAgain = false;
          await this.#look();
        }
      } finally {
        this.#isLooking = false;
      }
    });
  }

  beforeApplicationShutdown(): void {
    this.#stopping.abort();
  }

  async #look(): Promise<void> {
    for (const delivery of await this.#store.due(this.#environment.clock.wallTimeMs())) {
      const { webhook } = delivery;
      if (this.#busy.has(webhook)) continue;
      this.#busy.add(webhook);
      this.#background.start('webhooks', () => this.#goOn(delivery));
    }
  }

  /** Send one delivery; whatever comes of it, the lane goes on. */
  async #goOn(delivery: DeliveryRecord): Promise<void> {
    const goOn = (): void => {
      this.#busy.delete(delivery.webhook);
      this.kick();
    };
    try {
      await this.#send(delivery);
      goOn();
    } catch (error) {
      // Not at once: what cannot be noted would be sent again and again.
      this.#background.startLater('webhooks', patienceMs, async () => {
        goOn();
      });
      if (!this.#stopping.signal.aborted) throw error;
    }
  }

  async #send(delivery: DeliveryRecord): Promise<void> {
    const { clock } = this.#environment;
    const webhook = await this.#webhooks.find(delivery.webhook);
    if (webhook === undefined) return; // removed meanwhile, and its deliveries with it
    const { body } = delivery;
    const { id, kind } = bodyOf(delivery);
    const secret = this.#webhooks.secretOf(webhook);
    const headers = signedHeaders(secret, { id, atMs: clock.wallTimeMs(), body });
    const limits = { signal: this.#stopping.signal, timeoutMs: answerTimeoutMs };
    const { isTaken, outcome } = await post(webhook.url, { headers, body }, limits);
    const nowMs = clock.wallTimeMs();
    const attempts = delivery.attempts + 1;
    const chance = randomInt(chanceSteps + 1) / chanceSteps;
    const delayMs = isTaken || kind === 'test' ? null : retryDelayMs(attempts, chance);
    await this.#store.settle(delivery.id, {
      attempts,
      nextAtMs: delayMs === null ? null : nowMs + delayMs,
      deliveredAtMs: isTaken ? nowMs : null,
      lastOutcome: outcome,
    });
    this.#changes.publish('webhooks');
    this.#tell(kind, { isTaken, isGivenUp: !isTaken && delayMs === null, outcome, attempts });
  }

  #tell(
    event: string,
    {
      isTaken,
      isGivenUp,
      outcome: code,
      attempts: count,
    }: {
      readonly isTaken: boolean;
      readonly isGivenUp: boolean;
      readonly outcome: string;
      readonly attempts: number;
    },
  ): void {
    const { logger, metrics } = this.#environment;
    const outcome = isTaken ? 'taken' : isGivenUp ? 'given-up' : 'again';
    metrics.webhookAttempts.inc({ outcome });
    if (isGivenUp) logger.error('webhook given up', { event, code, count });
    else if (!isTaken) logger.warn('webhook not taken, it is sent again', { event, code, count });
  }
}
