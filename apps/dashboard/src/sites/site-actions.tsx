/** What can be done with a site where it stands. */
import { Button } from '@mantine/core';
import { useState } from 'react';
import { request } from '#api';
import { send } from '../api/client.ts';
import { answerOfCommand, type Site } from '../api/schemas.ts';
import { ActionButton, type Action } from '../common/action-button.tsx';
import { useMay } from '../session/access.ts';
import { ApproveDialog } from './approve-dialog.tsx';
import { InviteDialog } from './invite-dialog.tsx';

function actionsOf({ site, status }: Site): readonly Action[] {
  const path = { site };
  const suspend: Action = {
    label: 'Suspend',
    title: `Suspend ${site}?`,
    explanation: 'Its connection is cut and it takes part in no round until it is let back in.',
    verb: 'Suspend it',
    reason: 'required',
    run: (reason) =>
      send(
        request('POST', '/v1/sites/{site}/suspend', answerOfCommand, { path, body: { reason } }),
      ),
    done: `${site} is suspended.`,
  };
  const resume: Action = {
    label: 'Let it back in',
    title: `Let ${site} take part again?`,
    explanation: 'It connects by itself and is asked to the next round.',
    verb: 'Let it back in',
    reason: 'none',
    run: () => send(request('POST', '/v1/sites/{site}/resume', answerOfCommand, { path })),
    done: `${site} may take part again.`,
  };
  const leave: Action = {
    label: 'Let it leave',
    title: `Let ${site} leave the federation?`,
    explanation:
      'It is cut at once and is a member of no later round. Versions stay, and those with its share are marked wherever they are shown. It comes back only by a new enrolment.',
    verb: 'Let it leave',
    reason: 'required',
    isGrave: true,
    run: (reason) =>
      send(
        request('POST', '/v1/sites/{site}/leave', answerOfCommand, {
          path,
          body: { reason, rerun: false },
        }),
      ),
    done: `${site} has left. Versions with its share are marked.`,
  };
  const revoke: Action = {
    label: 'Revoke',
    title: `Revoke ${site} for good?`,
    explanation:
      'Its keys are worth nothing from now on, and its connection is cut. This cannot be taken back: not even its name comes back. A site that only ends its part is better let leave.',
    verb: 'Revoke it',
    reason: 'required',
    isGrave: true,
    run: (reason) =>
      send(request('POST', '/v1/sites/{site}/revoke', answerOfCommand, { path, body: { reason } })),
    done: `${site} is revoked.`,
  };
  if (status === 'active') return [suspend, leave, revoke];
  if (status === 'suspended') return [resume, leave, revoke];
  if (status === 'pending') return [revoke];
  return [];
}

/** What can be done with a site, as buttons that ask first. */
export function SiteActions({ site }: { readonly site: Site }) {
  const [opened, setOpened] = useState<'approve' | 'invite'>();
  if (!useMay('administer')) return null;
  const { status, fingerprint } = site;
  const close = (): void => setOpened(undefined);
  return (
    <>
      {status === 'pending' && fingerprint !== null && (
        <Button size="compact-sm" onClick={() => setOpened('approve')}>
          Approve
        </Button>
      )}
      {status !== 'revoked' && (
        <Button size="compact-sm" variant="default" onClick={() => setOpened('invite')}>
          {status === 'active' || status === 'suspended' ? 'Renew its keys' : 'Make a new code'}
        </Button>
      )}
      {actionsOf(site).map((action) => (
        <ActionButton key={action.label} action={action} />
      ))}
      {opened === 'approve' && fingerprint !== null && (
        <ApproveDialog site={site.site} fingerprint={fingerprint} onClose={close} />
      )}
      {opened === 'invite' && <InviteDialog site={site.site} onClose={close} />}
    </>
  );
}
