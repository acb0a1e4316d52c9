/** The second factor of whoever is signed in: set up, removed, recovery codes made anew. */
import { Button, Stack, Text, TextInput } from '@mantine/core';
import { useState, type ReactNode, type SyntheticEvent } from 'react';
import { request } from '#api';
import { send } from '../api/client.ts';
import { live } from '../api/live.ts';
import { recoveryCodesSchema, type Account } from '../api/people-schemas.ts';
import { answerOfCommand } from '../api/schemas.ts';
import { useRun } from '../common/use-run.ts';
import { Dialog } from '../common/dialog.tsx';
import { Facts } from '../common/facts.tsx';
import { FormEnd } from '../common/form-end.tsx';
import { announce } from '../common/notice.tsx';
import { Panel } from '../common/panel.tsx';
import { confirmationFailure } from '../session/sign-in-texts.ts';
import { PresentPassword } from './present-password.tsx';
import { RecoveryCodes } from './recovery-codes.tsx';
import { SecondFactorSetup } from './second-factor-setup.tsx';

/** Password and code once more, before something that makes the account weaker. */
function ConfirmForm(props: {
  readonly explanation: ReactNode;
  readonly verb: string;
  readonly isGrave?: boolean;
  readonly run: (body: { readonly password: string; readonly code: string }) => Promise<void>;
  readonly onCancel: () => void;
}) {
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const { isBusy, failure, run } = useRun(confirmationFailure);
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    run(() => props.run({ password, code: code.trim() }));
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <Text size="sm">{props.explanation}</Text>
        <PresentPassword value={password} onChange={setPassword} />
        <TextInput
          label="Code"
          description="Of the authenticator, or a recovery code."
          autoComplete="one-time-code"
          required
          maxLength={64}
          value={code}
          onChange={(event) => setCode(event.currentTarget.value)}
        />
        <FormEnd
          failure={failure}
          isBusy={isBusy}
          isReady={password !== '' && code.trim().length >= 6}
          verb={props.verb}
          isGrave={props.isGrave === true}
          onCancel={props.onCancel}
        />
      </Stack>
    </form>
  );
}

function SetupDialog({ onClose }: { readonly onClose: () => void }) {
  const done = (): void => {
    void live.look();
    announce('Your second factor is set: sign-in asks for a code from now on.');
    onClose();
  };
  return (
    <Dialog title="Set up a second factor" onClose={onClose}>
      <SecondFactorSetup onDone={done} onCancel={onClose} />
    </Dialog>
  );
}

function RemoveDialog({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog title="Remove your second factor?" onClose={onClose}>
      <ConfirmForm
        explanation="The password alone signs you in then. Recovery codes stop working."
        verb="Remove it"
        isGrave
        onCancel={onClose}
        run={async (body) => {
          await send(
            request('POST', '/v1/account/second-factor/remove', answerOfCommand, { body }),
          );
          await live.look();
          announce('Your second factor is removed.');
          onClose();
        }}
      />
    </Dialog>
  );
}

function RenewDialog({ onClose }: { readonly onClose: () => void }) {
  const [codes, setCodes] = useState<readonly string[]>();
  return (
    <Dialog
      title={codes === undefined ? 'Make new recovery codes?' : 'Your new recovery codes'}
      onClose={onClose}
    >
      {codes !== undefined ? (
        <RecoveryCodes codes={codes} onDone={onClose} />
      ) : (
        <ConfirmForm
          explanation="The ones that you have stop working."
          verb="Make new ones"
          onCancel={onClose}
          run={async (body) => {
            const answer = await send(
              request('POST', '/v1/account/recovery-codes', recoveryCodesSchema, { body }),
            );
            setCodes(answer.recoveryCodes);
            await live.look();
          }}
        />
      )}
    </Dialog>
  );
}

type Opened = 'set' | 'remove' | 'renew';

/** The second factor of whoever is signed in. */
export function SecondFactorPanel({ account }: { readonly account: Account }) {
  const [opened, setOpened] = useState<Opened>();
  const close = (): void => setOpened(undefined);
  const { hasSecondFactor, recoveryCodesLeft } = account;
  const button = (label: string, what: Opened) => (
    <Button size="compact-sm" variant="default" onClick={() => setOpened(what)}>
      {label}
    </Button>
  );
  return (
    <Panel
      title="Second factor"
      aside={
        hasSecondFactor ? (
          <>
            {button('New recovery codes', 'renew')}
            {button('Remove the second factor', 'remove')}
          </>
        ) : (
          button('Set up a second factor', 'set')
        )
      }
    >
      <Facts
        facts={[
          [
            'Authenticator',
            hasSecondFactor
              ? 'set: sign-in asks for its code'
              : 'none: the password alone signs in',
          ],
          ['Recovery codes left', hasSecondFactor ? String(recoveryCodesLeft) : undefined],
        ]}
      />
      {opened === 'set' && <SetupDialog onClose={close} />}
      {opened === 'remove' && <RemoveDialog onClose={close} />}
      {opened === 'renew' && <RenewDialog onClose={close} />}
    </Panel>
  );
}
