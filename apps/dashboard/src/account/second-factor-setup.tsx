/** A second factor, step by step: the password, the secret in an authenticator, a code of it, recovery codes. */
import { Anchor, Stack, Text, TextInput } from '@mantine/core';
import { useState, type SyntheticEvent } from 'react';
import { request } from '#api';
import { send } from '../api/client.ts';
import {
  authenticatorSchema,
  recoveryCodesSchema,
  type Authenticator,
} from '../api/people-schemas.ts';
import { useRun } from '../common/use-run.ts';
import { CopyText } from '../common/copy-text.tsx';
import { FormEnd } from '../common/form-end.tsx';
import { confirmationFailure } from '../session/sign-in-texts.ts';
import { PresentPassword } from './present-password.tsx';
import { RecoveryCodes } from './recovery-codes.tsx';

function PasswordStep(props: {
  readonly onMade: (authenticator: Authenticator) => void;
  readonly onCancel: (() => void) | undefined;
}) {
  const [password, setPassword] = useState('');
  const { isBusy, failure, run } = useRun(confirmationFailure);
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    run(async () => {
      const body = { password };
      props.onMade(
        await send(request('POST', '/v1/account/second-factor', authenticatorSchema, { body })),
      );
    });
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <Text size="sm">
          You need an authenticator: an application on your telephone, or a manager of passwords
          that makes codes by time.
        </Text>
        <PresentPassword value={password} onChange={setPassword} />
        <FormEnd
          failure={failure}
          isBusy={isBusy}
          isReady={password !== ''}
          verb="Make the secret"
          onCancel={props.onCancel}
        />
      </Stack>
    </form>
  );
}

function CodeStep(props: {
  readonly authenticator: Authenticator;
  readonly onConfirmed: (codes: readonly string[]) => void;
  readonly onCancel: (() => void) | undefined;
}) {
  const { secret, uri } = props.authenticator;
  const [code, setCode] = useState('');
  const { isBusy, failure, run } = useRun();
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    run(async () => {
      const answer = await send(
        request('POST', '/v1/account/second-factor/confirm', recoveryCodesSchema, {
          body: { code },
        }),
      );
      props.onConfirmed(answer.recoveryCodes);
    });
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        <Text size="sm">
          Enter the secret in your authenticator (by time, six digits), or open the address on the
          device where it is:{' '}
          <Anchor href={uri} size="sm" underline="always">
            open the authenticator
          </Anchor>
          . Both are <b>shown only now</b>.
        </Text>
        <CopyText name="Secret" text={secret} />
        <CopyText name="Address for the authenticator" text={uri} />
        <TextInput
          label="Code that it shows now"
          autoComplete="one-time-code"
          inputMode="numeric"
          required
          maxLength={16}
          value={code}
          onChange={(event) => setCode(event.currentTarget.value)}
        />
        <FormEnd
          failure={failure}
          isBusy={isBusy}
          isReady={code.replace(/\s/g, '').length >= 6}
          verb="Confirm it"
          onCancel={props.onCancel}
        />
      </Stack>
    </form>
  );
}

/** A second factor, step by step. `onDone` comes once the recovery codes were kept. */
export function SecondFactorSetup(props: {
  readonly onDone: () => void;
  readonly onCancel?: () => void;
}) {
  const [authenticator, setAuthenticator] = useState<Authenticator>();
  const [codes, setCodes] = useState<readonly string[]>();
  if (codes !== undefined) return <RecoveryCodes codes={codes} onDone={props.onDone} />;
  if (authenticator === undefined) {
    return <PasswordStep onMade={setAuthenticator} onCancel={props.onCancel} />;
  }
  return (
    <CodeStep authenticator={authenticator} onConfirmed={setCodes} onCancel={props.onCancel} />
  );
}
