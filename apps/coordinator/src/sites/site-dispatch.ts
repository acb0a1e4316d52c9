/** From a packet to an acknowledgement: parsed by its schema, limited, done, answered. A throw always becomes a refusal. */
import type { z } from 'zod';
import type { Clock } from '#core/clock';
import { ProtocolError, toPublicError } from '#core/errors';
import {
  parseMessage,
  siteCommands,
  type Refusal,
  type SiteCommand,
  type SiteId,
  type SiteRequest,
} from '#core/protocol';
import { toCoordinatorError } from '../common/store-errors.ts';
import type { Logger } from '../common/logger.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { RateLimiter } from './rate-limiter.ts';
import type { SiteCommandHandlers } from './site-commands.service.ts';

type Runner = (site: SiteId, request: unknown) => Promise<unknown>;

/** Parse by a command's own schema, then do what it says. */
function runner<Request>(
  name: SiteCommand,
  schema: z.ZodType<Request>,
  handler: (site: SiteId, request: Request) => Promise<unknown>,
): Runner {
  return (site, request) => handler(site, parseMessage(schema, request, name));
}

function runnersOf(handlers: SiteCommandHandlers): Readonly<Record<SiteCommand, Runner>> {
  const make = <Name extends SiteCommand>(
    name: Name,
    schema: z.ZodType<SiteRequest<Name>>,
  ): Runner => runner<SiteRequest<Name>>(name, schema, handlers[name]);
  return {
    hello: make('hello', siteCommands.hello.request),
    heartbeat: make('heartbeat', siteCommands.heartbeat.request),
    'round:get': make('round:get', siteCommands['round:get'].request),
    'round:accept': make('round:accept', siteCommands['round:accept'].request),
    'round:decline': make('round:decline', siteCommands['round:decline'].request),
    'round:withdraw': make('round:withdraw', siteCommands['round:withdraw'].request),
    'blob:get': make('blob:get', siteCommands['blob:get'].request),
    'upload:begin': make('upload:begin', siteCommands['upload:begin'].request),
    'upload:range': make('upload:range', siteCommands['upload:range'].request),
    'upload:commit': make('upload:commit', siteCommands['upload:commit'].request),
    evaluation: make('evaluation', siteCommands.evaluation.request),
    'evaluation:get': make('evaluation:get', siteCommands['evaluation:get'].request),
    'evaluation:decline': make('evaluation:decline', siteCommands['evaluation:decline'].request),
    'audit:get': make('audit:get', siteCommands['audit:get'].request),
  };
}

function isSiteCommand(name: unknown): name is SiteCommand {
  return typeof name === 'string' && Object.hasOwn(siteCommands, name);
}

/** Bytes of binary in a request, down to the depth that the schemas have. */
function binaryBytes(value: unknown, depth = 3): number {
  if (value instanceof Uint8Array) return value.length;
  if (depth === 0 || typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce<number>((sum, part) => sum + binaryBytes(part, depth - 1), 0);
}

/** From a packet to an acknowledgement. */
export class SiteDispatch {
  readonly #runners: Readonly<Record<SiteCommand, Runner>>;
  readonly #checkActive: (site: SiteId) => void;
  readonly #logger: Logger;
  readonly #limiter: RateLimiter;
  readonly #metrics: Metrics;

  constructor(options: {
    readonly handlers: SiteCommandHandlers;
    /** Throws where the site may not take part at this moment. */
    readonly checkActive: (site: SiteId) => void;
    readonly logger: Logger;
    readonly clock: Clock;
    readonly metrics: Metrics;
  }) {
    this.#runners = runnersOf(options.handlers);
    this.#checkActive = options.checkActive;
    this.#logger = options.logger;
    this.#limiter = new RateLimiter(options.clock);
    this.#metrics = options.metrics;
  }

  /** Answer one packet of an authenticated site; never throws and never echoes what was sent. */
  async answer(site: SiteId, name: unknown, request: unknown): Promise<unknown> {
    const bytes = binaryBytes(request);
    this.#metrics.siteBytes.inc({ direction: 'in' }, bytes);
    if (!this.#limiter.enter(site, bytes)) {
      return this.#refuse(site, name, new ProtocolError('RATE_LIMITED', 'site: it sent too much'));
    }
    try {
      if (!isSiteCommand(name)) {
        throw new ProtocolError(
          'MESSAGE_INVALID',
          'site: expected a command of melo/1, got another event; check that both sides run the same release',
          {},
          { sites: [site] },
        );
      }
      this.#checkActive(site);
      const answer = await this.#runners[name](site, request);
      this.#metrics.siteBytes.inc({ direction: 'out' }, binaryBytes(answer));
      this.#metrics.siteCommands.inc({ command: name, outcome: 'ok' });
      return answer;
    } catch (error) {
      return this.#refuse(site, name, toCoordinatorError(error));
    } finally {
      this.#limiter.leave(site);
    }
  }

  #refuse(site: SiteId, name: unknown, error: unknown): Refusal {
    const { code, message, retryable } = toPublicError(error);
    const event = isSiteCommand(name) ? name : 'unknown';
    this.#metrics.siteCommands.inc({ command: event, outcome: code });
    if (code === 'INTERNAL') this.#logger.error('command failed', { site, event, error });
    else this.#logger.warn('command refused', { site, event, code });
    return { ok: false, code, message: message.slice(0, 2000), retryable };
  }
}
