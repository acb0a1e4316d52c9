/** A person's own new password: every session of the account ends, and this page goes on with a new one. */
import { PasswordInput, Stack } from '@mantine/core';
import { useState, type SyntheticEvent } from 'react';
import { request } from '#api';
import { send } from '../api/client.ts';
import { answerOfCommand } from '../api/schemas.ts';
import { useRun } from '../common/use-run.ts';
import { FormEnd } from '../common/form-end.tsx';
import { announce } from '../common/notice.tsx';
import { changeSession } from '../session/session.ts';
import { confirmationFailure } from '../session/sign-in-texts.ts';
import { isWholePassword, passwordLengthMin, problemsOfPassword } from './new-password.ts';

function Field(props: {
  readonly label: string;
  readonly description?: string;
  readonly error?: string | undefined;
  readonly autoComplete: 'current-password' | 'new-password';
  readonly value: string;
  readonly onChange: (value: string) => void;
}) {
  const { description, error, onChange, ...rest } = props;
  return (
    <PasswordInput
      {...rest}
      {...(description === undefined ? {} : { description })}
      {...(error === undefined ? {} : { error })}
      required
      maxLength={256}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}

/** A person's own new password. `isFirst`: the present one was set by somebody else. */
export function OwnPasswordForm(props: {
  readonly user: string;
  readonly isFirst?: boolean;
  readonly onDone: () => void;
  readonly onCancel?: () => void;
}) {
  const { user, isFirst = false, onDone, onCancel } = props;
  const [current, setCurrent] = useState('');
  const [password, setPassword] = useState('');
  const [repeated, setRepeated] = useState('');
  const { isBusy, failure, run } = useRun(confirmationFailure);
  const problems = problemsOfPassword(password, repeated);
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    run(async () => {
      const body = { currentPassword: current, newPassword: password };
      await changeSession(() =>
        send(request('POST', '/v1/account/password', answerOfCommand, { body })),
      );
      announce('Your password is changed; your other sessions have ended.');
      onDone();
    });
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="md">
        {/* For managers of passwords: whose it is. */}
        <input type="text" name="username" autoComplete="username" value={user} readOnly hidden />
        <Field
          label={isFirst ? 'Temporary password' : 'Present password'}
          autoComplete="current-password"
          value={current}
          onChange={setCurrent}
        />
        <Field
          label="New password"
          description={`${passwordLengthMin} characters or more, any of them; a phrase of four words does.`}
          autoComplete="new-password"
          error={problems.password}
          value={password}
          onChange={setPassword}
        />
        <Field
          label="New password once more"
          autoComplete="new-password"
          error={problems.repeated}
          value={repeated}
          onChange={setRepeated}
        />
        <FormEnd
          failure={failure}
          isBusy={isBusy}
          isReady={current !== '' && isWholePassword(password, repeated)}
          verb="Change the password"
          onCancel={onCancel}
        />
      </Stack>
    </form>
  );
}
