/** `melo agent report`: whether the federation helps this site, on its own held-out patients. Nothing of it leaves the machine. */
import { InputError } from '#core/errors';
import {
  bootstrapIntervals,
  discriminationOf,
  pairedDifference,
  reportOf,
  type Interval,
} from '#core/evaluation';
import { ScoreArchive } from '../rounds/score-archive.ts';
import type { HeldOutScores } from '../trainer/held-out-scores.ts';
import { loadSiteConfig } from './data-folder.ts';

/** The same draws as those of the reports. */
const seed = 'held-out';

/** What is told of one model. */
interface ModelFigures {
  readonly macroAuc: number | null;
  readonly interval: Interval | null;
}

function figuresOf({ scored }: HeldOutScores): ModelFigures {
  const { macroAuc } = discriminationOf(reportOf(scored));
  return { macroAuc, interval: bootstrapIntervals(scored, { seed }).macroAuc };
}

const text = (figure: number | null): string => (figure === null ? 'undefined' : figure.toFixed(4));
const between = (ends: Interval | null): string =>
  ends === null ? 'no interval' : `95 % interval ${text(ends[0])} to ${text(ends[1])}`;

/** Put a difference and its interval into words. */
export function describeDifference(difference: number | null, interval: Interval | null): string {
  if (difference === null || interval === null) return 'the difference is undefined';
  if (interval[0] > 0) return 'the federation helps this site';
  if (interval[1] < 0) return 'this site does better alone';
  return 'these patients cannot tell the two apart';
}

/** Compare a version with what this site trained alone. */
export async function reportComparison(
  task: string,
  options: { readonly config: string; readonly json: boolean; readonly version?: number },
): Promise<void> {
  const config = await loadSiteConfig(options.config);
  const archive = new ScoreArchive(config.dataDirectory);
  const versions = await archive.versions(task);
  const version = options.version ?? versions.at(-1);
  const federated = version === undefined ? null : await archive.read(task, version);
  if (version === undefined || federated === null) {
    throw new InputError(
      'NOT_FOUND',
      `${task}: expected the scores of ${version === undefined ? 'a version' : `version ${version}`}, there are those of ${versions.join(', ') || 'none'}; they come with each evaluation`,
    );
  }
  const alone = await archive.read(task, null);
  const isSame = alone !== null && alone.images === federated.images;
  const compared = isSame ? pairedDifference(federated.scored, alone.scored, { seed }) : null;
  const groups = new Set(federated.scored.groups).size;
  const images = federated.scored.groups.length;
  const answer = {
    ...{ task, version, images, groups },
    federated: figuresOf(federated),
    alone: alone === null ? null : figuresOf(alone),
    comparison: compared,
  };
  if (options.json) {
    process.stdout.write(`${JSON.stringify(answer)}\n`);
    return;
  }
  const lines = [
    `${task}: ${images} held-out images of ${groups} patients or groups`,
    `federated, version ${version}: macro AUC ${text(answer.federated.macroAuc)}, ${between(answer.federated.interval)}`,
    answer.alone === null
      ? 'alone: not trained; the task must ask for it (localBaseline) and the policy of this site allow it'
      : `alone: macro AUC ${text(answer.alone.macroAuc)}, ${between(answer.alone.interval)}`,
    ...(alone !== null && !isSame
      ? ['not compared: the held-out images have changed since one of the two was evaluated']
      : []),
    ...(compared === null
      ? []
      : [
          `federated less alone: ${text(compared.difference)}, ${between(compared.interval)}: ${describeDifference(compared.difference, compared.interval)}`,
        ]),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}
