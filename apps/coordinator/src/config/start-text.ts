/** What `melo coordinator start` says once it listens: where it is, and what to do next. */
import type { Coordinator } from '../coordinator.ts';

/** What is said once a coordinator listens. */
export function startText(
  coordinator: Pick<Coordinator, 'url' | 'dashboardUrl' | 'tokenFile'>,
  retentionDays: number,
): string {
  const { url, dashboardUrl, tokenFile } = coordinator;
  const token = `--url ${url} --token-file ${tokenFile}`;
  const dashboard =
    dashboardUrl === null
      ? ['The dashboard is not built; npm run build makes it']
      : [
          `The dashboard is at ${dashboardUrl}; sign in with the link that this prints:`,
          `  melo admin dashboard ${token}`,
        ];
  return [
    `The coordinator listens at ${url}`,
    `The administrator's token is in ${tokenFile} (only you can read it; it is valid for 90 days)`,
    retentionDays === 0
      ? 'Uploads and the key of a round are erased as soon as it settles'
      : `Uploads and the key of a round are kept for ${retentionDays} days after it settles`,
    ...dashboard,
    '',
    'Next:',
    `  melo admin sites invite NAME ${token}     make a one-time code for a hospital`,
    `  melo agent enroll --config agent.yaml     at the hospital: it asks for the code`,
    `  melo admin sites approve NAME ${token}    compare the fingerprint with the hospital's`,
    `  melo admin tasks create task.yaml ${token}`,
    '',
    'Stop it with Ctrl+C.',
    '',
  ].join('\n');
}
