/**
 * A site of release 0.1.0: whatever it sends and whatever it is answered must fit the schemas of that release, strictly.
 *
 * It signs and seals as the scripted site of the coordinator's specs does, and is let down by nothing it does not know.
 */
import { z } from 'zod';
import { FakeSite } from '../../apps/coordinator/src/testing/fake-site.ts';
import { coordinatorEvents, refusalSchema, siteCommands, socketAuthSchema } from './messages.ts';
import {
  decisionSchema,
  evaluationPayloadSchema,
  manifestSchema,
  roundOpenSchema,
  roundResultSchema,
} from './signed-payloads.ts';

/** What a signed envelope in a request carries. */
const payloads: Readonly<Record<string, z.ZodType>> = {
  decision: decisionSchema,
  manifest: manifestSchema,
  evaluation: evaluationPayloadSchema,
};
const envelopeSchema = z.object({ payload: z.instanceof(Uint8Array) });
const schemas: Readonly<
  Record<string, { readonly request: z.ZodType; readonly response: z.ZodType }>
> = siteCommands;

const contentOf = (payload: Uint8Array): unknown =>
  JSON.parse(Buffer.from(payload).toString('utf8'));

/** A site that is as strict as 0.1.0 was. */
export class StrictSite extends FakeSite {
  /** Announcements heard, each of which it understood. */
  announcements = 0;
  /** Events that 0.1.0 does not know: its agent does not listen for them. */
  readonly unknownEvents: string[] = [];

  override async auth(change: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
    return socketAuthSchema.parse(await super.auth(change));
  }

  override async connect(auth?: Record<string, unknown>) {
    const socket = await super.connect(auth);
    socket.onAny((event: string, content: unknown) => {
      if (event !== 'state') {
        this.unknownEvents.push(event);
        return;
      }
      coordinatorEvents.state.parse(content);
      this.announcements += 1;
    });
    return socket;
  }

  override async raw(event: string, ...request: readonly unknown[]): Promise<unknown> {
    const schema = schemas[event];
    if (schema === undefined) throw new Error(`0.1.0: it knows no command ${event}`);
    schema.request.parse(request[0]);
    for (const [name, content] of Object.entries(z.looseObject({}).parse(request[0]))) {
      const envelope = envelopeSchema.safeParse(content);
      if (envelope.success) payloads[name]?.parse(contentOf(envelope.data.payload));
    }
    const answer = await super.raw(event, ...request);
    return understood(event, answer);
  }
}

/** Read an answer as 0.1.0 does: a refusal by a code that it does not know is MESSAGE_INVALID to it. */
function understood(event: string, answer: unknown): unknown {
  const refusal = refusalSchema.safeParse(answer);
  if (refusal.success) return answer;
  if (z.looseObject({ ok: z.literal(false) }).safeParse(answer).success)
    return { ok: false, code: 'MESSAGE_INVALID', message: 'not of 0.1.0', retryable: false };
  schemas[event]?.response.parse(answer);
  if (event !== 'round:get') return answer;
  const { assignments, results } = siteCommands['round:get'].response.parse(answer);
  for (const { open } of assignments) roundOpenSchema.parse(contentOf(open.payload));
  for (const { result } of results) roundResultSchema.parse(contentOf(result.payload));
  return answer;
}
