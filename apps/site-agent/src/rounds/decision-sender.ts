/** Signs and sends what a site decides about a round. */
import { signDomains, signPayload } from '#core/crypto';
import { MeloError } from '#core/errors';
import {
  decisionSchema,
  encodePayload,
  protocolVersion,
  type Assignment,
  type MemberStatus,
  type RoundKey,
  type RoundOpen,
} from '#core/protocol';
import { isLinkError } from '../transport/connection.ts';
import { roundName, type AgentContext } from './context.ts';

/** A round that the coordinator offered, its signature verified. */
export interface VerifiedAssignment {
  readonly assignment: Assignment;
  readonly open: RoundOpen;
  readonly key: RoundKey;
  readonly roundOpenDigest: string;
}

/** What a site decides. */
export type SiteDecision =
  | { readonly decision: 'accept'; readonly samples: number }
  | { readonly decision: 'decline' | 'withdraw'; readonly code: string; readonly reason: string };

/** What the coordinator said to it: where the member stands then, or why it was not taken. */
export type DecisionAnswer =
  | { readonly status: MemberStatus }
  | { readonly status: null; readonly code: string; readonly message: string };

const commandOf = {
  accept: 'round:accept',
  decline: 'round:decline',
  withdraw: 'round:withdraw',
} as const;

/**
 * Sign and send a decision.
 *
 * @throws MeloError where the link broke or the coordinator asks to try again later
 */
export async function sendDecision(
  context: AgentContext,
  { key, roundOpenDigest }: Pick<VerifiedAssignment, 'key' | 'roundOpenDigest'>,
  decision: SiteDecision,
): Promise<DecisionAnswer> {
  const { site, federation, keys, commands, logger } = context;
  const payload = encodePayload(decisionSchema, {
    type: 'decision',
    protocol: protocolVersion,
    federation,
    ...key,
    site,
    roundOpenDigest,
    ...decision,
  });
  const envelope = signPayload(signDomains.decision, payload, keys.signing.secretKey);
  context.crashPoints.reach('agent.decision-signed');
  try {
    const command = commandOf[decision.decision];
    return { status: (await commands.command(command, { decision: envelope })).status };
  } catch (error) {
    if (isLinkError(error) || !(error instanceof MeloError)) throw error;
    const { code, message } = error;
    logger.warn({ code, round: roundName(key) }, message);
    if (error.catalogEntry.retryable) throw error;
    return { status: null, code, message };
  }
}
