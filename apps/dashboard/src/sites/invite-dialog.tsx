/** An invitation: the one-time code of a site, shown once, with what is to be done there. */
import { Button, Stack, Text, TextInput } from '@mantine/core';
import { useState, type SyntheticEvent } from 'react';
import { request } from '#api';
import { send } from '../api/client.ts';
import { invitationSchema, type Invitation } from '../api/detail-schemas.ts';
import { live } from '../api/live.ts';
import { useRun } from '../common/use-run.ts';
import { Ago } from '../common/ago.tsx';
import { CopyText } from '../common/copy-text.tsx';
import { Dialog, DialogButtons } from '../common/dialog.tsx';
import { FormEnd } from '../common/form-end.tsx';

/** Where agents reach the coordinator, as far as this page knows. */
const ownAddress = (): string => window.location.origin;

function Code({
  invitation,
  onClose,
}: {
  readonly invitation: Invitation;
  readonly onClose: () => void;
}) {
  return (
    <>
      <Text size="sm">
        Hand this code over in private. It works once, and runs out{' '}
        <Ago timeMs={invitation.expiresAtMs} />. It is <b>shown only now</b>.
      </Text>
      <CopyText name="One-time code" text={invitation.code} />
      <Text size="sm">At the site, where its configuration lies:</Text>
      <CopyText name="Command for the site" text="npx melo agent enroll --config agent.yaml" />
      <Text size="sm">
        It asks for the code, makes the site&apos;s keys, which never leave it, and prints a
        fingerprint. Have that read out to you, by telephone for instance, and approve the site here
        with it.
      </Text>
      <DialogButtons>
        <Button onClick={onClose}>I have handed it over</Button>
      </DialogButtons>
    </>
  );
}

const inviteNew = (site: string, url: string) =>
  request('POST', '/v1/sites', invitationSchema, { body: { site, url } });
const inviteAgain = (site: string, url: string) =>
  request('POST', '/v1/sites/{site}/invitations', invitationSchema, {
    path: { site },
    body: { url },
  });

/** Invite a site, or one that was invited before once more. */
export function InviteDialog(props: { readonly site?: string; readonly onClose: () => void }) {
  const { onClose } = props;
  const [site, setSite] = useState(props.site ?? '');
  const [url, setUrl] = useState(ownAddress);
  const [invitation, setInvitation] = useState<Invitation>();
  const { isBusy, failure, run } = useRun();
  const isAgain = props.site !== undefined;
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    run(async () => {
      const address = url.trim();
      const invite = isAgain ? inviteAgain(site, address) : inviteNew(site.trim(), address);
      setInvitation(await send(invite));
      await live.look();
    });
  };
  const title =
    invitation === undefined
      ? isAgain
        ? `A new code for ${site}`
        : 'Invite a site'
      : `The code for ${invitation.site}`;
  return (
    <Dialog title={title} onClose={onClose}>
      {invitation !== undefined ? (
        <Code invitation={invitation} onClose={onClose} />
      ) : (
        <form onSubmit={submit}>
          <Stack gap="md">
            {isAgain ? (
              <Text size="sm">
                With it the site enrols anew, with fresh keys, and is approved again by their
                fingerprint. Earlier codes that were not used stop working.
              </Text>
            ) : (
              <TextInput
                label="Name of the site"
                description="Small letters, digits and hyphens, e.g. north-hospital. It stands in every record and cannot be changed."
                required
                maxLength={64}
                value={site}
                onChange={(event) => setSite(event.currentTarget.value)}
              />
            )}
            <TextInput
              label="Address of the coordinator, as the site sees it"
              description="It is part of the code."
              required
              maxLength={512}
              value={url}
              onChange={(event) => setUrl(event.currentTarget.value)}
            />
            <FormEnd
              failure={failure}
              isBusy={isBusy}
              isReady={site.trim() !== ''}
              verb="Make the code"
              onCancel={onClose}
            />
          </Stack>
        </form>
      )}
    </Dialog>
  );
}
