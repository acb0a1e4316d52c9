/** Which release of the site agent a task needs: what it asks for itself, and what its definition has that came with a release. */
import { isStateful } from '#core/aggregation';
import { isReleaseAtLeast, type TaskDefinition } from '#core/protocol';

/** With it came the site's step in RoundOpen, and the digest of the aggregation's state in results. */
const siteStepRelease = '0.2.0';

type Definition = Pick<TaskDefinition, 'rules' | 'site' | 'aggregation'>;

/** The oldest release that can read what the task's rounds and results carry; null where any can. */
function releaseToRead({ site, aggregation }: Definition): string | null {
  return site !== undefined || isStateful(aggregation) ? siteStepRelease : null;
}

/** Tell whether an agent could not even read the task's messages: it is sent none of them. */
export function cannotRead(agentVersion: string | null, definition: Definition): boolean {
  const needed = releaseToRead(definition);
  return needed !== null && !isReleaseAtLeast(agentVersion ?? '', needed);
}

/** With it came requests for the adapter that a site trained alone, and for evaluations of it. */
const crossEvaluationRelease = '0.2.0';

/** Say why an agent cannot send the adapter that it trained alone, nor evaluate that of another site; null where it can. */
export function crossEvaluationHindrance(agentVersion: string | null): string | null {
  if (isReleaseAtLeast(agentVersion ?? '', crossEvaluationRelease)) return null;
  return `cannot: expected site agent ${crossEvaluationRelease} or newer, the site runs ${agentVersion ?? 'an unnamed one'}`;
}

/** Say why an agent is too old for a task; null where it is not. */
export function releaseHindrance(
  agentVersion: string | null,
  definition: Definition,
): string | null {
  const needed = [definition.rules.agentVersionMinimum, releaseToRead(definition)];
  for (const release of needed) {
    if (release === undefined || release === null) continue;
    if (isReleaseAtLeast(agentVersion ?? '', release)) continue;
    return `expected site agent ${release} or newer, the site runs ${agentVersion ?? 'an unnamed one'}`;
  }
  return null;
}
